//! From matching members to ranked clusters. Pure: ordinals and distances in, ordinals and distances out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

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

/// Which part of a ranking is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Matching members that a cluster needs to be shown.
    pub least: usize,
    /// Places in the ranking of those that are shown.
    pub places: Range<usize>,
}

/// Groups `hits` (ascending by distance) by the cluster each belongs to and ranks the clusters by their best member: the wanted
/// ones, and how many there are in all.
///
/// `cluster_of` gives the lowest ordinal of an item's cluster; items without one are left out. Ties are broken by that ordinal,
/// so the order is total.
pub fn rank_by_distance(
    hits: &[Hit],
    cluster_of: impl Fn(u32) -> Option<u32>,
    wanted: &Wanted,
) -> (Vec<RankedCluster>, usize) {
    let (mut clusters, of_each) = tally(hits.iter().copied(), cluster_of);
    clusters.retain(|cluster| cluster.count >= wanted.least);
    // Almost sorted already, which is what this sort is quick with.
    clusters.sort_by(|a, b| {
        let by_best = a.best.total_cmp(&b.best);
        by_best.then(a.first_ordinal.cmp(&b.first_ordinal))
    });
    let page = cut(&clusters, &wanted.places);
    let members = hits.iter().map(Member::from);
    (gather(page, members, &of_each), clusters.len())
}

/// Groups `members` by the cluster each belongs to and ranks the clusters by how many of their members match, the largest
/// first, ties by the cluster's lowest ordinal: the wanted ones, and how many there are in all.
pub fn rank_by_size(
    members: &RoaringBitmap,
    cluster_of: impl Fn(u32) -> Option<u32>,
    wanted: &Wanted,
) -> (Vec<RankedCluster>, usize) {
    let unranked = members.iter().map(|ordinal| Hit {
        ordinal,
        distance: 0.0,
    });
    let (mut clusters, of_each) = tally(unranked, cluster_of);
    clusters.retain(|cluster| cluster.count >= wanted.least);
    let order = |cluster: &Tallied| (Reverse(cluster.count), cluster.first_ordinal);
    // Most of a million clusters are never shown: only those up to the page are put in order.
    let end = wanted.places.end;
    if end < clusters.len() {
        clusters.select_nth_unstable_by_key(end, order);
    }
    let shown = end.min(clusters.len());
    clusters[..shown].sort_unstable_by_key(order);
    let page = cut(&clusters, &wanted.places);
    let members = members.iter().map(|ordinal| Member {
        ordinal,
        distance: None,
    });
    (gather(page, members, &of_each), clusters.len())
}

/// What is known of a cluster before its members are listed.
struct Tallied {
    /// How many were met before it.
    number: u32,
    first_ordinal: u32,
    count: usize,
    best: f32,
}

/// Members of a cluster that match, as room is made for.
const MEMBERS_EXPECTED: usize = 4;

/// No cluster.
const NOWHERE: u32 = u32::MAX;

/// Clusters in the order in which they are met, and the number of the cluster of each item.
fn tally(
    hits: impl Iterator<Item = Hit> + Clone,
    cluster_of: impl Fn(u32) -> Option<u32>,
) -> (Vec<Tallied>, Vec<u32>) {
    // All looked up at once: none of these scattered reads waits for another.
    let firsts = hits.clone().map(|hit| cluster_of(hit.ordinal));
    let firsts: Vec<u32> = firsts.map(|first| first.unwrap_or(NOWHERE)).collect();
    // Room for a few of a cluster each: growing copies everything again and again.
    let room = firsts.len() / MEMBERS_EXPECTED;
    let mut numbers: Numbers = HashMap::with_capacity_and_hasher(room, BuildHasherDefault::new());
    let mut clusters: Vec<Tallied> = Vec::new();
    let mut of_each = firsts;
    for (hit, place) in hits.zip(&mut of_each) {
        let first_ordinal = *place;
        if first_ordinal == NOWHERE {
            continue;
        }
        let number = *numbers.entry(first_ordinal).or_insert_with(|| {
            let number = clusters.len() as u32;
            clusters.push(Tallied {
                number,
                first_ordinal,
                count: 0,
                best: hit.distance,
            });
            number
        });
        clusters[number as usize].count += 1;
        *place = number;
    }
    (clusters, of_each)
}

fn cut<'a>(clusters: &'a [Tallied], places: &Range<usize>) -> &'a [Tallied] {
    let end = places.end.min(clusters.len());
    &clusters[places.start.min(end)..end]
}

