//! Everything that matches a plan, and what the index says of single items: what exports are made of.

use std::sync::Arc;

use lamina_index::{DUPLICATE_LADDER, DUPLICATE_STEPS, duplicate_confidence};
use lamina_store::datasets::DatasetAccess;
use lamina_store::media;
use lamina_types::{
    ClusterId, DatasetId, DuplicateGroupId, EntityType, IssueType, MediaId, SimilarityThreshold,
    cluster_id,
};
use uuid::Uuid;

use crate::grouping::Grouping;
use crate::matching::evaluate;
use crate::plan::ExplorePlan;
use crate::{DatasetSnapshot, ExploreError, Explorer, MediaView, Member, hydrate};

/// Membership in a group of near-copies at one step of the ladder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuplicateFact {
    /// Similarity from which on the group's members belong together, 0 to 1.
    pub step: f32,
    /// The group; the same for all its members, at this step only.
    pub group: DuplicateGroupId,
    /// 0 to 1.
    pub confidence: f32,
}

/// What the index says of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemFacts {
    /// 0 (has very close neighbours) to 1 (stands alone).
    pub uniqueness: Option<f32>,
    /// Its cluster at the level that was asked for.
    pub cluster_id: Option<ClusterId>,
    /// Issues that are computed, but for near-copies, whatever their confidence above 0.
    pub issues: Vec<(IssueType, f32)>,
    /// The label that similar items have, of an item whose neighbours are labelled otherwise.
    pub suggested_label: Option<String>,
    /// Its groups of near-copies, coarsest step first.
    pub duplicates: Vec<DuplicateFact>,
}

impl Explorer {
    /// All items that match a plan, best first, else by ordinal; of one cluster if it is named. `None` when the dataset has
    /// no such cluster. The page of the plan is not looked at.
    ///
    /// # Errors
    /// As [`Self::explore`].
    pub async fn select(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<Member>>, ExploreError> {
        let Some(snapshot) = self.snapshot(access, plan.entity_type).await? else {
            return Ok(cluster.is_none().then(Vec::new));
        };
        if let Some(id) = cluster {
            return self.cluster_members(access, id, plan, &snapshot).await;
        }
        let nodes = self.resolve(access, plan, &snapshot).await?;
        let (searched, grouping) = (Arc::clone(&snapshot), Grouping::of(plan));
        let members = tokio::task::spawn_blocking(move || {
            let matched = evaluate(nodes, &searched)?;
            Ok::<_, ExploreError>(grouping.everything(&matched, &searched))
        })
        .await??;
        Ok(Some(members))
    }

    /// The best items that match a plan, at most `limit` of them, each by itself.
    ///
    /// # Errors
    /// As [`Self::explore`].
    pub async fn best(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        limit: usize,
    ) -> Result<Vec<MediaView>, ExploreError> {
        let Some(snapshot) = self.snapshot(access, plan.entity_type).await? else {
            return Ok(Vec::new());
        };
        let nodes = self.resolve(access, plan, &snapshot).await?;
        let (searched, grouping) = (Arc::clone(&snapshot), Grouping::of(plan));
        let mut members = tokio::task::spawn_blocking(move || {
            let matched = evaluate(nodes, &searched)?;
            Ok::<_, ExploreError>(grouping.everything(&matched, &searched))
        })
        .await??;
        members.truncate(limit);
        hydrate::views(self.pool(), access.dataset(), &snapshot, &members).await
    }

    /// The pictures that are near-copies of one, by the first step of the ladder; `None` for a picture that the dataset does not
    /// have.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn duplicates_of(
        &self,
        access: &DatasetAccess,
        id: MediaId,
    ) -> Result<Option<Vec<MediaId>>, ExploreError> {
        let (pool, dataset) = (self.pool(), access.id());
        let found = media::ordinals_of(pool, dataset, &[id]).await?;
        let Some(ordinal) = found.get(&id).copied() else {
            return Ok(None);
        };
        let Some(snapshot) = self.snapshot(access, EntityType::Images).await? else {
            return Ok(Some(Vec::new()));
        };
        let copies = tokio::task::spawn_blocking(move || {
            let groups = snapshot.generation().duplicate_groups(DUPLICATE_LADDER[0]);
            let Some(group) = groups.get(ordinal as usize) else {
                return Vec::new();
            };
            let members = (0_u32..).zip(&groups).filter(|(_, other)| *other == group);
            let others = members.map(|(member, _)| member);
            others.filter(|member| *member != ordinal).collect()
        })
        .await?;
        let rows = media::by_ordinals(pool, dataset, &copies).await?;
        Ok(Some(rows.into_iter().map(|row| row.id).collect()))
    }

