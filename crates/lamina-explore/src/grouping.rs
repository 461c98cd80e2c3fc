//! What the clusters of an answer are: those of a level, or groups of near-copies.

use std::collections::HashMap;

use lamina_types::{ClusterId, DatasetId, EntityType, SimilarityThreshold, cluster_id};
use uuid::Uuid;

use crate::matching::Matched;
use crate::members::{Member, RankedCluster, Wanted, rank_by_distance, rank_by_size};
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

/// The lowest ordinal of the group of each item.
pub(crate) enum Groups<'a> {
    /// By ordinal.
    OfAll(&'a [u32]),
    /// Of those that are in a group, ascending.
    OfSome(Vec<(u32, u32)>),
}

impl Groups<'_> {
    /// The lowest ordinal of the group of an item; `None` for an item that is in none.
    pub(crate) fn of(&self, item: u32) -> Option<u32> {
        match self {
            Self::OfAll(firsts) => firsts.get(item as usize).copied(),
            Self::OfSome(pairs) => {
                let place = pairs.binary_search_by_key(&item, |(item, _)| *item).ok()?;
                pairs.get(place).map(|(_, first)| *first)
            }
        }
    }

    /// The lowest ordinals of all groups.
    pub(crate) fn firsts(&self) -> Vec<u32> {
        let pairs: Vec<(u32, u32)> = match self {
            Self::OfAll(firsts) => (0..).zip(firsts.iter().copied()).collect(),
            Self::OfSome(pairs) => pairs.clone(),
        };
        let named = pairs.into_iter().filter(|(item, first)| item == first);
        named.map(|(_, first)| first).collect()
    }
}

impl Grouping {
    pub(crate) fn of(plan: &ExplorePlan) -> Self {
        plan.duplicate_similarity()
            .map_or(Self::Level(plan.threshold), Self::Duplicates)
    }

    /// Which group each item is in.
    pub(crate) fn groups(self, snapshot: &DatasetSnapshot) -> Groups<'_> {
        match self {
            Self::Level(level) => Groups::OfAll(snapshot.cluster_of(level)),
            Self::Duplicates(similarity) => {
                Groups::OfSome(snapshot.generation().duplicates.copies(similarity))
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
        let wanted = Wanted {
            least: self.least(),
            places: first..first.saturating_add(PAGE_SIZE),
        };
        let groups = self.groups(snapshot);
        let group_of = |ordinal| groups.of(ordinal);
        match (matched, self) {
            (Matched::All, Self::Level(level)) => browse(snapshot, level, first),
            (Matched::All, Self::Duplicates(_)) => {
                rank_by_size(&snapshot.everything(), group_of, &wanted)
            }
            (Matched::Set(set), _) => rank_by_size(set, group_of, &wanted),
            (Matched::Scored(hits), _) => rank_by_distance(hits, group_of, &wanted),
        }
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
            let groups = self.groups(snapshot);
            let mut sizes: HashMap<u32, usize> = HashMap::new();
            for member in &members {
                if let Some(group) = groups.of(member.ordinal) {
                    *sizes.entry(group).or_default() += 1;
                }
            }
            members.retain(|member| {
                let size = groups
                    .of(member.ordinal)
                    .and_then(|group| sizes.get(&group));
                size.is_some_and(|size| *size >= self.least())
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
        let groups = self.groups(snapshot);
        let is_inside = |ordinal: &u32| groups.of(*ordinal) == Some(first_ordinal);
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
