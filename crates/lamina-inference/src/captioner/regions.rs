//! Places in texts: `<loc_0>` to `<loc_999>`, thousandths of a picture's width or height.

use std::collections::BTreeMap;

use lamina_types::BoundingBox;
use tokenizers::Tokenizer;

/// Steps of an axis.
const BINS: u16 = 1000;

/// Words about one region.
#[derive(Debug, Clone, PartialEq)]
pub struct LocatedText {
    /// What the model says; may be empty.
    pub text: String,
    /// Where.
    pub region: BoundingBox,
}

/// Which tokens are places.
pub(super) struct Locations {
    of_token: BTreeMap<u32, u16>,
}

/// Words, and the places that follow them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) words: Vec<u32>,
    pub(super) places: Vec<u16>,
}

impl Locations {
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let token = |place: u16| Some((tokenizer.token_to_id(&format!("<loc_{place}>"))?, place));
        Self {
            of_token: (0..BINS).filter_map(token).collect(),
        }
    }

    /// Whether places cannot be said at all; some but not all of them is as good as none.
    pub(super) fn is_empty(&self) -> bool {
        self.of_token.len() < usize::from(BINS)
    }

    /// A region as text: left, top, right, bottom. The step that a coordinate lies in, as Florence-2's own processor counts.
    pub(super) fn text(region: &BoundingBox) -> String {
        let [right, bottom] = [region.x + region.width, region.y + region.height];
        let step = |share: f64| {
            let step = (share * f64::from(BINS)).floor();
            step.clamp(0.0, f64::from(BINS - 1)) as u16
        };
        [region.x, region.y, right, bottom]
            .map(|share| format!("<loc_{}>", step(share)))
            .concat()
    }

    /// Cuts a text where words begin again after places.
    pub(super) fn parts(&self, tokens: &[u32]) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for token in tokens {
            let place = self.of_token.get(token);
            let begins = place.is_none() && parts.last().is_none_or(|part| !part.places.is_empty());
            if begins || parts.is_empty() {
                parts.push(Part::default());
            }
            let Some(part) = parts.last_mut() else {
                continue;
            };
            match place {
                Some(place) => part.places.push(*place),
                None => part.words.push(*token),
            }
        }
        parts
    }
}

impl Part {
    /// Every four places make a box; boxes without an area are left out, and so is what is left over.
    pub(super) fn regions(&self) -> impl Iterator<Item = BoundingBox> {
        // The middle of a step.
        let share = |place: u16| (f64::from(place) + 0.5) / f64::from(BINS);
        self.places
            .as_chunks::<4>()
            .0
            .iter()
            .filter_map(move |corners| {
                let [left, top, right, bottom] = corners.map(share);
                BoundingBox::from_fractions(left, top, right - left, bottom - top).ok()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locations() -> Locations {
        Locations {
            of_token: (0..BINS)
                .map(|place| (5000 + u32::from(place), place))
                .collect(),
        }
    }

    #[test]
    fn a_region_becomes_the_steps_that_its_edges_lie_in() {
        let region =
            |x, y, width, height| BoundingBox::from_fractions(x, y, width, height).unwrap();
        assert_eq!(
            Locations::text(&region(0.0, 0.0, 1.0, 1.0)),
            "<loc_0><loc_0><loc_999><loc_999>"
        );
        assert_eq!(
            Locations::text(&region(0.0525, 0.3329, 0.5, 0.25)),
            "<loc_52><loc_332><loc_552><loc_582>"
        );
    }

    #[test]
    fn words_and_boxes_are_told_apart() {
        let tokens = [
            1, 2, 5100, 5200, 5300, 5400, 5110, 5210, 5310, 5410, 3, 5000, 5000, 5999,
        ];
        let parts = locations().parts(&tokens);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].words, [1, 2]);
        let regions: Vec<_> = parts[0].regions().collect();
        assert_eq!(regions.len(), 2);
        assert!((regions[0].x - 0.1005).abs() < 1e-9 && (regions[0].width - 0.2).abs() < 1e-9);
        assert!((regions[1].y - 0.2105).abs() < 1e-9 && (regions[1].height - 0.2).abs() < 1e-9);
        // Three places are no box.
        assert_eq!(
            (parts[1].words.as_slice(), parts[1].regions().count()),
            (&[3][..], 0)
        );
    }

    #[test]
    fn boxes_that_are_turned_around_or_flat_are_left_out() {
        let parts = locations().parts(&[7, 5300, 5200, 5100, 5400, 5100, 5200, 5100, 5400]);
        assert_eq!(parts[0].regions().count(), 0);
        let parts = locations().parts(&[5100, 5200, 5300, 5400, 7]);
        assert_eq!((parts.len(), parts[0].words.len()), (2, 0));
        assert_eq!(locations().parts(&[]), []);
    }
}
