//! What the clusters of an answer are: those of a level, or groups of near-copies.

use std::borrow::Cow;
use std::collections::HashMap;

use lamina_types::{ClusterId, DatasetId, EntityType, SimilarityThreshold, cluster_id};
use uuid::Uuid;

use crate::matching::Matched;
use crate::members::{Member, RankedCluster, rank_by_distance, rank_by_size};
use crate::plan::{ExplorePlan, PAGE_SIZE};
use crate::snapshot::DatasetSnapshot;

/// How members are put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Grouping {
    /// By cluster.
    Level(SimilarityThreshold),
    /// By group of near-copies of at least this similarity; members alone are left out.
    Duplicates(f32),
}

impl Grouping {
    pub(crate) fn of(plan: &ExplorePlan) -> Self {
        plan.duplicate_similarity()
            .map_or(Self::Level(plan.threshold), Self::Duplicates)
    }

    /// Lowest ordinal of the group of each item.
    pub(crate) fn group_of(self, snapshot: &DatasetSnapshot) -> Cow<'_, [u32]> {
        match self {
            Self::Level(level) => Cow::Borrowed(snapshot.cluster_of(level)),
            Self::Duplicates(similarity) => {
                Cow::Owned(snapshot.generation().duplicate_groups(similarity))
            }
        }
    }

    /// Fewest members of a group that is shown.
    const fn least(self) -> usize {
        match self {
            Self::Level(_) => 1,
            Self::Duplicates(_) => 2,
        }
    }

    /// The name of a group.
    pub(crate) fn id(
        self,
        dataset: DatasetId,
        entity: EntityType,
        first_ordinal: u32,
    ) -> ClusterId {
        match self {
            Self::Level(level) => cluster_id(dataset, entity, level, first_ordinal),
            Self::Duplicates(similarity) => {
                let name = format!("{entity}/duplicates/{similarity}/{first_ordinal}");
                ClusterId::from_uuid(Uuid::new_v5(&dataset.as_uuid(), name.as_bytes()))
            }
        }
    }

    /// The groups of a page, from place `first` on, and how many groups there are in all.
    pub(crate) fn page(
        self,
        matched: &Matched,
        snapshot: &DatasetSnapshot,
        first: usize,
    ) -> (Vec<RankedCluster>, usize) {
        let mut groups = match (matched, self) {
            (Matched::All, Self::Level(level)) => return browse(snapshot, level, first),
            (Matched::All, Self::Duplicates(_)) => {
                rank_by_size(&snapshot.everything(), &self.group_of(snapshot))
            }
            (Matched::Set(set), _) => rank_by_size(set, &self.group_of(snapshot)),
            (Matched::Scored(hits), _) => rank_by_distance(hits, &self.group_of(snapshot)),
        };
        groups.retain(|group| group.members.len() >= self.least());
        let total = groups.len();
        let page = groups.into_iter().skip(first).take(PAGE_SIZE).collect();
        (page, total)
    }

    /// All matching members, best first, else by ordinal; without those that are too few to be a group.
    pub(crate) fn everything(self, matched: &Matched, snapshot: &DatasetSnapshot) -> Vec<Member> {
        let unranked = |ordinal| Member {
            ordinal,
            distance: None,
        };
        let mut members: Vec<Member> = match matched {
            Matched::All => (0..snapshot.len() as u32).map(unranked).collect(),
            Matched::Set(set) => set.iter().map(unranked).collect(),
            Matched::Scored(hits) => hits.iter().map(Member::from).collect(),
        };
        if self.least() > 1 {
            let group_of = self.group_of(snapshot);
            let mut sizes: HashMap<u32, usize> = HashMap::new();
            for member in &members {
                if let Some(group) = group_of.get(member.ordinal as usize) {
                    *sizes.entry(*group).or_default() += 1;
                }
            }
            members.retain(|member| {
                let group = group_of.get(member.ordinal as usize);
                group
                    .and_then(|group| sizes.get(group))
                    .is_some_and(|size| *size >= self.least())
            });
        }
        members
    }

    /// The matching members of one group, best first, else by ordinal; none if they are too few to be a group.
    pub(crate) fn members(
        self,
        matched: &Matched,
        snapshot: &DatasetSnapshot,
        first_ordinal: u32,
    ) -> Vec<Member> {
        let group_of = self.group_of(snapshot);
        let is_inside = |ordinal: &u32| group_of.get(*ordinal as usize) == Some(&first_ordinal);
        let unranked = |ordinal| Member {
            ordinal,
            distance: None,
        };
        let members: Vec<Member> = match matched {
            Matched::All => (0..snapshot.len() as u32)
                .filter(is_inside)
                .map(unranked)
                .collect(),
            Matched::Set(set) => set.iter().filter(is_inside).map(unranked).collect(),
            Matched::Scored(hits) => hits
                .iter()
                .filter(|hit| is_inside(&hit.ordinal))
                .map(Member::from)
                .collect(),
        };
        if members.len() < self.least() {
            return Vec::new();
        }
        members
    }
}

/// A page of browsing: the clusters from place `first` on, and how many there are.
fn browse(
    snapshot: &DatasetSnapshot,
    threshold: SimilarityThreshold,
    first: usize,
) -> (Vec<RankedCluster>, usize) {
    let clusters = snapshot.clusters(threshold);
    let page = (first..clusters.len().min(first.saturating_add(PAGE_SIZE)))
        .filter_map(|place| clusters.get(place))
        .map(|(first_ordinal, members)| RankedCluster {
            first_ordinal,
            members: members
                .iter()
                .map(|&ordinal| Member {
                    ordinal,
                    distance: None,
                })
                .collect(),
        })
        .collect();
    (page, clusters.len())
}
