//! A generation: one set of vectors and everything derived from it.

use std::borrow::Cow;
use std::sync::Arc;

use lamina_types::{DatasetId, EntityType, LEVELS, Space, SpaceKey};

use crate::all_pairs::all_pairs;
use crate::clusters::{Points, agglomerate};
use crate::duplicates::{Duplicates, FLOOR_SIMILARITY, FORMABLE_SIMILARITY};
use crate::graph::Edge;
use crate::index::without_graph;
use crate::neighbours::{Neighbours, walk};
use crate::scores::score;
use crate::twins::Twins;
use crate::{
    FrozenGraph, FrozenIndex, IndexError, IndexSettings, StopFlag, VectorBlock, VectorIndex,
};

/// What a generation is of. Equal headers and counts mean the same ordinals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationHeader {
    /// The dataset whose ordinals the vectors have; copies share the generation of their source.
    pub origin_dataset_id: DatasetId,
    /// Pictures or objects.
    pub entity_type: EntityType,
    /// Which vectors.
    pub space: Space,
    /// The model package and parameters that made them.
    pub key: SpaceKey,
    /// 1, 2, 3 ... per dataset, entity type and space.
    pub number: i32,
}

/// Vectors with their neighbours, clusters, duplicates and scores. Every list has one entry per ordinal. Immutable once built.
#[derive(Clone, PartialEq)]
pub struct Generation {
    /// What it is of.
    pub header: GenerationHeader,
    /// How it was built.
    pub settings: IndexSettings,
    /// The vectors.
    pub vectors: Arc<VectorBlock>,
    /// The graph that leads searches; none up to the exact limit, nor where vectors are so alike in distance that it would not
    /// lead.
    pub graph: Option<Arc<FrozenGraph>>,
    /// Nearest neighbours of every item.
    pub neighbours: Neighbours,
    /// For each level, finest first, the lowest ordinal of the cluster of each item. Nested: a cluster of one level lies inside
    /// one cluster of the next.
    pub levels: [Vec<u32>; LEVELS],
    /// Groups of near-copies at any similarity.
    pub duplicates: Duplicates,
    /// 0 = has very close neighbours, 1 = stands alone; `1 - 2^(-d / h)` of the weighted mean distance `d` to the three nearest
    /// neighbours, with `h` half the outlier distance.
    pub uniqueness: Vec<f32>,
    /// 0 to 1; from 0.5 the item counts as an outlier.
    pub outlier_confidence: Vec<f32>,
    /// 0 = no near-copy at `settings.duplicate_similarity`, else 0.5 to 0.98 (identical); see [`crate::duplicate_confidence`]
    /// for other steps.
    pub duplicate_confidence: Vec<f32>,
}

impl std::fmt::Debug for Generation {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation")
            .field("header", &self.header)
            .field("vectors", &self.vectors)
            .field("graph", &self.graph)
            .field("neighbours", &self.neighbours)
            .field("duplicates", &self.duplicates)
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// For every item the lowest ordinal of its group of near-copies at `similarity` (1 - cosine distance); see
    /// [`Duplicates::groups`].
    pub fn duplicate_groups(&self, similarity: f32) -> Vec<u32> {
        self.duplicates.groups(similarity)
    }

    /// Searches its vectors: by its graph if it has one, exactly if they are few, else by coarse rows. Takes no time.
    pub fn index(&self) -> Box<dyn VectorIndex> {
        let vectors = || Arc::clone(&self.vectors);
        let frozen = self.graph.as_ref().and_then(|graph| {
            // A graph of another number of rows, which only a caller could have put there, is of no use.
            FrozenIndex::new(vectors(), Arc::clone(graph), &self.settings).ok()
        });
        match frozen {
            Some(frozen) => Box::new(frozen),
            None => without_graph(vectors(), &self.settings),
        }
    }

    /// Bytes held; what lies in a mapped file is not counted.
    pub fn bytes_in_memory(&self) -> usize {
        let graph = self
            .graph
            .as_ref()
            .map_or(0, |graph| graph.bytes_in_memory());
        self.bytes_beside_index() + self.vectors.bytes_in_memory() + graph
    }

    /// Bytes held beside what the index holds: neighbours, duplicates, clusters, scores.
    pub fn bytes_beside_index(&self) -> usize {
        let lists = self.levels.iter().map(Vec::capacity).sum::<usize>()
            + self.uniqueness.capacity()
            + self.outlier_confidence.capacity()
            + self.duplicate_confidence.capacity();
        size_of::<Self>()
            + self.neighbours.bytes_in_memory()
            + self.duplicates.bytes_in_memory()
            + lists * size_of::<u32>()
    }
}

