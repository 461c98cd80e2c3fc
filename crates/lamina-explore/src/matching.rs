//! From resolved filters to the members that match. Pure: a snapshot and selections in, ordinals and scores out.
//!
//! Sets come first, because what they leave is all that a vector search has to look at; a search that is told what is
//! allowed never comes back short.

use std::sync::Arc;

use lamina_index::Hit;
use lamina_inference::Calibration;
use roaring::RoaringBitmap;

use crate::searchable::Searchable;
use crate::word_index::Ranked;
use crate::{DatasetSnapshot, ExploreError};

/// Room for rounding on the way from a shown distance to a raw one; what is too far is cut afterwards.
const ROUNDING: f32 = 1e-4;

/// A filter after everything that needs waiting.
#[derive(Debug)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Is(Selection),
}

/// What one test selects.
#[derive(Debug)]
pub(crate) enum Selection {
    /// These.
    Set(RoaringBitmap),
    /// These, each with a score.
    Ranked(Arc<Ranked>),
    /// Those near a vector.
    Near(Near),
}

/// A search around vectors: an item counts by the nearest of them.
#[derive(Debug)]
pub(crate) struct Near {
    /// Usually one; a text is compared with captions as well as with what is seen.
    probes: Vec<Probe>,
    /// Greatest distance, as shown.
    max_distance: f32,
}

/// One vector to search around, and among which vectors.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Unit vector.
    pub(crate) query: Vec<f32>,
    /// Among these; among the snapshot's own where there are none.
    pub(crate) among: Option<Arc<Searchable>>,
    /// From raw to shown distances; none where they are the same.
    pub(crate) calibration: Option<Calibration>,
}

/// What matches a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Matched {
    /// No filter: everything.
    All,
    /// These; nothing ranks them.
    Set(RoaringBitmap),
    /// These, best first: ascending by distance, then ordinal.
    Scored(Vec<Hit>),
}

impl Near {
    /// Around one vector, among the snapshot's own.
    pub(crate) fn own(query: Vec<f32>, max_distance: f32) -> Self {
        let probe = Probe {
            query,
            among: None,
            calibration: None,
        };
        Self::any_of(vec![probe], max_distance)
    }

    /// Around whichever vector is nearest.
    pub(crate) const fn any_of(probes: Vec<Probe>, max_distance: f32) -> Self {
        Self {
            probes,
            max_distance,
        }
    }

    fn hits(
        &self,
        snapshot: &DatasetSnapshot,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        if self.max_distance < 0.0 {
            return Ok(Vec::new());
        }
        let mut found: Vec<Hit> = Vec::new();
        for probe in &self.probes {
            let hits = probe.hits(snapshot, self.max_distance, allowed)?;
            if found.is_empty() {
                found = hits;
                continue;
            }
            found.extend(hits);
            found.sort_unstable();
            let mut seen = RoaringBitmap::new();
            found.retain(|hit| seen.insert(hit.ordinal));
        }
        Ok(found)
    }
}

impl Probe {
    fn within(
        &self,
        snapshot: &DatasetSnapshot,
        bound: f32,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        match &self.among {
            None => snapshot.within(&self.query, bound, allowed),
            Some(others) => {
                let mut hits = others.within(&self.query, bound, allowed)?;
                // What came after this snapshot was made is not in it yet.
                hits.retain(|hit| (hit.ordinal as usize) < snapshot.len());
                Ok(hits)
            }
        }
    }

    fn hits(
        &self,
        snapshot: &DatasetSnapshot,
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        let Some(calibration) = &self.calibration else {
            return self.within(snapshot, max_distance, allowed);
        };
        let bound = calibration.undo(max_distance) + ROUNDING;
        let mut hits = self.within(snapshot, bound, allowed)?;
        for hit in &mut hits {
            hit.distance = calibration.apply(hit.distance);
        }
        hits.retain(|hit| hit.distance <= max_distance);
        // Rounding may have made equal what was not.
        hits.sort_unstable();
        Ok(hits)
    }
}

impl Matched {
    /// The members alone.
    pub(crate) fn ordinals(self, snapshot: &DatasetSnapshot) -> RoaringBitmap {
        match self {
            Self::All => snapshot.everything(),
            Self::Set(set) => set,
            Self::Scored(hits) => ordinals(&hits),
        }
    }
}

fn ordinals(hits: &[Hit]) -> RoaringBitmap {
    hits.iter().map(|hit| hit.ordinal).collect()
}

/// The members that pass all of `filters`, with the score of the first filter that ranks.
pub(crate) fn evaluate(
    filters: Vec<Node>,
    snapshot: &DatasetSnapshot,
) -> Result<Matched, ExploreError> {
    let mut searches = Vec::new();
    let mut ranked = Vec::new();
    let mut allowed: Option<RoaringBitmap> = None;
    let mut waiting = filters;
    waiting.reverse();
    while let Some(filter) = waiting.pop() {
        let set = match filter {
            Node::All(parts) => {
                waiting.extend(parts.into_iter().rev());
                continue;
            }
            Node::Is(Selection::Near(near)) => {
                searches.push(near);
                continue;
            }
            Node::Is(Selection::Ranked(found)) => {
                let set = found.set.clone();
                ranked.push(found);
                set
            }
            Node::Is(Selection::Set(set)) => set,
            group @ (Node::Any(_) | Node::Not(_)) => members(&group, snapshot, allowed.as_ref())?,
        };
        allowed = Some(match allowed {
            Some(before) => before & set,
            None => set,
        });
    }
    let mut scored: Option<Vec<Hit>> = None;
    let mut searches = searches.iter().peekable();
    while let Some(near) = searches.next() {
        let hits = near.hits(snapshot, allowed.as_ref())?;
        // What the only search finds was allowed, and nobody looks at it again.
        if scored.is_some() || searches.peek().is_some() {
            allowed = Some(ordinals(&hits));
        }
        scored.get_or_insert(hits);
    }
    let words = || ranked.first().map(|found| found.hits.clone());
    let scored = scored.or_else(words);
    Ok(match (scored, allowed) {
        (Some(mut hits), Some(allowed)) => {
            if hits.len() as u64 > allowed.len() {
                hits.retain(|hit| allowed.contains(hit.ordinal));
            }
            Matched::Scored(hits)
        }
        (Some(hits), None) => Matched::Scored(hits),
        (None, Some(set)) => Matched::Set(set),
        (None, None) => Matched::All,
    })
}

/// The items that pass a group; at least those of them that are `allowed`, the only ones that matter to the caller.
fn members(
    node: &Node,
    snapshot: &DatasetSnapshot,
    allowed: Option<&RoaringBitmap>,
) -> Result<RoaringBitmap, ExploreError> {
    Ok(match node {
        Node::Is(Selection::Set(set)) => set.clone(),
        Node::Is(Selection::Ranked(found)) => found.set.clone(),
        Node::Is(Selection::Near(near)) => ordinals(&near.hits(snapshot, allowed)?),
        Node::All(parts) => {
            let mut all = allowed.cloned().unwrap_or_else(|| snapshot.everything());
            for part in parts {
                all &= members(part, snapshot, Some(&all))?;
            }
            all
        }
        Node::Any(parts) => {
            let mut any = RoaringBitmap::new();
            for part in parts {
                any |= members(part, snapshot, allowed)?;
            }
            any
        }
        Node::Not(part) => {
            let all = allowed.cloned().unwrap_or_else(|| snapshot.everything());
            let passing = members(part, snapshot, Some(&all))?;
            all - passing
        }
    })
}
