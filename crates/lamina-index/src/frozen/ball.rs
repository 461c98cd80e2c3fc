//! Walking a frozen graph through all points within a distance of a query.
//!
//! One walk keeps every point inside, however many there are, and as many of those beyond as a search of that breadth would: what
//! is inside need not be linked with each other, the way from one part to the next may lead through what is not.
//!
//! A large ball is walked through by coarse rows: each point met is a row somewhere in memory, and those are an eighth as long.
//! What looks as if it could be inside is compared afterwards, in the order in which it lies there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::STRIDE;
use super::sight::{Coarse, Exact, Sight};
use super::walk::{Scratch, ScratchPool, Visited, Walker};
use crate::coarse::{CERTAINTY, CoarseRows, Deception, LazyCoarseRows};
use crate::exact::scan_places;
use crate::hits::{Wanted, hit, key};
use crate::{Hit, IndexError, StopFlag, VectorBlock};

/// How far a walk over all points within a distance may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ball {
    /// Points up to this distance are wanted, all of them.
    pub(crate) within: f32,
    /// Points beyond that are walked through on the way to others, at least.
    pub(crate) margin: usize,
    /// Points that may be looked at.
    pub(crate) most: usize,
}

/// What a walk through a ball found.
pub(crate) struct Found {
    /// The rows of the ball, by ordinal, in no order.
    pub(crate) hits: Vec<Hit>,
    /// The nearest point that was looked at, in the ball or beyond: by its place.
    pub(crate) nearest: Hit,
}

/// Points beyond a ball that a walk keeps, if so many are inside: where the points of a ball are not all linked with each other, the
/// way leads through these. The fewer there are inside, the more of them are its border.
const MARGIN: usize = 300;
/// More of them are kept for so many inside each.
const INSIDE_PER_MARGIN: usize = 64;

/// Points inside from which on a ball is large. They tell how far looks deceive.
const LARGE_BALL: usize = 512;

/// Points that are looked at in one step, if there are so many.
const AT_ONCE: usize = 48;

/// Points of the ball that were met later and are walked through earlier.
const LINKS_AHEAD: usize = 16;

/// How long before its turn the links of a point that was met long ago are asked for again.
const AGAIN_AHEAD: usize = 8;

/// Steps between two looks at the stop flag.
const STEPS_AT_ONCE: usize = 64;

/// Where a walk has got to.
struct Way<'a> {
    visited: &'a mut Visited,
    /// Points beyond the ball to be walked through.
    candidates: &'a mut BinaryHeap<Reverse<u64>>,
    /// The nearest points beyond the ball.
    beyond: &'a mut BinaryHeap<u64>,
    /// What is in the ball, or looks so.
    inside: Vec<u64>,
    /// Points of the ball to be walked through. All of them will be, so their order does not matter.
    waiting: Vec<u32>,
    /// Of those beyond.
    nearest: u64,
    /// The farthest that is of use. Never below a point of the ball: what is beyond is farther than all of them.
    bound: u64,
    looked_at: usize,
    steps: usize,
}

/// How a walk ended, or why it paused.
#[derive(PartialEq)]
enum Pause {
    /// There is nothing left to be walked through.
    Done,
    /// As many points are inside as were to be waited for.
    Large,
    /// More points were looked at than it was worth.
    TooLong,
}

impl<'a> Way<'a> {
    fn from(start: Hit, within: f32, points: usize, scratch: &'a mut Scratch) -> Self {
        let Scratch {
            visited,
            candidates,
            results: beyond,
        } = scratch;
        visited.begin(points);
        visited.mark(start.ordinal);
        let mut way = Self {
            visited,
            candidates,
            beyond,
            inside: Vec::new(),
            waiting: Vec::new(),
            nearest: key(start),
            bound: u64::MAX,
            looked_at: 1,
            steps: 0,
        };
        if start.distance <= within {
            way.inside.push(key(start));
            way.waiting.push(start.ordinal);
        } else {
            way.candidates.push(Reverse(key(start)));
            way.beyond.push(key(start));
        }
        way
    }

    /// A point of the ball to be walked through, one whose links were asked for a while ago, so that they are there; and one
    /// whose turn is soon if no more are met, whose links may be gone again.
    fn next_inside(&mut self) -> Option<(u32, Option<u32>)> {
        let last = self.waiting.len().checked_sub(1)?;
        let place = last.saturating_sub(LINKS_AHEAD);
        let soon = place.checked_sub(AGAIN_AHEAD);
        let soon = soon.map(|place| self.waiting[place]);
        Some((self.waiting.swap_remove(place), soon))
    }

