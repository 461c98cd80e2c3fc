//! From matching members to ranked clusters. Pure: ordinals and distances in, ordinals and distances out.

use std::cmp::Reverse;
use std::collections::HashMap;

use lamina_index::Hit;
use roaring::RoaringBitmap;

/// The members of one cluster that match a request, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedCluster {
    /// Lowest ordinal of the **whole** cluster, which names it.
    pub first_ordinal: u32,
    /// Matching members: ascending by distance when there is one, else by ordinal.
    pub members: Vec<Member>,
}

/// One matching member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// Ordinal in the dataset.
    pub ordinal: u32,
    /// Cosine distance to what was searched for.
    pub distance: Option<f32>,
}

impl From<&Hit> for Member {
    fn from(hit: &Hit) -> Self {
        Self {
            ordinal: hit.ordinal,
            distance: Some(hit.distance),
        }
    }
}

impl RankedCluster {
    /// The smallest distance among the members.
    pub fn best(&self) -> Option<f32> {
        self.members.first().and_then(|member| member.distance)
    }
}

/// Groups `hits` (ascending by distance) by the cluster each belongs to and ranks the clusters by their best member.
///
/// `cluster_of[ordinal]` is the lowest ordinal of the cluster. Ties are broken by that ordinal, so the order is total.
pub fn rank_by_distance(hits: &[Hit], cluster_of: &[u32]) -> Vec<RankedCluster> {
    let mut place: HashMap<u32, usize> = HashMap::new();
    let mut clusters: Vec<RankedCluster> = Vec::new();
    for hit in hits {
        let Some(&first_ordinal) = cluster_of.get(hit.ordinal as usize) else {
            continue;
        };
        let slot = *place.entry(first_ordinal).or_insert_with(|| {
            clusters.push(RankedCluster {
                first_ordinal,
                members: Vec::new(),
            });
            clusters.len() - 1
        });
        if let Some(cluster) = clusters.get_mut(slot) {
            cluster.members.push(Member::from(hit));
        }
    }
    clusters.sort_by(|a, b| {
        let (left, right) = (a.best().unwrap_or(f32::MAX), b.best().unwrap_or(f32::MAX));
        left.total_cmp(&right)
            .then(a.first_ordinal.cmp(&b.first_ordinal))
    });
    clusters
}

/// Groups `members` by the cluster each belongs to and ranks the clusters by how many of their members match, the largest
/// first; ties by the cluster's lowest ordinal.
pub fn rank_by_size(members: &RoaringBitmap, cluster_of: &[u32]) -> Vec<RankedCluster> {
    let mut place: HashMap<u32, usize> = HashMap::new();
    let mut clusters: Vec<RankedCluster> = Vec::new();
    for ordinal in members {
        let Some(&first_ordinal) = cluster_of.get(ordinal as usize) else {
            continue;
        };
        let slot = *place.entry(first_ordinal).or_insert(clusters.len());
        let member = Member {
            ordinal,
            distance: None,
        };
        match clusters.get_mut(slot) {
            Some(cluster) => cluster.members.push(member),
            None => clusters.push(RankedCluster {
                first_ordinal,
                members: vec![member],
            }),
        }
    }
    clusters.sort_by_key(|cluster| (Reverse(cluster.members.len()), cluster.first_ordinal));
    clusters
}

/// Every cluster of one level with its members, the largest first: what browsing shows.
///
/// Kept flat, because a million media make half a million small clusters.
#[derive(Debug)]
pub struct LevelClusters {
    /// Lowest ordinals, in the order of browsing.
    firsts: Vec<u32>,
    /// `members[starts[i]..starts[i + 1]]` belong to `firsts[i]`.
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl LevelClusters {
    /// Sorts the clusters of one level: by size, largest first, then by lowest ordinal.
    pub fn new(cluster_of: &[u32]) -> Self {
        let mut sizes = vec![0_u32; cluster_of.len()];
        for &first in cluster_of {
            sizes[first as usize] += 1;
        }
        let mut firsts: Vec<u32> = (0..cluster_of.len() as u32)
            .filter(|&i| sizes[i as usize] > 0)
            .collect();
        firsts.sort_by_key(|&first| (Reverse(sizes[first as usize]), first));
        let mut starts = Vec::with_capacity(firsts.len() + 1);
        let mut cursor = vec![0_u32; cluster_of.len()];
        let mut total = 0;
        for &first in &firsts {
            starts.push(total);
            cursor[first as usize] = total;
            total += sizes[first as usize];
        }
        starts.push(total);
        let mut members = vec![0_u32; cluster_of.len()];
        for (ordinal, &first) in cluster_of.iter().enumerate() {
            let place = &mut cursor[first as usize];
            members[*place as usize] = ordinal as u32;
            *place += 1;
        }
        Self {
            firsts,
            starts,
            members,
        }
    }

    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.firsts.len()
    }

    /// Whether the dataset is empty.
    pub fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    /// The cluster at `place` in browsing order: lowest ordinal and members, ascending.
    pub fn get(&self, place: usize) -> Option<(u32, &[u32])> {
        let first = *self.firsts.get(place)?;
        let range = *self.starts.get(place)? as usize..*self.starts.get(place + 1)? as usize;
        Some((first, self.members.get(range)?))
    }

    /// Bytes held.
    pub fn bytes_in_memory(&self) -> usize {
        (self.firsts.len() + self.starts.len() + self.members.len()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_rank_by_their_best_member_and_ties_by_ordinal() {
        let cluster_of = [0, 1, 0, 1, 4];
        let hit = |ordinal, distance| Hit { ordinal, distance };
        let hits = [hit(3, 0.1), hit(4, 0.1), hit(0, 0.2), hit(2, 0.3)];
        let ranked = rank_by_distance(&hits, &cluster_of);
        let firsts: Vec<u32> = ranked.iter().map(|c| c.first_ordinal).collect();
        assert_eq!(firsts, [1, 4, 0]);
        assert_eq!(ranked[2].members.len(), 2);
        assert_eq!(ranked[2].best(), Some(0.2));
        // Cluster 1 has two members, but only one matched.
        assert_eq!(
            ranked[0].members,
            [Member {
                ordinal: 3,
                distance: Some(0.1)
            }]
        );
    }

    #[test]
    fn matching_members_rank_their_clusters_by_number() {
        let cluster_of = [0, 1, 0, 1, 4, 1];
        let ranked = rank_by_size(&[0, 1, 3, 4].into(), &cluster_of);
        let sizes: Vec<(u32, usize)> = ranked
            .iter()
            .map(|cluster| (cluster.first_ordinal, cluster.members.len()))
            .collect();
        assert_eq!(sizes, [(1, 2), (0, 1), (4, 1)]);
        assert!(rank_by_size(&RoaringBitmap::new(), &cluster_of).is_empty());
    }

    #[test]
    fn browsing_shows_the_largest_cluster_first_and_every_member_once() {
        let cluster_of = [0, 1, 1, 0, 1, 5];
        let level = LevelClusters::new(&cluster_of);
        assert_eq!(level.len(), 3);
        assert_eq!(level.get(0), Some((1, &[1, 2, 4][..])));
        assert_eq!(level.get(1), Some((0, &[0, 3][..])));
        assert_eq!(level.get(2), Some((5, &[5][..])));
        assert_eq!(level.get(3), None);
        assert!(LevelClusters::new(&[]).is_empty());
    }
}
