//! Rows added to a generation: placed into its clusters and duplicate groups at once, without deriving everything anew.
//!
//! Neighbours, duplicate groups and scores come out as a fresh build would have them below the exact limit. Clusters do not: a
//! new row joins the nearest cluster within a level's distance, else it stands alone, and no cluster that is there is taken
//! apart or joined with another. A fresh build makes them final.

use std::collections::HashMap;
use std::sync::Arc;

use lamina_types::LEVELS;
use rayon::prelude::*;

use crate::distance::from_cosine;
use crate::duplicates::{Duplicates, bound_of};
use crate::frozen::{NONE, STRIDE};
use crate::generation::build;
use crate::graph::{Edge, reduce_to_forest};
use crate::kernels::kernels;
use crate::scores::score;
use crate::{
    FrozenGraph, Generation, GenerationHeader, Hit, IndexError, IndexSettings, Neighbours,
    StopFlag, VectorBlock,
};

/// Rows that a graph does not lead to are looked at in every search: more of them than this are not worth it.
const MOST_OUTSIDE_GRAPH: usize = 4_096;

/// Near-copy edges held before they are reduced to those that count.
const EDGES_AT_ONCE: usize = 2 << 20;

/// The generation with these rows behind those it has. Built afresh when that is the better way: when it is small, when a
/// quarter or more is new, when the settings moved, or when its graph would have to look at too many rows.
///
/// # Errors
/// Rows of another dimension, settings that make no sense, or the stop flag.
pub fn append(
    old: &Generation,
    header: GenerationHeader,
    added: &[u8],
    settings: &IndexSettings,
    stop: &StopFlag,
) -> Result<Generation, IndexError> {
    settings.check()?;
    let before = old.vectors.len();
    let mut vectors = VectorBlock::clone(&old.vectors);
    for row in added.chunks(2 * vectors.dimension()) {
        vectors.push_le_bytes(row)?;
    }
    let vectors = Arc::new(vectors);
    let new = vectors.len() - before;
    let outside = old
        .graph
        .as_ref()
        .map_or(0, |graph| graph.stragglers() + new);
    let is_fresh = before <= settings.neighbours
        || new >= before.div_ceil(4)
        || old.settings != *settings
        || (before <= settings.exact_limit && vectors.len() > settings.exact_limit)
        || outside > MOST_OUTSIDE_GRAPH;
    if is_fresh {
        return build(header, vectors, settings, stop);
    }

    let Found { neighbours, edges } = find(old, &vectors, stop)?;
    let levels = place(old, &vectors, &neighbours, stop)?;
    let scores = score(&neighbours, vectors.len(), settings);
    let duplicates = Duplicates::new(vectors.len(), old.duplicates.floor(), edges);
    Ok(Generation {
        header,
        settings: *settings,
        graph: old
            .graph
            .as_ref()
            .map(|graph| Arc::new(widened(graph, vectors.len()))),
        vectors,
        neighbours,
        levels,
        duplicates,
        uniqueness: scores.uniqueness,
        outlier_confidence: scores.outlier_confidence,
        duplicate_confidence: scores.duplicate_confidence,
    })
}

/// The graph with room for more rows, which nothing leads to: they are looked at in every search.
fn widened(graph: &FrozenGraph, rows: usize) -> FrozenGraph {
    let mut wide = graph.clone();
    let before = wide.len();
    wide.ground.make_owned().resize(rows * STRIDE, NONE);
    wide.stragglers.extend(before as u32..rows as u32);
    wide
}

/// What the new rows are near to.
struct Found {
    neighbours: Neighbours,
    /// Edges of the spanning forest of near-copies, over all rows.
    edges: Vec<Edge>,
}