    /// The point beyond the ball to be walked through next.
    fn next_beyond(&mut self) -> Option<u32> {
        let Reverse(nearest) = *self.candidates.peek()?;
        if nearest > self.bound {
            return None;
        }
        self.candidates.pop();
        Some(hit(nearest).ordinal)
    }

    /// Keeps a point beyond the ball if it is of use.
    fn keep_beyond(&mut self, found: u64, least: usize) {
        if found >= self.bound {
            return;
        }
        self.nearest = self.nearest.min(found);
        self.candidates.push(Reverse(found));
        self.beyond.push(found);
        let inside = self.inside.len();
        let margin = least.max(inside.min(MARGIN));
        let margin = margin.max(inside / INSIDE_PER_MARGIN);
        if self.beyond.len() > margin {
            self.beyond.pop();
        }
        self.bound = match self.beyond.peek() {
            Some(farthest) if self.beyond.len() >= margin => *farthest,
            Some(_) | None => u64::MAX,
        };
    }
}

impl Walker<'_> {
    /// Walks the ground from `start` and keeps every point of a ball; `None` when more points were looked at than it was worth.
    pub(crate) fn walk_ball(
        &self,
        query: &[f32],
        start: Hit,
        ball: Ball,
        (vectors, coarse): (&VectorBlock, &LazyCoarseRows),
        pool: &ScratchPool,
        stop: &StopFlag,
    ) -> Result<Option<Found>, IndexError> {
        let mut scratch = pool.take();
        let mut way = Way::from(start, ball.within, self.scales.len(), &mut scratch);
        let exact = Exact {
            walker: self,
            query,
        };
        let mut ended = self.go_on(&mut way, &exact, ball, LARGE_BALL, stop);
        let mut compared = Vec::new();
        if matches!(ended, Ok(Pause::Large)) {
            if let Some((sight, margin)) = sight_of(vectors, query, coarse.of(vectors), &way.inside)
            {
                let known = way.inside.len();
                let wide = Ball {
                    within: ball.within + margin,
                    ..ball
                };
                ended = self.go_on(&mut way, &sight, wide, usize::MAX, stop);
                compared = way.inside.split_off(known);
            } else {
                ended = self.go_on(&mut way, &exact, ball, usize::MAX, stop);
            }
        }
        let (inside, nearest) = (way.inside, way.nearest);
        scratch.candidates.clear();
        scratch.results.clear();
        pool.give(scratch);
        if ended? == Pause::TooLong {
            return Ok(None);
        }
        let named = |one: u64| vectors.named(hit(one));
        let mut hits: Vec<Hit> = inside.into_iter().map(named).collect();
        hits.extend(those_within(vectors, query, ball.within, &compared, stop)?);
        let nearest = hits.iter().min().map_or(hit(nearest), |found| Hit {
            ordinal: vectors.place_of(found.ordinal),
            ..*found
        });
        Ok(Some(Found { hits, nearest }))
    }

    /// Walks on until nothing is left, or so many points are inside.
    fn go_on(
        &self,
        way: &mut Way<'_>,
        sight: &impl Sight,
        ball: Ball,
        until: usize,
        stop: &StopFlag,
    ) -> Result<Pause, IndexError> {
        let mut buffer = [0; AT_ONCE + STRIDE];
        loop {
            let Some(count) = self.step(way, &mut buffer) else {
                return Ok(Pause::Done);
            };
            way.steps += 1;
            if way.steps.is_multiple_of(STEPS_AT_ONCE) {
                stop.check()?;
            }
            let fresh = &buffer[..count];
            fresh.iter().for_each(|point| sight.fetch(*point));
            way.looked_at += count;
            if way.looked_at > ball.most {
                return Ok(Pause::TooLong);
            }
            for (place, &ordinal) in fresh.iter().enumerate() {
                if let Some(next) = fresh.get(place + 1) {
                    sight.fetch_rest(*next);
                }
                let found = Hit {
                    ordinal,
                    distance: sight.distance(ordinal),
                };
                if found.distance <= ball.within {
                    way.inside.push(key(found));
                    way.waiting.push(ordinal);
                    self.fetch_links(ordinal);
                } else {
                    way.keep_beyond(key(found), ball.margin);
                }
            }
            if way.waiting.is_empty()
                && let Some(Reverse(next)) = way.candidates.peek()
            {
                self.fetch_links(hit(*next).ordinal);
            }
            if way.inside.len() >= until {
                return Ok(Pause::Large);
            }
        }
    }

    /// Walks through points of the ball until there is something to look at, else through the nearest one beyond; how many
    /// unseen points they lead to. `None` when nothing is left.
    ///
    /// All points of the ball will be walked through, so it is done with several at once: most of the links of each are known,
    /// and a few points at a time would be waited for one after the other.
    fn step(&self, way: &mut Way<'_>, buffer: &mut [u32; AT_ONCE + STRIDE]) -> Option<usize> {
        let mut count = 0;
        while count < AT_ONCE {
            let next = match way.next_inside() {
                Some((point, soon)) => {
                    if let Some(soon) = soon {
                        self.fetch_links(soon);
                    }
                    point
                }
                None if count == 0 => way.next_beyond()?,
                None => break,
            };
            count += self.unseen(next, way.visited, &mut buffer[count..]);
        }
        Some(count)
    }
}

