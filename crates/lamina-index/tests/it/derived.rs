//! Neighbours, clusters, duplicates, scores and label issues of whole generations.

use std::collections::HashMap;

use lamina_index::{
    DUPLICATE_LADDER, Generation, IndexError, IndexSettings, StopFlag, build, label_issues,
};
use lamina_types::Embedding;

use crate::samples::{Random, beside, blobs, block, generation, header, settings};

/// Blobs with exact copies, copies by rounding and near-copies mixed in at random places.
fn with_copies(seed: u64, count: usize) -> Vec<Embedding> {
    let mut random = Random::new(seed);
    let mut rows = blobs(
        seed,
        count,
        1 + count / 25,
        32,
        0.4 + random.below(8) as f32 / 10.0,
    );
    for _ in 0..count / 4 {
        let (from, to) = (random.below(count), random.below(count));
        rows[to] = match random.below(3) {
            0 => rows[from].clone(),
            1 => beside(&mut random, &rows[from].clone(), 2e-8),
            _ => {
                let distance = random.below(50) as f32 / 1_000.0;
                beside(&mut random, &rows[from].clone(), distance)
            }
        };
    }
    rows
}

fn assert_partition(level: &[u32]) {
    for (item, first) in level.iter().enumerate() {
        assert!(*first as usize <= item);
        assert_eq!(level[*first as usize], *first);
    }
}

#[test]
fn levels_are_nested_partitions_and_copies_stay_together() {
    for seed in 1..40 {
        let rows = with_copies(seed, 40 + 17 * seed as usize % 300);
        // Above the limit as well as below it.
        for exact_limit in [50_000, 30] {
            let generation = generation(
                &rows,
                &IndexSettings {
                    exact_limit,
                    ..settings()
                },
            );
            for level in &generation.levels {
                assert_partition(level);
            }
            for pair in generation.levels.windows(2) {
                for (fine, coarse) in pair[0].iter().zip(&pair[1]) {
                    assert_eq!(pair[1][*fine as usize], *coarse, "seed {seed}");
                }
            }
            for (a, b) in generation.vectors_at_zero() {
                assert_eq!(
                    generation.levels[0][a], generation.levels[0][b],
                    "seed {seed}: {a} and {b}"
                );
            }
        }
    }
}

trait ZeroPairs {
    fn vectors_at_zero(&self) -> Vec<(usize, usize)>;
}

impl ZeroPairs for Generation {
    fn vectors_at_zero(&self) -> Vec<(usize, usize)> {
        let count = self.vectors.len();
        (0..count)
            .flat_map(|a| (a + 1..count).map(move |b| (a, b)))
            .filter(|(a, b)| self.vectors.distance(*a, *b) == 0.0)
            .collect()
    }
}

#[test]
fn the_same_vectors_give_the_same_generation() {
    let rows = with_copies(77, 900);
    let header = header();
    let one = || {
        build(header.clone(), block(&rows), &settings(), &StopFlag::new())
            .unwrap()
            .encode()
    };
    assert!(one() == one());
}

#[test]
fn blobs_become_clusters() {
    // Ten blobs, distance about 0.2 within and 1 between.
    let rows = blobs(12, 400, 10, 64, 0.5);
    let generation = generation(&rows, &settings());
    let coarsest = &generation.levels[4];
    for (item, first) in coarsest.iter().enumerate() {
        assert_eq!(*first as usize, item % 10);
    }
    let counts: Vec<usize> = generation
        .levels
        .iter()
        .map(|level| {
            level
                .iter()
                .enumerate()
                .filter(|(item, first)| *item == **first as usize)
                .count()
        })
        .collect();
    assert!(
        counts.is_sorted_by(|a, b| a >= b) && counts[0] > counts[4],
        "{counts:?}"
    );
}

