//! Vectors that are all about as far from each other: walks have nothing to follow, and nothing may be missed all the same.

use lamina_index::{
    ExactIndex, ExpectedGeneration, Generation, IndexSettings, StopFlag, VectorIndex, append,
    encode_vector, open_index,
};
use lamina_types::Embedding;
use roaring::RoaringBitmap;

use crate::samples::{blobs, block, generation, header, settings};

const COUNT: usize = 8_000;
const DIMENSION: usize = 256;

/// Each a blob of its own.
fn everywhere(seed: u64, count: usize) -> Vec<Embedding> {
    blobs(seed, count, count, DIMENSION, 0.0)
}

fn with_limit(exact_limit: usize) -> IndexSettings {
    IndexSettings {
        exact_limit,
        ..settings()
    }
}

/// Share of the ten nearest allowed rows that are found.
fn recall(
    index: &dyn VectorIndex,
    rows: &[Embedding],
    queries: &[Embedding],
    allowed: Option<&RoaringBitmap>,
) -> f64 {
    let (exact, stop) = (ExactIndex::new(block(rows)), StopFlag::new());
    let (mut right, mut of) = (0, 0);
    for query in queries {
        let wanted = exact.search(query.as_slice(), 10, allowed, &stop).unwrap();
        let found = index.search(query.as_slice(), 10, allowed, &stop).unwrap();
        assert_eq!(found.len(), wanted.len());
        assert!(found.is_sorted());
        right += found.iter().filter(|hit| wanted.contains(hit)).count();
        of += wanted.len();
    }
    right as f64 / of as f64
}

#[test]
fn what_no_graph_leads_through_is_scanned_and_nothing_is_missed() {
    let rows = everywhere(1, COUNT);
    let built = generation(&rows, &with_limit(500));
    assert!(built.graph.is_none(), "a graph that misses is not kept");
    // Neighbours are those of an exact build.
    let exact = generation(&rows, &with_limit(COUNT));
    assert_eq!(built.neighbours, exact.neighbours);
    assert_eq!(built.levels, exact.levels);

    let bytes = built.encode();
    let expected = ExpectedGeneration {
        header: built.header.clone(),
        count: COUNT as u32,
        checksum: Generation::checksum_of(&bytes),
    };
    let read = Generation::decode(&bytes, &expected).unwrap();
    let index = read.index();
    assert!(format!("{index:?}").starts_with("CoarseIndex"));
    let half: RoaringBitmap = (0..COUNT as u32).step_by(2).collect();
    let few: RoaringBitmap = (0..COUNT as u32).step_by(1_000).collect();
    for allowed in [None, Some(&half), Some(&few)] {
        let recall = recall(&*index, &rows, &everywhere(99, 60), allowed);
        assert!(recall >= 0.99, "{recall}");
    }
    let near = index.range_search(rows[7].as_slice(), 0.9, None, &StopFlag::new());
    assert_eq!(near.unwrap()[0].ordinal, 7);
    let opened = open_index(block(&rows), &with_limit(500), &StopFlag::new()).unwrap();
    assert!(format!("{opened:?}").starts_with("CoarseIndex"));

    // More of the same is added as to any other generation.
    let more: Vec<u8> = everywhere(2, 20).iter().flat_map(encode_vector).collect();
    let grown = append(&read, header(), &more, &read.settings, &StopFlag::new()).unwrap();
    assert!(grown.graph.is_none());
    assert_eq!(grown.vectors.len(), COUNT + 20);
    assert_eq!(grown.levels[0][..COUNT], read.levels[0]);
}

#[test]
fn a_graph_that_leads_is_kept() {
    let rows = blobs(3, COUNT, 200, DIMENSION, 0.8);
    let queries = blobs(3, 60, 200, DIMENSION, 0.9);
    let built = generation(&rows, &with_limit(500));
    assert!(built.graph.is_some());
    let recall = recall(&*built.index(), &rows, &queries, None);
    assert!(recall >= 0.97, "{recall}");
}

/// As texts lie among pictures: nearer to some than to others, and to none as near as these are to each other.
#[test]
fn queries_that_lie_apart_from_all_points_miss_nothing() {
    let rows = blobs(4, 12_000, 300, DIMENSION, 0.8);
    let built = generation(&rows, &with_limit(500));
    assert!(built.graph.is_some());
    let (index, exact, stop) = (
        built.index(),
        ExactIndex::new(block(&rows)),
        StopFlag::new(),
    );
    let (mut right, mut of) = (0, 0);
    for (query, row) in everywhere(5, 60).iter().zip(rows.iter().step_by(131)) {
        let apart: Vec<f32> = query
            .as_slice()
            .iter()
            .zip(row.as_slice())
            .map(|(query, row)| query + 0.3 * row)
            .collect();
        let wanted = exact.search(&apart, 40, None, &stop).unwrap();
        let within = wanted.last().unwrap().distance;
        let nearest = index.search(&apart, 40, None, &stop).unwrap();
        let inside = index.range_search(&apart, within, None, &stop).unwrap();
        for found in [nearest, inside] {
            right += found.iter().filter(|hit| wanted.contains(hit)).count();
            of += wanted.len();
        }
    }
    assert!(right as f64 >= 0.995 * of as f64, "{right} of {of}");
}
