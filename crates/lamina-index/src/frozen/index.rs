//! Searching a frozen graph: which plan, and what is added to a walk so that nothing is missed.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::ball::{Ball, Found};
use super::walk::{Reach, ScratchPool};
use super::{FrozenGraph, Walk, Walker, links_of};
use crate::coarse::{COARSE_FROM, CoarseRows, LazyCoarseRows};
use crate::exact::scan;
use crate::hits::{Wanted, key};
use crate::vectors::{range_query, unit_query};
use crate::{Hit, IndexError, IndexSettings, StopFlag, VectorBlock, VectorIndex};

/// Candidates that a search for few hits keeps.
const SEARCH_BREADTH: usize = 64;
/// Candidates that are kept where a point itself, or its neighbours, must be found.
pub(crate) const FIND_BREADTH: usize = 96;
/// Points that a walk may look at for every row that a scan would look at: one met by a walk costs about twice as much as
/// one in a row of its own, so a walk that was not worth it costs as much again as the scan that follows.
const LOOKED_AT_PER_ROW: f32 = 0.5;
/// Share of its time that a scan for few hits takes when it looks at coarse rows first.
const COARSE_SHARE: f32 = 0.3;

/// How many times as far as its third-nearest link (the nearest may be copies) a query may be from the nearest point. Measured
/// on a million vectors: queries like the points are below 1.2 in 99 of 100 cases, and walks miss much from about 1.7 on.
const APART: f32 = 1.3;
const NEAR_LINK: usize = 2;

/// What a walk around a query gave.
enum Around {
    /// All points within the distance, by ordinal, in no order.
    Points(Vec<Hit>),
    /// So many that a scan is cheaper.
    TooMany,
    /// The query lies apart from all points: the walk may have missed some.
    Apart,
}

/// Searches a frozen graph and the vectors it links.
///
/// Every answer is checked: one that is short, that of a query that lies apart from all points, or a walk that looks at more
/// points than a scan of what is allowed would, ends in a scan.
pub struct FrozenIndex {
    vectors: Arc<VectorBlock>,
    graph: Arc<FrozenGraph>,
    rows_per_candidate: usize,
    pool: ScratchPool,
    coarse: LazyCoarseRows,
}

impl std::fmt::Debug for FrozenIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrozenIndex")
            .field("vectors", &self.vectors)
            .field("graph", &self.graph)
            .finish_non_exhaustive()
    }
}

impl FrozenIndex {
    /// Searches these vectors by this graph.
    ///
    /// # Errors
    /// A graph of another number of rows.
    pub fn new(
        vectors: Arc<VectorBlock>,
        graph: Arc<FrozenGraph>,
        settings: &IndexSettings,
    ) -> Result<Self, IndexError> {
        if graph.len() != vectors.len() {
            return Err(IndexError::Settings(
                "graph must have a row for every vector",
            ));
        }
        Ok(Self {
            vectors,
            graph,
            rows_per_candidate: settings.rows_per_candidate(),
            pool: ScratchPool::default(),
            coarse: LazyCoarseRows::default(),
        })
    }

    /// The vectors.
    pub(crate) const fn vectors(&self) -> &Arc<VectorBlock> {
        &self.vectors
    }

    #[cfg(test)]
    pub(super) fn has_coarse_rows(&self) -> bool {
        self.coarse.are_made()
    }

    /// The graph.
    pub const fn graph(&self) -> &Arc<FrozenGraph> {
        &self.graph
    }

    /// About the `k` nearest points of those allowed, keeping `breadth` candidates on the way; for measuring, because no plan
    /// and no check is around it. Of identical rows only the lowest is found.
    ///
    /// # Errors
    /// An unusable query, or the stop flag.
    pub fn walk(
        &self,
        query: &[f32],
        k: usize,
        breadth: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = unit_query(query, self.vectors.dimension())?;
        let walker = Walker::new(&self.graph, &self.vectors);
        let Some(start) = walker.descend(&query, &self.pool) else {
            return Ok(Vec::new());
        };
        let reach = Reach {
            breadth: breadth.max(k),
            most: usize::MAX,
        };
        let walk = match allowed {
            None => self.walked(&query, start, reach, |_| true, stop)?,
            Some(allowed) => {
                let lets_through = |point| allowed.contains(self.vectors.ordinal_at(point));
                self.walked(&query, start, reach, lets_through, stop)?
            }
        };
        let Walk::Found(points) = walk else {
            return Ok(Vec::new());
        };
        let mut hits: Vec<Hit> = points
            .into_iter()
            .map(|hit| self.vectors.named(hit))
            .collect();
        hits.sort_unstable();
        hits.truncate(k);
        Ok(hits)
    }