/// The members of a few clusters, in the order of `members`, of which `of_each` has the cluster's number.
fn gather(
    page: &[Tallied],
    members: impl Iterator<Item = Member>,
    of_each: &[u32],
) -> Vec<RankedCluster> {
    let Some(most) = page.iter().map(|cluster| cluster.number).max() else {
        return Vec::new();
    };
    let mut places = vec![usize::MAX; most as usize + 1];
    let mut gathered = Vec::with_capacity(page.len());
    for cluster in page {
        places[cluster.number as usize] = gathered.len();
        gathered.push(RankedCluster {
            first_ordinal: cluster.first_ordinal,
            members: Vec::with_capacity(cluster.count),
        });
    }
    for (member, number) in members.zip(of_each) {
        let place = places.get(*number as usize);
        if let Some(cluster) = place.and_then(|place| gathered.get_mut(*place)) {
            cluster.members.push(member);
        }
    }
    gathered
}

type Numbers = HashMap<u32, u32, BuildHasherDefault<OrdinalHasher>>;

/// Spreads ordinals, which nobody outside chooses, faster than the hash that is safe from enemies.
#[derive(Default)]
struct OrdinalHasher(u64);

impl Hasher for OrdinalHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, ordinal: u32) {
        let mixed = (self.0 ^ u64::from(ordinal)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Every cluster of one level with its members, the largest first: what browsing shows.
///
/// Kept flat, because a million media make half a million small clusters.
#[derive(Debug)]
pub struct LevelClusters {
    /// `members[starts[i]..starts[i + 1]]` are those of the cluster at place `i` in the order of browsing.
    starts: Vec<u32>,
    /// Ascending in each cluster, so that the first one is the lowest ordinal, which names the cluster.
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
        Self { starts, members }
    }

    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether the dataset is empty.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The cluster at `place` in browsing order: lowest ordinal and members, ascending.
    pub fn get(&self, place: usize) -> Option<(u32, &[u32])> {
        let range = *self.starts.get(place)? as usize..*self.starts.get(place + 1)? as usize;
        let members = self.members.get(range)?;
        Some((*members.first()?, members))
    }

    /// Bytes held.
    pub fn bytes_in_memory(&self) -> usize {
        (self.starts.capacity() + self.members.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(least: usize, places: Range<usize>) -> Wanted {
        Wanted { least, places }
    }

    fn of(cluster_of: &[u32]) -> impl Fn(u32) -> Option<u32> + '_ {
        |ordinal| cluster_of.get(ordinal as usize).copied()
    }

    #[test]
    fn clusters_rank_by_their_best_member_and_ties_by_ordinal() {
        let cluster_of = [0, 1, 0, 1, 4];
        let hit = |ordinal, distance| Hit { ordinal, distance };
        let hits = [
            hit(4, 0.1),
            hit(3, 0.1),
            hit(0, 0.2),
            hit(2, 0.3),
            hit(9, 0.4),
        ];
        let (ranked, total) = rank_by_distance(&hits, of(&cluster_of), &wanted(1, 0..100));
        let firsts: Vec<u32> = ranked.iter().map(|c| c.first_ordinal).collect();
        assert_eq!((firsts, total), (vec![1, 4, 0], 3));
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
        let (second, total) = rank_by_distance(&hits, of(&cluster_of), &wanted(1, 1..2));
        assert_eq!((second, total), (ranked[1..2].to_vec(), 3));
        let (pairs, total) = rank_by_distance(&hits, of(&cluster_of), &wanted(2, 0..9));
        assert_eq!((pairs, total), (ranked[2..].to_vec(), 1));
        let (none, total) = rank_by_distance(&hits, of(&cluster_of), &wanted(1, 300..400));
        assert_eq!((none, total), (Vec::new(), 3));
    }

    #[test]
    fn matching_members_rank_their_clusters_by_number() {
        let cluster_of = [0, 1, 0, 1, 4, 1];
        let rank = |members: &RoaringBitmap, wanted: &Wanted| {
            let (ranked, total) = rank_by_size(members, of(&cluster_of), wanted);
            let sizes: Vec<(u32, usize)> = ranked
                .iter()
                .map(|cluster| (cluster.first_ordinal, cluster.members.len()))
                .collect();
            (sizes, total)
        };
        let members: RoaringBitmap = [0, 1, 3, 4].into();
        let all = vec![(1, 2), (0, 1), (4, 1)];
        assert_eq!(rank(&members, &wanted(1, 0..100)), (all.clone(), 3));
        for (place, one) in all.iter().enumerate() {
            let page = rank(&members, &wanted(1, place..place + 1));
            assert_eq!(page, (vec![*one], 3));
        }
        assert_eq!(rank(&members, &wanted(2, 0..100)), (vec![(1, 2)], 1));
        assert_eq!(rank(&members, &wanted(1, 3..9)), (Vec::new(), 3));
        assert_eq!(
            rank(&RoaringBitmap::new(), &wanted(1, 0..9)),
            (Vec::new(), 0)
        );
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