/// Measures every new row against all rows before it; old rows learn of new neighbours that are nearer.
fn find(old: &Generation, vectors: &VectorBlock, stop: &StopFlag) -> Result<Found, IndexError> {
    let (before, count) = (old.vectors.len(), vectors.len());
    let k = old.neighbours.per_item();
    let farthest = bound_of(old.duplicates.floor());
    let mut hits: Vec<Hit> = (0..before as u32)
        .flat_map(|row| old.neighbours.of(row))
        .collect();
    let mut edges = old.duplicates.edges().to_vec();
    let mut distances = vec![0.0_f32; count];
    for row in before..count {
        stop.check()?;
        let query = vectors.unit_row(row);
        // By place: rows that were there lie before those that are added.
        let distances = &mut distances[..row];
        distances
            .par_iter_mut()
            .with_min_len(1_024)
            .enumerate()
            .for_each(|(place, distance)| *distance = vectors.rows().distance_to(place, &query));
        let ordinal = row as u32;
        let mut own: Vec<Hit> = Vec::with_capacity(k + 1);
        for other in 0..ordinal {
            let distance = distances[vectors.place_of(other) as usize];
            if distance <= farthest {
                edges.push(Edge {
                    a: other,
                    b: ordinal,
                    distance,
                });
            }
            let hit = Hit {
                ordinal: other,
                distance,
            };
            if own.len() < k || own.last().is_some_and(|last| hit < *last) {
                insert(&mut own, hit, k);
            }
            let start = other as usize * k;
            let hit = Hit { ordinal, distance };
            if hit < hits[start + k - 1] {
                replace_last(&mut hits[start..start + k], hit);
            }
        }
        hits.extend(own);
        if edges.len() > EDGES_AT_ONCE {
            reduce_to_forest(&mut edges, count);
        }
    }
    reduce_to_forest(&mut edges, count);
    Ok(Found {
        neighbours: Neighbours::new(k, hits),
        edges,
    })
}

fn insert(list: &mut Vec<Hit>, hit: Hit, most: usize) {
    let place = list.partition_point(|known| *known < hit);
    list.insert(place, hit);
    list.truncate(most);
}

/// Puts a hit where it belongs in a full list; the farthest goes.
fn replace_last(list: &mut [Hit], hit: Hit) {
    let place = list.partition_point(|known| *known < hit);
    list[place..].rotate_right(1);
    list[place] = hit;
}

/// Which cluster each new row is in, level by level.
fn place(
    old: &Generation,
    vectors: &VectorBlock,
    neighbours: &Neighbours,
    stop: &StopFlag,
) -> Result<[Vec<u32>; LEVELS], IndexError> {
    let mut clusters = Clusters {
        vectors,
        levels: old.levels.clone(),
        members: std::array::from_fn(|level| by_label(&old.levels[level])),
        sums: HashMap::new(),
    };
    for row in old.vectors.len() as u32..vectors.len() as u32 {
        stop.check()?;
        clusters.take_in(row, neighbours.of(row), &old.settings.cluster_distances);
    }
    Ok(clusters.levels)
}

/// Rows by cluster, ascending within each.
fn by_label(labels: &[u32]) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..labels.len() as u32).collect();
    rows.sort_by_key(|row| labels[*row as usize]);
    rows
}

struct Clusters<'a> {
    vectors: &'a VectorBlock,
    levels: [Vec<u32>; LEVELS],
    /// The rows that were there before, by cluster.
    members: [Vec<u32>; LEVELS],
    /// Sum of the unit vectors of a cluster and their number, once somebody asked. Whoever joins is added.
    sums: HashMap<(usize, u32), (Vec<f32>, f32)>,
}

