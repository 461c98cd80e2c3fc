//! Cluster ids.

use uuid::Uuid;

use crate::{ClusterId, DatasetId, EntityType, SimilarityThreshold};

/// The id of the cluster of `dataset` at `level` whose lowest member ordinal is `first_ordinal`.
///
/// UUID version 5 under the dataset's id: the same dataset state gives the same ids on every call and every machine, and
/// copies, which share index files with their source, still have ids of their own.
pub fn cluster_id(
    dataset: DatasetId,
    entity: EntityType,
    level: SimilarityThreshold,
    first_ordinal: u32,
) -> ClusterId {
    let name = format!("{entity}/{level}/{first_ordinal}");
    ClusterId::from_uuid(Uuid::new_v5(&dataset.as_uuid(), name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_ids_are_stable_and_differ_by_every_part() {
        let dataset = DatasetId::new();
        let level = |n| SimilarityThreshold::new(n).unwrap();
        let id = cluster_id(dataset, EntityType::Images, level(0), 3);
        assert_eq!(id, cluster_id(dataset, EntityType::Images, level(0), 3));
        assert_ne!(id, cluster_id(dataset, EntityType::Objects, level(0), 3));
        assert_ne!(id, cluster_id(dataset, EntityType::Images, level(1), 3));
        assert_ne!(id, cluster_id(dataset, EntityType::Images, level(0), 4));
        assert_ne!(
            id,
            cluster_id(DatasetId::new(), EntityType::Images, level(0), 3)
        );
    }
}
