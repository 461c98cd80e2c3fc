//! Focus: how fast the picture changes across its edges.

use super::luma::Luma;

/// The smallest slope per pixel that counts as an edge, where the whole range from dark to light is 1.
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
    let values: Vec<f32> = luma
        .values
        .iter()
        .map(|value| ((value - dark) / range).clamp(0.0, 1.0))
        .collect();
    let plane = Plane {
        width: luma.width,
        height: luma.height,
        values: &values,
    };
    let slopes: Vec<Vec<f32>> = DIRECTIONS
        .iter()
        .map(|direction| plane.slopes(*direction))
        .collect();
    let steepest = slopes.iter().flatten().copied().fold(0.0, f32::max);
    let least = LEAST_SLOPE
        .min(SHARE_OF_STEEPEST * steepest)
        .max(LEAST_LEVELS / range);
    let ratios = DIRECTIONS
        .iter()
        .zip(&slopes)
        .filter_map(|(direction, slopes)| plane.ratio(*direction, slopes, least));
    ratios.reduce(f32::min)
}

struct Plane<'a> {
    width: usize,
    height: usize,
    values: &'a [f32],
}

impl Plane<'_> {
    /// Places whose neighbours' neighbours are all inside.
    fn inner(&self) -> impl Iterator<Item = usize> {
        let width = self.width;
        (2..self.height - 2).flat_map(move |row| row * width + 2..row * width + width - 2)
    }

    fn step(&self, (down, across): (usize, isize)) -> usize {
        (down * self.width).wrapping_add_signed(across)
    }

    /// Half the difference of the two neighbours in a direction, without sign; 0 at the border.
    fn slopes(&self, direction: (usize, isize)) -> Vec<f32> {
        let step = self.step(direction);
        let mut slopes = vec![0.0; self.values.len()];
        for row in 1..self.height - 1 {
            let (from, to) = (row * self.width + 1, (row + 1) * self.width - 1);
            let after = &self.values[from + step..to + step];
            let before = &self.values[from - step..to - step];
            for ((slope, after), before) in slopes[from..to].iter_mut().zip(after).zip(before) {
                *slope = (after - before).abs() / 2.0;
            }
        }
        slopes
    }

    /// Second over first differences in a direction, at and next to places with at least this slope.
    fn ratio(&self, direction: (usize, isize), slopes: &[f32], least: f32) -> Option<f32> {
        let step = self.step(direction);
        let (mut first, mut second, mut count) = (0.0_f64, 0.0_f64, 0_usize);
        for at in self.inner() {
            if !self.is_near_edge(slopes, at, least) {
                continue;
            }
            let bend = self.values[at + step] - 2.0 * self.values[at] + self.values[at - step];
            first += f64::from(slopes[at] * slopes[at]);
            second += f64::from(bend * bend);
            count += 1;
        }
        let enough = (LEAST_EDGE_SHARE * self.values.len() as f32).max(6.0);
        (first > 0.0 && count as f32 >= enough).then(|| (second / first) as f32)
    }

    fn is_near_edge(&self, slopes: &[f32], at: usize, least: f32) -> bool {
        [at - self.width, at, at + self.width]
            .into_iter()
            .any(|row| slopes[row - 1..=row + 1].iter().any(|slope| *slope > least))
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
