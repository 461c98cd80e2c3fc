//! The segments of a JPEG file, as far as limits and truncation need them. The decoder itself is `image`'s.

/// What the frame header says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Structure {
    /// Bytes of coefficients that the decoder keeps for the whole picture; 0 if it works row by row.
    coefficient_bytes: u64,
    /// Where the first scan header begins.
    first_scan: Option<usize>,
}

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

impl Structure {
    /// Walks the segments up to the first scan. Damaged files give less, never an error: the decoder judges them.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut structure = Self::default();
        let mut frame = None;
        let mut at = 2;
        while let Some(segment) = Segment::at(bytes, at) {
            match segment.marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    frame = Frame::read(segment.marker, segment.body)
                }
                START_OF_SCAN => {
                    structure.first_scan = Some(segment.start);
                    let in_scan = segment.body.first().copied().unwrap_or(0);
                    structure.coefficient_bytes =
                        frame.map_or(0, |frame| frame.coefficient_bytes(in_scan));
                    break;
                }
                _ => {}
            }
            at = segment.end;
        }
        structure
    }

    /// Memory that decoding takes beside the output.
    pub(super) fn coefficient_bytes(&self) -> u64 {
        self.coefficient_bytes
    }

    /// Whether the file holds the marker that ends the picture. Its absence means that the file was cut off: entropy-coded
    /// data is self-delimiting, and every writer ends with the marker.
    pub(super) fn is_complete(&self, bytes: &[u8]) -> bool {
        let Some(first_scan) = self.first_scan else {
            return false;
        };
        // Nearly every file ends with it. Within entropy-coded data the two bytes cannot occur.
        if bytes.ends_with(&[0xFF, END_OF_IMAGE]) {
            return true;
        }
        let mut at = first_scan;
        loop {
            match Segment::at(bytes, at) {
                Some(segment) if segment.marker == END_OF_IMAGE => return true,
                Some(segment) => at = next_marker(bytes, segment.end),
                None => return false,
            }
        }
    }
}

/// The place of the next marker at or after `from`: past entropy-coded data, in which 0xFF is followed by 0 or by a
/// restart marker.
fn next_marker(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(step) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == 0xFF))
    {
        at += step;
        match bytes.get(at + 1) {
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    bytes.len()
}

struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Segment<'a> {
    /// The segment whose marker is at `at`, or after fill bytes there. `None` past the end or where no marker is.
    fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
        if fill == 0 {
            return None;
        }
        let marker = *rest.get(fill)?;
        let after = at + fill + 1;
        // Markers that stand alone: end of image, restarts, TEM.
        if matches!(marker, END_OF_IMAGE | 0xD0..=0xD8 | 0x01) {
            return Some(Self {
                marker,
                body: &[],
                start: at,
                end: after,
            });
        }
        let length = usize::from(u16::from_be_bytes([
            *bytes.get(after)?,
            *bytes.get(after + 1)?,
        ]));
        let end = after + length.max(2);
        Some(Self {
            marker,
            body: bytes.get(after + 2..end)?,
            start: at,
            end,
        })
    }
}

#[derive(Clone, Copy)]
struct Frame {
    is_progressive: bool,
    components: u8,
    /// Samples of all components together, rounded up to whole blocks.
    samples: u64,
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Option<Self> {
        let side = |at: usize| {
            Some(u64::from(u16::from_be_bytes([
                *body.get(at)?,
                *body.get(at + 1)?,
            ])))
        };
        let (height, width, components) = (side(1)?, side(3)?, *body.get(5)?);
        let factors: Vec<(u64, u64)> = (0..usize::from(components))
            .filter_map(|index| body.get(7 + index * 3))
            .map(|factor| (u64::from(factor >> 4).max(1), u64::from(factor & 15).max(1)))
            .collect();
        let most_across = factors.iter().map(|factor| factor.0).max()?;
        let most_down = factors.iter().map(|factor| factor.1).max()?;
        let units = width.div_ceil(8 * most_across) * height.div_ceil(8 * most_down);
        let samples = factors
            .iter()
            .map(|(across, down)| units * across * down * 64)
            .sum();
        Some(Self {
            is_progressive: matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE),
            components,
            samples,
        })
    }

    /// A picture in several scans is kept as 16-bit coefficients until the last scan.
    fn coefficient_bytes(self, components_in_first_scan: u8) -> u64 {
        let is_kept = self.is_progressive || components_in_first_scan < self.components;
        if is_kept { self.samples * 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of a picture of 16 x 16 with three components, the first at 2 x 2; no decodable data.
    fn skeleton(frame_marker: u8, tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, frame_marker, 0, 17, 8, 0, 16, 0, 16, 3];
        bytes.extend([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
        bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
        bytes.extend(tail);
        bytes
    }

    #[test]
    fn coefficients_are_counted_for_progressive_pictures_only() {
        let progressive = Structure::read(&skeleton(0xC2, &[]));
        assert_eq!(progressive.coefficient_bytes(), (256 + 64 + 64) * 2);
        assert_eq!(Structure::read(&skeleton(0xC0, &[])).coefficient_bytes(), 0);
    }

    #[test]
    fn the_end_is_found_before_trailing_bytes_and_not_inside_the_data() {
        let complete = |tail: &[u8]| {
            let bytes = skeleton(0xC0, tail);
            Structure::read(&bytes).is_complete(&bytes)
        };
        assert!(complete(&[1, 2, 0xFF, 0xD9]));
        assert!(complete(&[
            1, 0xFF, 0, 2, 0xFF, 0xD3, 9, 0xFF, 0xD9, 7, 7, 7
        ]));
        assert!(!complete(&[1, 2, 3, 4]));
        assert!(!complete(&[1, 2, 0xFF]));
        // A table between two scans may hold the two bytes without ending the picture.
        assert!(!complete(&[
            1, 0xFF, 0xC4, 0, 5, 0xFF, 0xD9, 3, 0xFF, 0xDA, 0, 3, 1, 5, 5
        ]));
    }
}