#[test]
fn average_linkage_bounds_every_cluster() {
    let rows = with_copies(13, 600);
    let generation = generation(&rows, &settings());
    for (level, bound) in generation
        .levels
        .iter()
        .zip(generation.settings.cluster_distances)
    {
        let mut members: HashMap<u32, Vec<usize>> = HashMap::new();
        for (item, first) in level.iter().enumerate() {
            members.entry(*first).or_default().push(item);
        }
        for group in members.values().filter(|group| group.len() > 1) {
            let pairs: Vec<f32> = group
                .iter()
                .flat_map(|a| {
                    group
                        .iter()
                        .filter(move |b| a < *b)
                        .map(|b| generation.vectors.distance(*a, *b))
                })
                .collect();
            let mean = pairs.iter().sum::<f32>() / pairs.len() as f32;
            // Every merge was within the bound on average, so the average over all pairs is.
            assert!(
                mean <= bound + 1e-4,
                "{} members, mean {mean}, bound {bound}",
                group.len()
            );
        }
    }
}

#[test]
fn neighbours_are_the_nearest() {
    let rows = with_copies(14, 500);
    let exact = generation(&rows, &settings());
    let walked = generation(
        &rows,
        &IndexSettings {
            exact_limit: 30,
            ..settings()
        },
    );
    for generation in [&exact, &walked] {
        assert_eq!(generation.neighbours.per_item(), 20);
    }
    let mut agreeing = 0;
    for item in 0..500u32 {
        let mut all: Vec<f32> = (0..500)
            .filter(|other| *other != item as usize)
            .map(|other| exact.vectors.distance(item as usize, other))
            .collect();
        all.sort_by(f32::total_cmp);
        let found: Vec<f32> = exact.neighbours.of(item).map(|hit| hit.distance).collect();
        assert_eq!(found, all[..20], "{item}");
        assert!(exact.neighbours.of(item).all(|hit| hit.ordinal != item));
        agreeing += walked
            .neighbours
            .of(item)
            .zip(&all)
            .filter(|(hit, wanted)| hit.distance <= **wanted)
            .count();
    }
    assert!(agreeing >= 500 * 20 * 98 / 100, "{agreeing}");
}

fn components(generation: &Generation, similarity: f32) -> Vec<u32> {
    let count = generation.vectors.len();
    let mut labels: Vec<u32> = (0..count as u32).collect();
    for a in 0..count {
        for b in a + 1..count {
            if generation.vectors.distance(a, b) <= 1.0 - similarity + 1e-6
                && labels[a] != labels[b]
            {
                let (low, high) = (labels[a].min(labels[b]), labels[a].max(labels[b]));
                labels
                    .iter_mut()
                    .filter(|label| **label == high)
                    .for_each(|label| *label = low);
            }
        }
    }
    labels
}

#[test]
fn duplicate_groups_are_the_components_of_all_pairs() {
    for (seed, count) in [(15, 300), (16, 700)] {
        let rows = with_copies(seed, count);
        let exact = generation(&rows, &settings());
        for similarity in DUPLICATE_LADDER
            .into_iter()
            .chain([0.5, 0.66, 0.8, 0.9, 0.9622, 0.9871, 0.9999])
        {
            assert_eq!(
                exact.duplicate_groups(similarity),
                components(&exact, similarity),
                "{similarity}"
            );
        }
        assert_eq!(exact.duplicates.floor(), 0.5);
        assert_eq!(exact.duplicates.ladder()[7], components(&exact, 1.0));
        // Above the limit the ladder is answered, lower values get its first step.
        let walked = generation(
            &rows,
            &IndexSettings {
                exact_limit: 30,
                ..settings()
            },
        );
        for similarity in DUPLICATE_LADDER {
            assert_eq!(
                walked.duplicate_groups(similarity),
                components(&exact, similarity),
                "{similarity}"
            );
        }
        assert_eq!(walked.duplicate_groups(0.7), walked.duplicate_groups(0.96));
    }
}

#[test]
fn a_crowd_of_copies_costs_no_quadratic_memory_and_is_one_group() {
    let mut random = Random::new(17);
    let one = blobs(18, 1, 1, 16, 0.5).remove(0);
    let mut rows: Vec<Embedding> = (0..3_000)
        .map(|_| beside(&mut random, &one, 0.004))
        .collect();
    rows.extend(vec![one; 2_000]);
    rows.extend(blobs(19, 1_000, 100, 16, 0.5));
    let generation = generation(&rows, &settings());
    assert!(generation.duplicates.bytes_in_memory() < 6_000 * 2 * 16);
    let groups = generation.duplicate_groups(0.98);
    assert!(groups[..5_000].iter().all(|first| *first == 0));
    assert!(
        generation.levels[0][..5_000]
            .iter()
            .all(|first| *first == 0)
    );
}