/// Builds a generation. Deterministic up to `settings.exact_limit` vectors; above it the graph differs a little from run to run.
///
/// Runs on the rayon pool it is called in. Needs, besides the result, about 8 bytes per value while it runs, and above the
/// limit the growing graph (about 4 kB per vector of 512 values).
///
/// # Errors
/// Settings that make no sense, or the stop flag.
pub fn build(
    header: GenerationHeader,
    vectors: Arc<VectorBlock>,
    settings: &IndexSettings,
    stop: &StopFlag,
) -> Result<Generation, IndexError> {
    settings.check()?;
    stop.check()?;
    // The graph that is grown links ordinals; where rows lie best is known when it is there.
    let plain = match vectors.at_ordinals() {
        Cow::Borrowed(_) => None,
        Cow::Owned(plain) => Some(Arc::new(plain)),
    };
    let vectors = plain.unwrap_or(vectors);
    let twins = Twins::find(&vectors);
    let graph = leading_graph(&vectors, &twins, settings, stop)?;
    let neighbours = settings.neighbours;
    let (kinds, forest, floor) = if let Some(index) = &graph {
        let (kinds, forest) = walk(index, &vectors, &twins, neighbours, stop)?;
        (kinds, forest, FORMABLE_SIMILARITY)
    } else {
        let (kinds, forest) = all_pairs(&vectors, &twins.firsts(), neighbours, stop)?;
        (kinds, forest, FLOOR_SIMILARITY)
    };
    let levels = cluster(&vectors, &twins, &kinds, &forest, settings, stop)?;
    let neighbours = kinds.spread(&twins, vectors.len(), settings.neighbours);
    stop.check()?;
    let scores = score(&neighbours, vectors.len(), settings);
    let duplicates = Duplicates::new(vectors.len(), floor, spread_forest(&forest, &twins));
    let (vectors, graph) = match graph {
        None => (vectors, None),
        Some(index) => {
            let (graph, vectors) = index.graph().laid_out(&vectors, stop)?;
            (Arc::new(vectors), Some(Arc::new(graph)))
        }
    };
    Ok(Generation {
        header,
        settings: *settings,
        vectors,
        graph,
        neighbours,
        levels,
        duplicates,
        uniqueness: scores.uniqueness,
        outlier_confidence: scores.outlier_confidence,
        duplicate_confidence: scores.duplicate_confidence,
    })
}

/// The graph of more vectors than are searched exactly; `None` where it would not lead, which costs the time of a scan of all
/// pairs besides.
fn leading_graph(
    vectors: &Arc<VectorBlock>,
    twins: &Twins,
    settings: &IndexSettings,
    stop: &StopFlag,
) -> Result<Option<FrozenIndex>, IndexError> {
    if vectors.len() <= settings.exact_limit {
        return Ok(None);
    }
    let graph = Arc::new(FrozenGraph::build_over(vectors, twins, stop)?);
    let index = FrozenIndex::new(Arc::clone(vectors), graph, settings)?;
    if index.leads(stop)? {
        return Ok(Some(index));
    }
    tracing::warn!(
        index.vectors = vectors.len(),
        "no graph leads through these vectors: all pairs are compared, and searches scan"
    );
    Ok(None)
}

/// Clusters the kinds, then gives each item the level's cluster of its kind. The lowest item of a cluster of kinds is the
/// lowest item of its lowest kind, because kinds are numbered by their lowest item.
fn cluster(
    vectors: &VectorBlock,
    twins: &Twins,
    kinds: &Neighbours,
    forest: &[Edge],
    settings: &IndexSettings,
    stop: &StopFlag,
) -> Result<[Vec<u32>; LEVELS], IndexError> {
    let dimension = vectors.dimension();
    let mut units = vec![0.0; twins.len() * dimension];
    let mut weights = Vec::with_capacity(twins.len());
    for (kind, unit) in (0..).zip(units.chunks_exact_mut(dimension)) {
        vectors.unit_row_into(twins.first(kind) as usize, unit);
        weights.push(twins.members(kind).len() as f32);
    }
    let mut pairs: Vec<(u32, u32)> = (0..twins.len() as u32)
        .flat_map(|kind| {
            kinds
                .of(kind)
                .map(move |hit| (kind.min(hit.ordinal), kind.max(hit.ordinal)))
        })
        .chain(forest.iter().map(|edge| (edge.a, edge.b)))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    // Vectors that differ by rounding alone are copies as much as identical ones.
    let same: Vec<(u32, u32)> = forest
        .iter()
        .filter(|edge| edge.distance == 0.0)
        .map(|edge| (edge.a, edge.b))
        .collect();
    let points = Points {
        units,
        dimension,
        weights,
        pairs,
        same: &same,
    };
    let levels = agglomerate(points, &settings.cluster_distances, stop)?;
    Ok(levels.map(|level| {
        (0..vectors.len() as u32)
            .map(|item| twins.first(level[twins.kind(item) as usize]))
            .collect()
    }))
}

/// A forest over kinds as a forest over items: each twin hangs on the first of its kind.
fn spread_forest(forest: &[Edge], twins: &Twins) -> Vec<Edge> {
    let between = forest.iter().map(|edge| Edge {
        a: twins.first(edge.a),
        b: twins.first(edge.b),
        distance: edge.distance,
    });
    let within = (0..twins.len() as u32).flat_map(|kind| {
        let members = twins.members(kind);
        members[1..].iter().map(|member| Edge {
            a: members[0],
            b: *member,
            distance: 0.0,
        })
    });
    between.chain(within).collect()
}
