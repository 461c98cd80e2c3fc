//! Focus: how fast the picture changes across its edges.

use super::luma::Luma;

/// The range from dark to light, in the whole numbers that the sums are made of: values and differences fit 16 bits, for which
/// every processor has wide instructions, and a row of squares fits 32.
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
#[inline(always)]
pub(super) fn sharpness(luma: &Luma, dark: f32, light: f32) -> Option<f32> {
    let range = light - dark;
    if range < LEAST_RANGE || luma.width < 5 || luma.height < 5 {
        return None;
    }
    let stretch = |value: &f32| ((value - dark) * (SCALE / range)).clamp(0.0, SCALE) as i16;
    let values: Vec<i16> = luma.values.iter().map(stretch).collect();
    let plane = Plane {
        width: luma.width,
        height: luma.height,
        values: &values,
    };
    let slopes: Vec<Vec<i16>> = DIRECTIONS
        .iter()
        .map(|direction| plane.slopes(*direction))
        .collect();
    let steepest = slopes.iter().flatten().copied().max().unwrap_or(0);
    // Slopes are over two pixels.
    let share = LEAST_SLOPE
        .min(SHARE_OF_STEEPEST * f32::from(steepest) / (2.0 * SCALE))
        .max(LEAST_LEVELS / range);
    let least = (2.0 * SCALE * share) as i16;
    let ratios = DIRECTIONS
        .iter()
        .zip(&slopes)
        .filter_map(|(direction, slopes)| plane.ratio(*direction, slopes, least));
    ratios.reduce(f32::min)
}

struct Plane<'a> {
    width: usize,
    height: usize,
    values: &'a [i16],
}

impl Plane<'_> {
    fn step(&self, (down, across): (usize, isize)) -> usize {
        (down * self.width).wrapping_add_signed(across)
    }

    /// The difference of the two neighbours in a direction, without sign; 0 at the border.
    #[inline(always)]
    fn slopes(&self, direction: (usize, isize)) -> Vec<i16> {
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
    #[inline(always)]
    fn ratio(&self, direction: (usize, isize), slopes: &[i16], least: i16) -> Option<f32> {
        let (step, width) = (self.step(direction), self.width);
        let steep: Vec<i16> = slopes
            .iter()
            .map(|slope| i16::from(*slope > least))
            .collect();
        // The border has no slope, so nothing leaks from the end of one row into the next.
        let mut near = vec![0; steep.len()];
        let neighbours = steep.iter().zip(&steep[1..]).zip(&steep[2..]);
        for (near, ((left, here), right)) in near[1..].iter_mut().zip(neighbours) {
            *near = left | here | right;
        }
        let (mut first, mut second, mut count) = (0_u64, 0_u64, 0_u64);
        for row in 2..self.height - 2 {
            let (from, to) = (row * width + 2, (row + 1) * width - 2);
            let sums = RowSums::of(
                [from, from + step, from - step].map(|from| &self.values[from..from + width - 4]),
                [from - width, from, from + width].map(|from| &near[from..from + width - 4]),
                &slopes[from..to],
            );
            first += u64::from(sums.first);
            second += u64::from(sums.second);
            count += u64::from(sums.count);
        }
        let enough = (LEAST_EDGE_SHARE * self.values.len() as f32).max(6.0);
        // The first differences are over two pixels: a quarter of their squares.
        (first > 0 && count as f32 >= enough).then(|| (second as f64 / (first as f64 / 4.0)) as f32)
    }
}

/// What one row adds up to.
struct RowSums {
    first: u32,
    second: u32,
    count: u32,
}

impl RowSums {
    /// `near` of the rows above, here and below is 1 next to an edge, else 0. Written as one plain loop over slices of one
    /// length, which compilers turn into products and sums of pairs.
    #[inline(always)]
    fn of([here, after, before]: [&[i16]; 3], near: [&[i16]; 3], slopes: &[i16]) -> Self {
        let (mut first, mut second, mut count) = (0_i32, 0_i32, 0_i32);
        let lines = here.iter().zip(after).zip(before).zip(slopes);
        let near = near[0].iter().zip(near[1]).zip(near[2]);
        for ((((here, after), before), slope), ((above, level), below)) in lines.zip(near) {
            let is_near = above | level | below;
            let slope = is_near * slope;
            let bend = is_near * (after - 2 * here + before);
            first += i32::from(slope) * i32::from(slope);
            second += i32::from(bend) * i32::from(bend);
            count += i32::from(is_near);
        }
        Self {
            first: first.unsigned_abs(),
            second: second.unsigned_abs(),
            count: count.unsigned_abs(),
        }
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
