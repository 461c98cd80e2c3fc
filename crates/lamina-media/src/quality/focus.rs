//! Focus: how fast the picture changes across its edges.

use super::luma::Luma;

/// The range from dark to light, in the whole numbers that the sums are made of: a row of squares fits 32 bits.
const SCALE: f32 = 1023.0;

/// The smallest slope per pixel that counts as an edge, as a share of the range.
const LEAST_SLOPE: f32 = 0.05;

/// Where the steepest slope is lower than that, edges are what has this share of it.
const SHARE_OF_STEEPEST: f32 = 0.25;

/// A slope of fewer grey levels than this is the rounding of 8-bit samples, not an edge.
const LEAST_LEVELS: f32 = 1.5;

/// Less range than this many grey levels is a blank.
const LEAST_RANGE: f32 = 8.0;

/// Fewer edge pixels than this share of the picture say nothing about a direction.
const LEAST_EDGE_SHARE: f32 = 0.000_4;

/// Right, down, and the two diagonals.
const DIRECTIONS: [(usize, isize); 4] = [(0, 1), (1, 0), (1, 1), (1, -1)];

/// The sharpness of a luma plane whose dark and light parts are at `dark` and `light`; `None` for a picture without edges,
/// about which nothing can be said.
///
/// In each of four directions, the sum of squared second differences over the sum of squared first differences, both at
/// edges only; the least of the four. Across a step blurred by a Gaussian of deviation `s` pixels this is close to
/// `1 / (2 s^2)`, whatever the contrast and however many edges there are; across a sharp step it is 2 or more. The
/// least direction is taken, because motion blurs one direction and leaves the one across it sharp.
pub(super) fn sharpness(luma: &Luma, dark: f32, light: f32) -> Option<f32> {
    let range = light - dark;
    if range < LEAST_RANGE || luma.width < 5 || luma.height < 5 {
        return None;
    }
    let stretch = |value: &f32| ((value - dark) * (SCALE / range)).clamp(0.0, SCALE) as i32;
    let values: Vec<i32> = luma.values.iter().map(stretch).collect();
    let plane = Plane {
        width: luma.width,
        height: luma.height,
        values: &values,
    };
    let slopes: Vec<Vec<i32>> = DIRECTIONS
        .iter()
        .map(|direction| plane.slopes(*direction))
        .collect();
    let steepest = slopes.iter().flatten().copied().max().unwrap_or(0);
    // Slopes are over two pixels.
    let share = LEAST_SLOPE
        .min(SHARE_OF_STEEPEST * steepest as f32 / (2.0 * SCALE))
        .max(LEAST_LEVELS / range);
    let least = (2.0 * SCALE * share) as i32;
    let ratios = DIRECTIONS
        .iter()
        .zip(&slopes)
        .filter_map(|(direction, slopes)| plane.ratio(*direction, slopes, least));
    ratios.reduce(f32::min)
}

struct Plane<'a> {
    width: usize,
    height: usize,
    values: &'a [i32],
}