impl Clusters<'_> {
    fn take_in(&mut self, row: u32, neighbours: impl Iterator<Item = Hit>, bounds: &[f32; LEVELS]) {
        let unit = self.vectors.unit_row(row as usize);
        let nearest: Vec<Hit> = neighbours.filter(|hit| hit.ordinal < row).collect();
        let copy = nearest
            .first()
            .filter(|hit| hit.distance == 0.0)
            .map(|hit| hit.ordinal);
        // The cluster of the level below; clusters are named by their lowest row, whose own labels lead upwards.
        let mut inside: Option<u32> = copy;
        for (level, bound) in bounds.iter().enumerate() {
            let label = match inside {
                Some(below) => self.levels[level][below as usize],
                None => self
                    .nearest_within(level, &unit, &nearest, *bound)
                    .unwrap_or(row),
            };
            if label == row {
                self.sums.insert((level, row), (unit.clone(), 1.0));
            } else {
                inside = Some(label);
                let (sum, weight) = self.sum(level, label);
                sum.iter_mut()
                    .zip(&unit)
                    .for_each(|(sum, value)| *sum += value);
                *weight += 1.0;
            }
            self.levels[level].push(label);
        }
    }

    /// The cluster with the least average distance of those that the nearest rows are in.
    fn nearest_within(
        &mut self,
        level: usize,
        unit: &[f32],
        nearest: &[Hit],
        bound: f32,
    ) -> Option<u32> {
        let mut labels: Vec<u32> = nearest
            .iter()
            .map(|hit| self.levels[level][hit.ordinal as usize])
            .collect();
        labels.sort_unstable();
        labels.dedup();
        let measured = labels.into_iter().map(|label| {
            let (sum, weight) = self.sum(level, label);
            (from_cosine(kernels().dot(unit, sum) / *weight), label)
        });
        measured
            .filter(|(distance, _)| *distance <= bound)
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, label)| label)
    }

    fn sum(&mut self, level: usize, label: u32) -> &mut (Vec<f32>, f32) {
        let (vectors, labels, members) = (self.vectors, &self.levels[level], &self.members[level]);
        self.sums.entry((level, label)).or_insert_with(|| {
            let start = members.partition_point(|row| labels[*row as usize] < label);
            let end = members.partition_point(|row| labels[*row as usize] <= label);
            let mut sum = vec![0.0; vectors.dimension()];
            let mut unit = vec![0.0; vectors.dimension()];
            for row in &members[start..end] {
                vectors.unit_row_into(*row as usize, &mut unit);
                sum.iter_mut()
                    .zip(&unit)
                    .for_each(|(sum, value)| *sum += value);
            }
            (sum, (end - start) as f32)
        })
    }
}

#[cfg(test)]
mod tests {
    use lamina_types::{DatasetId, EntityType, Space, SpaceKey};

    use super::*;
    use crate::{ExpectedGeneration, encode_vector};

    const DIMENSION: usize = 16;

    fn header(number: i32) -> GenerationHeader {
        GenerationHeader {
            origin_dataset_id: DatasetId::from_uuid(uuid_of(7)),
            entity_type: EntityType::Images,
            space: Space::Index,
            key: SpaceKey {
                package: "encoder@1".to_owned(),
                parameters: String::new(),
            },
            number,
        }
    }

    fn uuid_of(n: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(n)
    }

    /// Rows around a few centres, some of them twice; a little different for every seed, the same on every run.
    fn rows(count: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        let mut bytes: Vec<u8> = Vec::new();
        for row in 0..count {
            if row % 10 == 9 {
                let copy = bytes[bytes.len() - 2 * DIMENSION..].to_vec();
                bytes.extend(copy);
                continue;
            }
            let mut values: Vec<f32> = (0..DIMENSION).map(|_| next() * 0.35).collect();
            values[row % 5] += 1.0;
            let embedding = lamina_types::Embedding::new(values).unwrap();
            bytes.extend(encode_vector(&embedding));
        }
        bytes
    }

    fn settings(exact_limit: usize) -> IndexSettings {
        IndexSettings {
            exact_limit,
            ..IndexSettings::new([0.02, 0.05, 0.1, 0.2, 0.3], 0.96, 0.4)
        }
    }

    fn fresh(bytes: &[u8], number: i32, settings: &IndexSettings) -> Generation {
        let block = Arc::new(VectorBlock::from_le_bytes(DIMENSION, bytes).unwrap());
        build(header(number), block, settings, &StopFlag::new()).unwrap()
    }

    fn nested(levels: &[Vec<u32>; LEVELS]) {
        for level in levels {
            assert!(level.iter().all(|first| level[*first as usize] == *first));
        }
        for pair in levels.windows(2) {
            let parents: std::collections::BTreeSet<(u32, u32)> = pair[0]
                .iter()
                .copied()
                .zip(pair[1].iter().copied())
                .collect();
            let children: std::collections::BTreeSet<u32> =
                parents.iter().map(|pair| pair.0).collect();
            assert_eq!(parents.len(), children.len());
        }
    }