    /// What the index says of single items of the dataset; `None` while it has nothing to show. Clusters are those of `level`.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn fact_sheet(
        &self,
        access: &DatasetAccess,
        entity_type: EntityType,
        level: SimilarityThreshold,
    ) -> Result<Option<FactSheet>, ExploreError> {
        let Some(snapshot) = self.snapshot(access, entity_type).await? else {
            return Ok(None);
        };
        let dataset = access.id();
        self.with_label_issues(dataset, &snapshot).await?;
        Ok(Some(
            tokio::task::spawn_blocking(move || FactSheet {
                ladder: snapshot.generation().duplicates.ladder(),
                snapshot,
                dataset,
                level,
            })
            .await?,
        ))
    }
}

/// What the index says of the items of one dataset.
#[derive(Debug, Clone)]
pub struct FactSheet {
    snapshot: Arc<DatasetSnapshot>,
    /// Lowest member of each item's group, for every step.
    ladder: [Vec<u32>; DUPLICATE_STEPS],
    dataset: DatasetId,
    level: SimilarityThreshold,
}

impl FactSheet {
    /// How many pictures these items are, or are on.
    pub fn pictures_behind(&self, ordinals: impl Iterator<Item = u32>) -> u64 {
        self.snapshot.pictures_of(ordinals.collect()).len()
    }

    /// What is known of one item.
    pub fn of(&self, ordinal: u32) -> ItemFacts {
        let (snapshot, place) = (&self.snapshot, ordinal as usize);
        let entity = snapshot.entity_type();
        let issues = IssueType::ALL
            .iter()
            .filter(|issue| **issue != IssueType::Duplicates)
            .map(|issue| (*issue, snapshot.issue_confidence(*issue, ordinal)))
            .filter(|(_, confidence)| *confidence > 0.0)
            .collect();
        let cluster = snapshot.cluster_of(self.level).get(place);
        ItemFacts {
            uniqueness: snapshot.generation().uniqueness.get(place).copied(),
            cluster_id: cluster.map(|first| cluster_id(self.dataset, entity, self.level, *first)),
            issues,
            suggested_label: snapshot.suggested_label(ordinal).map(str::to_owned),
            duplicates: self.duplicates(ordinal),
        }
    }

    fn duplicates(&self, ordinal: u32) -> Vec<DuplicateFact> {
        let entity = self.snapshot.entity_type();
        let Some(nearest) = self.snapshot.generation().neighbours.of(ordinal).next() else {
            return Vec::new();
        };
        let fact = |(step, groups): (&f32, &Vec<u32>)| {
            let confidence = duplicate_confidence(nearest.distance, *step);
            // An item alone has no group, and nothing near enough to be sure of.
            let first = groups.get(ordinal as usize).filter(|_| confidence > 0.0)?;
            let name = format!("{entity}/duplicates/{step}/{first}");
            let group = Uuid::new_v5(&self.dataset.as_uuid(), name.as_bytes());
            Some(DuplicateFact {
                step: *step,
                group: DuplicateGroupId::from_uuid(group),
                confidence,
            })
        };
        DUPLICATE_LADDER
            .iter()
            .zip(&self.ladder)
            .filter_map(fact)
            .collect()
    }
}