    /// Whether a query lies apart from all points: it is farther from the nearest that a walk found than that one is from those
    /// around it. Texts among pictures do. Walks miss much there, because links were chosen to lead from point to point.
    fn is_apart(&self, nearest: Hit) -> bool {
        if nearest.distance == 0.0 {
            return false;
        }
        let place = nearest.ordinal as usize;
        let links = links_of(&self.graph.ground, place).iter();
        let mut around: Vec<f32> = links
            .map(|link| self.vectors.rows().distance(place, *link as usize))
            .collect();
        if around.is_empty() {
            return true;
        }
        let place = NEAR_LINK.min(around.len() - 1);
        let (_, near, _) = around.select_nth_unstable_by(place, f32::total_cmp);
        nearest.distance > APART * *near
    }

    /// All points within a distance, stragglers included. `eligible` is how many a scan would look at.
    fn around(
        &self,
        query: &[f32],
        within: f32,
        eligible: usize,
        stop: &StopFlag,
    ) -> Result<Around, IndexError> {
        let walker = Walker::new(&self.graph, &self.vectors);
        let Some(start) = walker.descend(query, &self.pool) else {
            return Ok(Around::TooMany);
        };
        let ball = Ball {
            within,
            margin: FIND_BREADTH,
            most: (eligible as f32 * LOOKED_AT_PER_ROW) as usize,
        };
        let rows = (&*self.vectors, &self.coarse);
        let Some(Found { mut hits, nearest }) =
            walker.walk_ball(query, start, ball, rows, &self.pool, stop)?
        else {
            return Ok(Around::TooMany);
        };
        if self.is_apart(nearest) {
            return Ok(Around::Apart);
        }
        if !self.graph.stragglers.is_empty() {
            let stragglers = self.graph.stragglers.iter().map(|point| Hit {
                ordinal: self.vectors.ordinal_at(*point),
                distance: walker.distance(query, *point),
            });
            hits.extend(stragglers.filter(|hit| hit.distance <= within));
            hits.sort_unstable();
            hits.dedup_by_key(|hit| hit.ordinal);
        }
        Ok(Around::Points(hits))
    }

    /// About the `breadth` nearest points, ascending, stragglers included, from a point that is known to be near. All by place.
    pub(crate) fn nearest_from(
        &self,
        query: &[f32],
        start: Hit,
        breadth: usize,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let reach = Reach {
            breadth,
            most: usize::MAX,
        };
        match self.walked(query, start, reach, |_| true, stop)? {
            Walk::Found(hits) => Ok(hits),
            Walk::TooLong => Ok(Vec::new()),
        }
    }

    /// A walk, and the stragglers that searches miss.
    fn walked(
        &self,
        query: &[f32],
        start: Hit,
        reach: Reach,
        allowed: impl Fn(u32) -> bool,
        stop: &StopFlag,
    ) -> Result<Walk, IndexError> {
        let walker = Walker::new(&self.graph, &self.vectors);
        let Walk::Found(mut hits) = walker.walk(query, start, reach, &allowed, &self.pool, stop)?
        else {
            return Ok(Walk::TooLong);
        };
        let stragglers = &self.graph.stragglers;
        if !stragglers.is_empty() {
            hits.extend(
                stragglers
                    .iter()
                    .filter(|point| allowed(**point))
                    .map(|point| Hit {
                        ordinal: *point,
                        distance: walker.distance(query, *point),
                    }),
            );
            hits.sort_unstable();
            hits.dedup_by_key(|hit| hit.ordinal);
            hits.truncate(reach.breadth);
        }
        Ok(Walk::Found(hits))
    }

    /// Rows that a scan looks at in the time of a walk that keeps `breadth` candidates of which only `share` are allowed.
    /// Measured: the cost of a walk grows with the 0.6th power of what is left out.
    fn worth_of_walk(&self, breadth: usize, share: f32) -> usize {
        let rows = breadth.saturating_mul(self.rows_per_candidate) as f32;
        (rows / share.clamp(1e-6, 1.0).powf(0.6)) as usize
    }