impl Plane<'_> {
    fn step(&self, (down, across): (usize, isize)) -> usize {
        (down * self.width).wrapping_add_signed(across)
    }

    /// The difference of the two neighbours in a direction, without sign; 0 at the border.
    fn slopes(&self, direction: (usize, isize)) -> Vec<i32> {
        let step = self.step(direction);
        let mut slopes = vec![0; self.values.len()];
        for row in 1..self.height - 1 {
            let (from, to) = (row * self.width + 1, (row + 1) * self.width - 1);
            let after = &self.values[from + step..to + step];
            let before = &self.values[from - step..to - step];
            for ((slope, after), before) in slopes[from..to].iter_mut().zip(after).zip(before) {
                *slope = (after - before).abs();
            }
        }
        slopes
    }

    /// Second over first differences in a direction, squared and summed, at and next to places of more than this slope.
    fn ratio(&self, direction: (usize, isize), slopes: &[i32], least: i32) -> Option<f32> {
        let (step, width) = (self.step(direction), self.width);
        let steep: Vec<i32> = slopes
            .iter()
            .map(|slope| i32::from(*slope > least))
            .collect();
        // The border has no slope, so nothing leaks from the end of one row into the next.
        let mut near = vec![0; steep.len()];
        for (near, steep) in near[1..].iter_mut().zip(steep.windows(3)) {
            *near = steep[0] | steep[1] | steep[2];
        }
        let (mut first, mut second, mut count) = (0_u64, 0_u64, 0_u64);
        for row in 2..self.height - 2 {
            let (from, to) = (row * width + 2, (row + 1) * width - 2);
            let here = &self.values[from..to];
            let (after, before) = (
                &self.values[from + step..to + step],
                &self.values[from - step..to - step],
            );
            let (above, level, below) = (
                &near[from - width..to - width],
                &near[from..to],
                &near[from + width..to + width],
            );
            let slopes = &slopes[from..to];
            let (mut row_first, mut row_second, mut row_count) = (0_u32, 0_u32, 0_u32);
            for at in 0..here.len() {
                let is_near = above[at] | level[at] | below[at];
                let bend = after[at] - 2 * here[at] + before[at];
                row_first += (is_near * slopes[at] * slopes[at]) as u32;
                row_second += (is_near * bend * bend) as u32;
                row_count += is_near as u32;
            }
            first += u64::from(row_first);
            second += u64::from(row_second);
            count += u64::from(row_count);
        }
        let enough = (LEAST_EDGE_SHARE * self.values.len() as f32).max(6.0);
        // The first differences are over two pixels: a quarter of their squares.
        (first > 0 && count as f32 >= enough).then(|| (second as f64 / (first as f64 / 4.0)) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step from dark to light across the middle, blurred by this deviation.
    fn step(deviation: f32, is_diagonal: bool) -> Luma {
        let (width, height) = (64, 64);
        let place = |at: usize| {
            let (x, y) = ((at % width) as f32, (at / width) as f32);
            if is_diagonal {
                (x - y) / 2.0_f32.sqrt()
            } else {
                x - 31.5
            }
        };
        // The logistic curve of this width is within 1 % of the Gaussian's integral.
        let values = (0..width * height)
            .map(|at| 255.0 / (1.0 + (-1.702 * place(at) / deviation).exp()))
            .collect();
        Luma {
            width,
            height,
            values,
        }
    }

    #[test]
    fn sharpness_falls_with_blur_and_not_with_contrast() {
        let sharp = sharpness(&step(0.3, false), 0.0, 255.0).unwrap();
        let soft = sharpness(&step(2.0, false), 0.0, 255.0).unwrap();
        assert!(sharp > 1.5 && soft < 0.3, "{sharp} {soft}");
        let mut faint = step(2.0, false);
        for value in &mut faint.values {
            *value = 100.0 + *value * 0.2;
        }
        let same = sharpness(&faint, 100.0, 151.0).unwrap();
        assert!((same - soft).abs() < 0.02, "{same} {soft}");
    }

    #[test]
    fn motion_along_one_direction_is_seen() {
        // Vertical edges smeared, horizontal ones sharp.
        let values = (0..64 * 64).map(|at| {
            let (x, y) = ((at % 64) as f32, at / 64);
            let stripes = if (y / 8) % 2 == 0 { 60.0 } else { 0.0 };
            stripes + 180.0 / (1.0 + (-(x - 31.5) / 4.0).exp())
        });
        let luma = Luma {
            width: 64,
            height: 64,
            values: values.collect(),
        };
        assert!(sharpness(&luma, 0.0, 240.0).unwrap() < 0.4);
    }

    #[test]
    fn blanks_are_not_judged() {
        let blank = Luma {
            width: 32,
            height: 32,
            values: vec![200.0; 1024],
        };
        assert_eq!(sharpness(&blank, 200.0, 200.0), None);
        assert_eq!(
            sharpness(
                &Luma {
                    width: 3,
                    height: 300,
                    values: vec![0.0; 900]
                },
                0.0,
                255.0
            ),
            None
        );
    }
}
