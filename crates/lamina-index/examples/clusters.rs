//! How good the five cluster levels are on labelled vectors.
//!
//!     cargo run --release -p lamina-index --example clusters -- \
//!         --vectors VECTORS.f32 --dimension 512 --labels LABELS.txt [--distances 0.1,0.2,0.3,0.4,0.5] [--neighbours 20]
//!
//! `VECTORS.f32` holds little-endian f32 rows, `LABELS.txt` one label a line. For every level it prints the V-measure (harmonic
//! mean of homogeneity and completeness, Rosenberg and Hirschberg 2007) of Lamina's clusters and that of the connected
//! components of the same neighbour graph, cut where it has as many clusters.
#![expect(clippy::print_stdout, reason = "a report for people")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use lamina_index::{Generation, GenerationHeader, IndexSettings, StopFlag, VectorBlock, build};
use lamina_types::{DatasetId, Embedding, EntityType, Space, SpaceKey};

struct Arguments {
    vectors: String,
    labels: String,
    dimension: usize,
    settings: IndexSettings,
}

fn main() -> Result<()> {
    let Arguments {
        vectors,
        labels,
        dimension,
        settings,
    } = arguments()?;
    let bytes = fs_err::read(&vectors)?;
    let (values, rest) = bytes.as_chunks::<4>();
    ensure!(
        rest.is_empty() && values.len().is_multiple_of(dimension),
        "{vectors} holds no whole rows"
    );
    let values: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    let rows: Vec<Embedding> = values
        .chunks(dimension)
        .map(|row| Embedding::new(row.to_vec()))
        .collect::<Result<_, _>>()?;
    let text = fs_err::read_to_string(&labels)?;
    let mut names = HashMap::new();
    let labels: Vec<u32> = text
        .lines()
        .map(|name| {
            let fresh = names.len() as u32;
            *names.entry(name).or_insert(fresh)
        })
        .collect();
    ensure!(
        labels.len() == rows.len(),
        "{} labels for {} vectors",
        labels.len(),
        rows.len()
    );

    let header = GenerationHeader {
        origin_dataset_id: DatasetId::new(),
        entity_type: EntityType::Images,
        space: Space::Index,
        key: SpaceKey {
            package: "measured@1".to_owned(),
            parameters: String::new(),
        },
        number: 1,
    };
    let started = Instant::now();
    let generation = build(
        header,
        Arc::new(VectorBlock::from_embeddings(&rows)?),
        &settings,
        &StopFlag::new(),
    )?;
    println!(
        "{} vectors, {} labels, built in {:.2} s",
        rows.len(),
        names.len(),
        started.elapsed().as_secs_f32()
    );
    println!(
        "level  distance  clusters  largest  V-measure | components: clusters  largest  V-measure"
    );
    for (level, clusters) in generation.levels.iter().enumerate() {
        let count = clusters
            .iter()
            .enumerate()
            .filter(|(item, first)| *item == **first as usize)
            .count();
        let components = components(&generation, count);
        println!(
            "{level:>5}  {:>8.3}  {count:>8}  {:>7}  {:>9.4} | {:>20}  {:>7}  {:>9.4}",
            settings.cluster_distances[level],
            largest(clusters),
            v_measure(&labels, clusters),
            components
                .iter()
                .enumerate()
                .filter(|(item, first)| *item == **first as usize)
                .count(),
            largest(&components),
            v_measure(&labels, &components),
        );
    }
    Ok(())
}

fn arguments() -> Result<Arguments> {
    let mut settings = IndexSettings::new([0.15, 0.25, 0.35, 0.42, 0.5], 0.96, 0.4);
    let (mut vectors, mut labels, mut dimension) = (None, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--vectors" => vectors = Some(value),
            "--labels" => labels = Some(value),
            "--dimension" => dimension = Some(value.parse()?),
            "--neighbours" => settings.neighbours = value.parse()?,
            "--exact-limit" => settings.exact_limit = value.parse()?,
            "--distances" => {
                for (bound, text) in settings.cluster_distances.iter_mut().zip(value.split(',')) {
                    *bound = text.parse()?;
                }
            }
            _ => bail!("unknown option {flag}; see the head of this example"),
        }
    }
    Ok(Arguments {
        vectors: vectors.context("--vectors is needed")?,
        labels: labels.context("--labels is needed")?,
        dimension: dimension.context("--dimension is needed")?,
        settings,
    })
}

/// Connected components of the neighbour graph, its edges added from the nearest on until `count` components are left.
fn components(generation: &Generation, count: usize) -> Vec<u32> {
    let items = generation.vectors.len();
    let mut edges: Vec<(f32, u32, u32)> = (0..items as u32)
        .flat_map(|item| {
            generation
                .neighbours
                .of(item)
                .map(move |hit| (hit.distance, item, hit.ordinal))
        })
        .collect();
    edges.sort_by(|x, y| x.0.total_cmp(&y.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut parents: Vec<u32> = (0..items as u32).collect();
    let mut left = items;
    for (_, a, b) in edges {
        if left == count {
            break;
        }
        let (a, b) = (root(&mut parents, a), root(&mut parents, b));
        if a != b {
            parents[a.max(b) as usize] = a.min(b);
            left -= 1;
        }
    }
    (0..items as u32)
        .map(|item| root(&mut parents, item))
        .collect()
}

fn root(parents: &mut [u32], mut item: u32) -> u32 {
    while parents[item as usize] != item {
        parents[item as usize] = parents[parents[item as usize] as usize];
        item = parents[item as usize];
    }
    item
}

fn largest(clusters: &[u32]) -> usize {
    let mut sizes = vec![0; clusters.len()];
    clusters
        .iter()
        .for_each(|first| sizes[*first as usize] += 1);
    sizes.into_iter().max().unwrap_or(0)
}

fn v_measure(classes: &[u32], clusters: &[u32]) -> f64 {
    let count = classes.len() as f64;
    let mut joint: HashMap<(u32, u32), f64> = HashMap::new();
    let (mut by_class, mut by_cluster): (HashMap<u32, f64>, HashMap<u32, f64>) = Default::default();
    for (class, cluster) in classes.iter().zip(clusters) {
        *joint.entry((*class, *cluster)).or_default() += 1.0;
        *by_class.entry(*class).or_default() += 1.0;
        *by_cluster.entry(*cluster).or_default() += 1.0;
    }
    let entropy = |sizes: &HashMap<u32, f64>| {
        -sizes
            .values()
            .map(|size| size / count * (size / count).ln())
            .sum::<f64>()
    };
    let conditional = |of: &HashMap<u32, f64>, which: fn(&(u32, u32)) -> u32| {
        -joint
            .iter()
            .map(|(pair, size)| size / count * (size / of[&which(pair)]).ln())
            .sum::<f64>()
    };
    let share = |conditional: f64, entropy: f64| {
        if entropy == 0.0 {
            1.0
        } else {
            1.0 - conditional / entropy
        }
    };
    let homogeneity = share(conditional(&by_cluster, |pair| pair.1), entropy(&by_class));
    let completeness = share(conditional(&by_class, |pair| pair.0), entropy(&by_cluster));
    if homogeneity + completeness == 0.0 {
        0.0
    } else {
        2.0 * homogeneity * completeness / (homogeneity + completeness)
    }
}