    /// Whether looking at this many rows is cheaper than walking with this breadth through all.
    pub(crate) fn scan_is_cheaper(&self, rows: usize, breadth: usize) -> bool {
        rows <= self.worth_of_walk(breadth, 1.0)
    }

    /// What a scan for few hits among so many rows takes, in rows of an exact one.
    fn cost_of_scan(eligible: usize) -> f32 {
        let share = if eligible < COARSE_FROM {
            1.0
        } else {
            COARSE_SHARE
        };
        eligible as f32 * share
    }

    /// These rows, told by ordinal, and those identical to them, of those allowed, ascending by (distance, row).
    fn rows(&self, points: impl Iterator<Item = Hit>, allowed: Option<&RoaringBitmap>) -> Vec<Hit> {
        let is_allowed = |ordinal| allowed.is_none_or(|allowed| allowed.contains(ordinal));
        let mut hits: Vec<Hit> = points
            .flat_map(|point| {
                std::iter::once(point.ordinal)
                    .chain(self.graph.twins.of_row(point.ordinal))
                    .map(move |ordinal| Hit { ordinal, ..point })
            })
            .filter(|hit| is_allowed(hit.ordinal))
            .collect();
        hits.sort_unstable_by_key(|hit| key(*hit));
        hits
    }

    /// The nearest rows by a walk; `None` when it is not worth it or found too few.
    pub(super) fn search_by_walk(
        &self,
        query: &[f32],
        k: usize,
        eligible: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Hit>>, IndexError> {
        let breadth = SEARCH_BREADTH.max(k.saturating_add(k / 2));
        let share = eligible as f32 / self.vectors.len().max(1) as f32;
        if Self::cost_of_scan(eligible) <= self.worth_of_walk(breadth, share) as f32 {
            return Ok(None);
        }
        let walker = Walker::new(&self.graph, &self.vectors);
        let Some(start) = walker.descend(query, &self.pool) else {
            return Ok(None);
        };
        let walk = match allowed {
            None => {
                let most = usize::MAX;
                self.walked(query, start, Reach { breadth, most }, |_| true, stop)?
            }
            Some(allowed) => {
                let most = (Self::cost_of_scan(eligible) * LOOKED_AT_PER_ROW) as usize;
                let twins = &self.graph.twins;
                let lets_through = |point: u32| {
                    let row = self.vectors.ordinal_at(point);
                    allowed.contains(row) || twins.of_row(row).any(|twin| allowed.contains(twin))
                };
                self.walked(query, start, Reach { breadth, most }, lets_through, stop)?
            }
        };
        let Walk::Found(points) = walk else {
            return Ok(None);
        };
        if points.first().is_none_or(|nearest| self.is_apart(*nearest)) {
            return Ok(None);
        }
        let points = points.into_iter().map(|hit| self.vectors.named(hit));
        let mut hits = self.rows(points, allowed);
        hits.truncate(k);
        Ok((hits.len() == k).then_some(hits))
    }
}

impl VectorIndex for FrozenIndex {
    fn len(&self) -> usize {
        self.vectors.len()
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = unit_query(query, self.vectors.dimension())?;
        let eligible = self.vectors.count_allowed(allowed);
        let k = k.min(eligible);
        stop.check()?;
        if let Some(hits) = self.search_by_walk(&query, k, eligible, allowed, stop)? {
            return Ok(hits);
        }
        self.coarse.search(&self.vectors, &query, k, allowed, stop)
    }

    fn range_search(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = range_query(query, max_distance, self.vectors.dimension())?;
        let eligible = self.vectors.count_allowed(allowed);
        stop.check()?;
        if !self.scan_is_cheaper(eligible, SEARCH_BREADTH) {
            match self.around(&query, max_distance, eligible, stop)? {
                Around::Points(points) => return Ok(self.rows(points.into_iter(), allowed)),
                Around::Apart => {
                    let coarse = &self.coarse;
                    return coarse.within(&self.vectors, &query, max_distance, allowed, stop);
                }
                Around::TooMany => {}
            }
        }
        let wanted = Wanted::within(max_distance);
        scan(&self.vectors, &query, allowed, wanted, stop)
    }

    fn bytes_in_memory(&self) -> usize {
        // Coarse rows count from the start: memory is planned with what is told here.
        self.vectors.bytes_in_memory()
            + self.graph.bytes_in_memory()
            + self.pool.bytes_in_memory()
            + CoarseRows::bytes_for(&self.vectors)
    }
}
