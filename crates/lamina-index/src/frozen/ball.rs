//! Walking a frozen graph through all points within a distance of a query.
//!
//! One walk keeps every point inside, however many there are, and as many of those beyond as a search of that breadth would: what
//! is inside need not be linked with each other, the way from one part to the next may lead through what is not.

use std::cmp::Reverse;

use super::STRIDE;
use super::walk::{EXPANDED_AT_ONCE, Scratch, ScratchPool, Walker};
use crate::hits::{hit, key};
use crate::kernels::prefetch;
use crate::{Hit, IndexError, StopFlag};

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
    /// The points of the ball, ascending.
    pub(crate) hits: Vec<Hit>,
    /// The nearest point that was looked at, in the ball or beyond.
    pub(crate) nearest: Hit,
}

/// Points beyond a ball that a walk keeps, for so many inside: where the points of a ball are not all linked with each other,
/// the way leads through these.
const INSIDE_PER_MARGIN: usize = 8;

impl Walker<'_> {
    /// Walks the ground from `start` and keeps every point of a ball; `None` when more points were looked at than it was worth.
    pub(crate) fn walk_ball(
        &self,
        query: &[f32],
        start: Hit,
        ball: Ball,
        pool: &ScratchPool,
        stop: &StopFlag,
    ) -> Result<Option<Found>, IndexError> {
        let mut scratch = pool.take();
        let ended = self.walk_ball_with(query, start, ball, &mut scratch, stop);
        scratch.candidates.clear();
        scratch.results.clear();
        pool.give(scratch);
        ended
    }

    fn walk_ball_with(
        &self,
        query: &[f32],
        start: Hit,
        ball: Ball,
        scratch: &mut Scratch,
        stop: &StopFlag,
    ) -> Result<Option<Found>, IndexError> {
        let Scratch {
            visited,
            // Points beyond the ball to be walked through.
            candidates,
            // The nearest points beyond the ball.
            results: beyond,
        } = scratch;
        let mut inside: Vec<u64> = Vec::new();
        // Points of the ball to be walked through. All of them will be, so their order does not matter.
        let mut waiting: Vec<u32> = Vec::new();
        visited.begin(self.scales.len());
        visited.mark(start.ordinal);
        if start.distance <= ball.within {
            inside.push(key(start));
            waiting.push(start.ordinal);
        } else {
            candidates.push(Reverse(key(start)));
            beyond.push(key(start));
        }
        // Of those beyond.
        let mut nearest = key(start);
        let mut fresh = [0; STRIDE];
        let (mut looked_at, mut expanded) = (1, 0);
        // Never below a point of the ball: what is beyond is farther than all of them.
        let mut bound = u64::MAX;
        loop {
            let next = match (waiting.pop(), candidates.peek()) {
                (Some(point), _) => point,
                (None, Some(Reverse(nearest))) if *nearest <= bound => {
                    let point = hit(*nearest).ordinal;
                    candidates.pop();
                    point
                }
                (None, _) => break,
            };
            expanded += 1;
            if expanded % EXPANDED_AT_ONCE == 0 {
                stop.check()?;
            }
            let count = self.unseen(next, visited, &mut fresh);
            looked_at += count;
            if looked_at > ball.most {
                return Ok(None);
            }
            for place in 0..count {
                if place + 1 < count {
                    prefetch(self.row(fresh[place + 1]), usize::MAX);
                }
                let ordinal = fresh[place];
                let found = Hit {
                    ordinal,
                    distance: self.distance(query, ordinal),
                };
                if found.distance <= ball.within {
                    inside.push(key(found));
                    waiting.push(ordinal);
                    self.fetch_links(ordinal);
                    continue;
                }
                if key(found) >= bound {
                    continue;
                }
                nearest = nearest.min(key(found));
                candidates.push(Reverse(key(found)));
                beyond.push(key(found));
                let margin = ball.margin.max(inside.len() / INSIDE_PER_MARGIN);
                if beyond.len() > margin {
                    beyond.pop();
                }
                bound = match beyond.peek() {
                    Some(farthest) if beyond.len() >= margin => *farthest,
                    Some(_) | None => u64::MAX,
                };
            }
            if waiting.is_empty()
                && let Some(Reverse(next)) = candidates.peek()
            {
                self.fetch_links(hit(*next).ordinal);
            }
        }
        inside.sort_unstable();
        let hits: Vec<Hit> = inside.into_iter().map(hit).collect();
        let nearest = hits.first().copied().unwrap_or(hit(nearest));
        Ok(Some(Found { hits, nearest }))
    }
}