#[test]
fn small_datasets_work() {
    let settings = settings();
    let none = build(
        header(),
        std::sync::Arc::new(lamina_index::VectorBlock::empty(8).unwrap()),
        &settings,
        &StopFlag::new(),
    );
    let none = none.unwrap();
    assert!(
        none.uniqueness.is_empty()
            && none.levels.iter().all(Vec::is_empty)
            && none.duplicate_groups(0.96).is_empty()
    );
    let rows = blobs(20, 3, 3, 8, 0.1);
    let single = generation(&rows[..1], &settings);
    assert_eq!(
        (
            single.uniqueness[0],
            single.outlier_confidence[0],
            single.duplicate_confidence[0]
        ),
        (1.0, 0.0, 0.0)
    );
    assert!(single.neighbours.of(0).len() == 0);
    let three = generation(&rows, &settings);
    assert_eq!(three.neighbours.per_item(), 2);
    assert!(
        three
            .outlier_confidence
            .iter()
            .all(|confidence| *confidence < 0.5)
    );
    let same = generation(&vec![rows[0].clone(); 30], &settings);
    assert!(same.uniqueness.iter().all(|score| *score == 0.0));
    assert!(
        same.duplicate_confidence
            .iter()
            .all(|confidence| *confidence == 0.98)
    );
    assert!(same.levels.iter().flatten().all(|first| *first == 0));
    assert_eq!(same.neighbours.of(5).nth(4).unwrap().ordinal, 4);
    assert_eq!(same.neighbours.of(5).nth(5).unwrap().ordinal, 6);
}

#[test]
fn strangers_are_outliers_and_unique() {
    let mut rows = blobs(21, 300, 6, 64, 0.4);
    rows.extend(blobs(22, 3, 3, 64, 0.1));
    let generation = generation(&rows, &settings());
    for item in 0..303 {
        assert_eq!(
            generation.outlier_confidence[item] >= 0.5,
            item >= 300,
            "{item}"
        );
        assert_eq!(generation.uniqueness[item] > 0.9, item >= 300, "{item}");
        assert_eq!(generation.duplicate_confidence[item], 0.0);
    }
}

#[test]
fn wrong_labels_are_found_and_right_ones_suggested() {
    let rows = blobs(23, 300, 5, 64, 0.6);
    let generation = generation(&rows, &settings());
    let mut labels: Vec<Option<u32>> = (0..300).map(|item| Some(item % 5)).collect();
    for item in [12, 50, 133, 278] {
        labels[item] = Some((item as u32 + 2) % 5);
    }
    labels[100] = None;
    let issues = label_issues(&generation, &labels).unwrap();
    for item in 0..300 {
        let is_wrong = [12, 50, 133, 278].contains(&item);
        let found = issues.mislabels[item].is_some_and(|(confidence, _)| confidence >= 0.5);
        assert_eq!(found, is_wrong, "{item}: {:?}", issues.mislabels[item]);
        if is_wrong {
            assert_eq!(
                issues.mislabels[item].map(|(_, label)| label),
                Some(item as u32 % 5)
            );
            assert!(issues.label_outlier[item] >= 0.5);
        }
    }
    assert_eq!(
        (issues.mislabels[100], issues.label_outlier[100]),
        (None, 0.0)
    );
    assert!(matches!(
        label_issues(&generation, &labels[1..]),
        Err(IndexError::LabelCount { .. })
    ));
}

#[test]
fn a_raised_flag_ends_a_build() {
    let stop = StopFlag::new();
    stop.stop();
    for exact_limit in [50_000, 30] {
        let settings = IndexSettings {
            exact_limit,
            ..settings()
        };
        let ended = build(
            header(),
            block(&blobs(24, 600, 5, 16, 0.5)),
            &settings,
            &stop,
        );
        assert_eq!(ended.unwrap_err(), IndexError::Stopped);
    }
}
