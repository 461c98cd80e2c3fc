//! From resolved filters to the members that match. Pure: a snapshot and selections in, ordinals and scores out.
//!
//! Sets come first, because what they leave is all that a vector search has to look at; a search that is told what is
//! allowed never comes back short.

use lamina_index::Hit;
use lamina_inference::Calibration;
use roaring::RoaringBitmap;

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
    /// These, each with a score, ascending.
    Ranked(Vec<Hit>),
    /// Those near a vector.
    Near(Near),
}

/// A search around a vector.
#[derive(Debug)]
pub(crate) struct Near {
    /// Unit vector.
    pub(crate) query: Vec<f32>,
    /// Greatest distance, as shown.
    pub(crate) max_distance: f32,
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
    fn hits(
        &self,
        snapshot: &DatasetSnapshot,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        let Some(calibration) = &self.calibration else {
            return snapshot.within(&self.query, self.max_distance, allowed);
        };
        if self.max_distance < 0.0 {
            return Ok(Vec::new());
        }
        let bound = calibration.undo(self.max_distance) + ROUNDING;
        let mut hits = snapshot.within(&self.query, bound, allowed)?;
        for hit in &mut hits {
            hit.distance = calibration.apply(hit.distance);
        }
        hits.retain(|hit| hit.distance <= self.max_distance);
        // Rounding may have made equal what was not.
        hits.sort_unstable();
        Ok(hits)
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
            Node::Is(Selection::Ranked(hits)) => {
                let set = ordinals(&hits);
                ranked.push(hits);
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
    for near in &searches {
        let hits = near.hits(snapshot, allowed.as_ref())?;
        allowed = Some(ordinals(&hits));
        scored.get_or_insert(hits);
    }
    let scored = scored.or_else(|| (!ranked.is_empty()).then(|| ranked.swap_remove(0)));
    Ok(match (scored, allowed) {
        (Some(mut hits), Some(allowed)) => {
            hits.retain(|hit| allowed.contains(hit.ordinal));
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
        Node::Is(Selection::Ranked(hits)) => ordinals(hits),
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