    #[test]
    fn added_rows_have_the_neighbours_groups_and_scores_of_a_fresh_build() {
        let (old_rows, new_rows, settings) = (rows(400, 1), rows(60, 2), settings(50_000));
        let old = fresh(&old_rows, 1, &settings);
        let appended = append(&old, header(2), &new_rows, &settings, &StopFlag::new()).unwrap();
        let expected = fresh(&[old_rows, new_rows].concat(), 2, &settings);
        assert_eq!(appended.vectors, expected.vectors);
        for step in [1.0, 0.98, 0.96, 0.9, 0.7, 0.5] {
            assert_eq!(
                appended.duplicate_groups(step),
                expected.duplicate_groups(step),
                "{step}"
            );
        }
        for row in 0..460 {
            let distances = |generation: &Generation| -> Vec<f32> {
                generation
                    .neighbours
                    .of(row)
                    .map(|hit| hit.distance)
                    .collect()
            };
            let (found, wanted) = (distances(&appended), distances(&expected));
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!((found - wanted).abs() < 1e-5, "{row}: {found} {wanted}");
            }
        }
        let apart = |a: &[f32], b: &[f32]| {
            a.iter()
                .zip(b)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0_f32, f32::max)
        };
        assert!(apart(&appended.uniqueness, &expected.uniqueness) < 1e-3);
        assert!(apart(&appended.outlier_confidence, &expected.outlier_confidence) < 1e-3);
        assert!(
            apart(
                &appended.duplicate_confidence,
                &expected.duplicate_confidence
            ) < 1e-3
        );
    }

    #[test]
    fn added_rows_join_clusters_and_old_ones_stay_where_they_are() {
        let (old_rows, new_rows, settings) = (rows(400, 1), rows(60, 2), settings(50_000));
        let old = fresh(&old_rows, 1, &settings);
        // A copy of the first row, too.
        let new_rows = [&new_rows[..], &old_rows[..2 * DIMENSION]].concat();
        let appended = append(&old, header(2), &new_rows, &settings, &StopFlag::new()).unwrap();
        nested(&appended.levels);
        for (before, after) in old.levels.iter().zip(&appended.levels) {
            assert_eq!(before[..], after[..400]);
            assert_eq!(after[460], after[0], "a copy is where its original is");
        }
        let joined = appended.levels[LEVELS - 1][400..]
            .iter()
            .filter(|label| **label < 400)
            .count();
        assert!(
            joined > 55,
            "{joined} of 61 joined a cluster of the coarsest level"
        );
        let bytes = appended.encode();
        let expected = ExpectedGeneration {
            header: header(2),
            count: 461,
            checksum: Generation::checksum_of(&bytes),
        };
        assert_eq!(Generation::decode(&bytes, &expected).unwrap(), appended);
    }

    #[test]
    fn rows_behind_a_graph_are_found_and_survive_the_file() {
        let (old_rows, new_rows, settings) = (rows(900, 3), rows(40, 4), settings(300));
        let old = fresh(&old_rows, 1, &settings);
        assert!(old.graph.is_some());
        let appended = append(&old, header(2), &new_rows, &settings, &StopFlag::new()).unwrap();
        nested(&appended.levels);
        let bytes = appended.encode();
        let expected = ExpectedGeneration {
            header: header(2),
            count: 940,
            checksum: Generation::checksum_of(&bytes),
        };
        let read = Generation::decode(&bytes, &expected).unwrap();
        let index = read.index();
        for row in 900..940 {
            let hits = index
                .search(&read.vectors.unit_row(row), 3, None, &StopFlag::new())
                .unwrap();
            assert_eq!(hits[0].distance, 0.0, "{row}");
            assert!(
                hits.iter()
                    .any(|hit| hit.ordinal as usize == row || hit.distance == 0.0)
            );
        }
    }

    #[test]
    fn much_that_is_new_is_built_afresh() {
        let (old_rows, new_rows, settings) = (rows(100, 1), rows(60, 2), settings(50_000));
        let old = fresh(&old_rows, 1, &settings);
        let appended = append(&old, header(2), &new_rows, &settings, &StopFlag::new()).unwrap();
        assert_eq!(
            appended,
            fresh(&[old_rows, new_rows].concat(), 2, &settings)
        );
    }
}