/// Coarse rows as a walk sees them, and how much farther than it is a point may still look then, learned from points whose
/// distances are known; `None` where looks tell nothing.
fn sight_of<'a>(
    vectors: &VectorBlock,
    query: &[f32],
    coarse: &'a CoarseRows,
    known: &[u64],
) -> Option<(Coarse<'a>, f32)> {
    let question = coarse.question(query)?;
    let errors = known.iter().map(|one| {
        let Hit { ordinal, distance } = hit(*one);
        question.look(ordinal) - distance
    });
    let near = Deception::of(errors);
    // Points of one crowd deceive alike, those of others may do more.
    let deviation = near.deviation.max(question.deviation(vectors, query));
    let sight = Coarse {
        question,
        bias: near.mean,
    };
    Some((sight, CERTAINTY * deviation))
}

/// Those of some points that are within a distance, by their true distance and their ordinals.
fn those_within(
    vectors: &VectorBlock,
    query: &[f32],
    within: f32,
    points: &[u64],
    stop: &StopFlag,
) -> Result<Vec<Hit>, IndexError> {
    let mut places: Vec<u32> = points.iter().map(|point| hit(*point).ordinal).collect();
    places.sort_unstable();
    scan_places(vectors, query, &places, Wanted::within(within), stop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lamina_types::Embedding;

    use super::*;
    use crate::test_numbers::normals;
    use crate::{ExactIndex, FrozenGraph, FrozenIndex, IndexSettings, VectorIndex};

    const DIMENSION: usize = 256;
    const ROWS: usize = 6_000;
    const CROWDS: usize = 4;

    /// Crowds around a common mean, seeded.
    fn crowds() -> Vec<Embedding> {
        let mut normal = normals(0x2545_F491_4F6C_DD1D);
        let mut around = |centre: &[f32], spread: f32| -> Vec<f32> {
            let offset = |value: &f32| value + spread * normal();
            centre.iter().map(offset).collect()
        };
        let mean = around(&[0.0; DIMENSION], 1.0);
        let centres: Vec<Vec<f32>> = (0..CROWDS).map(|_| around(&mean, 1.0)).collect();
        let row = |row: usize| Embedding::new(around(&centres[row % CROWDS], 0.7)).unwrap();
        (0..ROWS).map(row).collect()
    }

    #[test]
    fn a_large_ball_is_found_whole_wherever_its_border_cuts() {
        let vectors = Arc::new(VectorBlock::from_embeddings(&crowds()).unwrap());
        let stop = StopFlag::new();
        let graph = Arc::new(FrozenGraph::build(&vectors, &stop).unwrap());
        let settings = IndexSettings {
            exact_limit: 10,
            ..IndexSettings::new([0.1, 0.2, 0.3, 0.4, 0.5], 0.92, 0.5)
        };
        let index = FrozenIndex::new(Arc::clone(&vectors), graph, &settings).unwrap();
        let exact = ExactIndex::new(Arc::clone(&vectors));
        let (mut right, mut of) = (0, 0);
        for row in (0..ROWS).step_by(149) {
            let query = vectors.unit_row(row);
            let all = exact.search(&query, ROWS, None, &stop).unwrap();
            // Half of a crowd, nearly all of it, and where none is any more.
            for count in [700, 1_100, 1_490] {
                let within = all[count].distance;
                let wanted = exact.range_search(&query, within, None, &stop).unwrap();
                let found = index.range_search(&query, within, None, &stop).unwrap();
                assert!(found.is_sorted());
                assert!(found.iter().all(|hit| wanted.contains(hit)), "{row}");
                right += found.len();
                of += wanted.len();
            }
        }
        assert!(index.has_coarse_rows());
        assert!(right as f64 >= 0.995 * of as f64, "{right} of {of}");
    }
}
