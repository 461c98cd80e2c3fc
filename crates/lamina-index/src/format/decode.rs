//! Verifying and reading a generation file.

use std::sync::Arc;

use lamina_types::{EntityType, LEVELS, Space};

use super::column::Origin;
use super::reader::Reader;
use super::{ALIGNMENT, FORMAT_VERSION, MAGIC, SECTIONS, TRAILER, WITHOUT_ORDER, checksum, graph};
use crate::column::Column;
use crate::duplicates::Duplicates;
use crate::graph::Edge;
use crate::neighbours::hit;
use crate::order::Order;
use crate::{
    DamagedGeneration, ExpectedGeneration, FileBytes, Generation, IndexSettings, Neighbours,
    VectorBlock,
};

impl Generation {
    /// Verifies and reads a file held in memory; see [`Generation::load`].
    ///
    /// # Errors
    /// As [`Generation::load`].
    pub fn decode(bytes: &[u8], expected: &ExpectedGeneration) -> Result<Self, DamagedGeneration> {
        Self::load(&Arc::new(FileBytes::from(bytes.to_vec())), expected)
    }

    /// Verifies and reads a file. Vectors, graph and neighbours stay in a file that is mapped; everything else is copied. Never panics,
    /// and never takes more memory than the file's own size implies. Runs on the current rayon pool.
    ///
    /// # Errors
    /// [`DamagedGeneration`] says what is wrong; the remedy is always to rebuild.
    pub fn load(
        file: &Arc<FileBytes>,
        expected: &ExpectedGeneration,
    ) -> Result<Self, DamagedGeneration> {
        let bytes: &[u8] = file;
        let Some((body, trailer)) = bytes.split_last_chunk::<TRAILER>() else {
            return Err(DamagedGeneration::TooShort(bytes.len()));
        };
        if body.len() < MAGIC.len() + 8 {
            return Err(DamagedGeneration::TooShort(bytes.len()));
        }
        let mut reader = Reader {
            rest: body,
            section: "header",
        };
        // Before the checksum: another version may have another one.
        let is_generation = reader.array::<8>()? == *MAGIC;
        let version = reader.u32()?;
        if is_generation && ![WITHOUT_ORDER, FORMAT_VERSION].contains(&version) {
            return Err(DamagedGeneration::Version {
                found: version,
                read: FORMAT_VERSION,
            });
        }
        let found = checksum(body);
        if found != *trailer {
            return Err(DamagedGeneration::Checksum);
        }
        if found != expected.checksum {
            return Err(DamagedGeneration::NotThePublished);
        }
        if !is_generation {
            return Err(DamagedGeneration::Magic);
        }
        let sections = SECTIONS.len() - usize::from(version == WITHOUT_ORDER);
        decode_body(reader, (body.len(), sections), &Origin { file }, expected)
    }
}

/// What the header says about sizes.
struct Sizes {
    dimension: usize,
    count: usize,
    per_item: usize,
    floor: f32,
}

fn decode_body(
    mut reader: Reader<'_>,
    (body, sections): (usize, usize),
    origin: &Origin<'_>,
    expected: &ExpectedGeneration,
) -> Result<Generation, DamagedGeneration> {
    let length = reader.u32()? as usize;
    let mut header = Reader {
        rest: reader.take(length)?,
        section: "header",
    };
    let (settings, sizes) = decode_header(&mut header, expected)?;
    header.end()?;
    let [
        vectors,
        graph,
        neighbours,
        levels,
        duplicates,
        uniqueness,
        outliers,
        confidence,
        order,
    ] = read_sections(&mut reader, body, sections)?;
    let Sizes {
        dimension,
        count,
        per_item,
        floor,
    } = sizes;

    vectors.expect_length(count, 2 * dimension)?;
    let values = origin
        .column(vectors.rest)
        .ok_or_else(|| vectors.problem("wrong length"))?;
    let order = decode_order(&order, count, origin)?;
    let block = VectorBlock::from_column(dimension, values, order)
        .map_err(|_| vectors.problem("not unit vectors"))?;
    let generation = Generation {
        header: expected.header.clone(),
        settings,
        vectors: Arc::new(block),
        graph: graph::decode(graph, count, origin)?,
        neighbours: Neighbours::of_column(
            per_item,
            decode_neighbours(&neighbours, count, per_item, origin)?,
        ),
        levels: decode_levels(levels, count)?,
        duplicates: Duplicates::new(count, floor, decode_edges(duplicates, count)?),
        uniqueness: uniqueness.fractions(count)?,
        outlier_confidence: outliers.fractions(count)?,
        duplicate_confidence: confidence.fractions(count)?,
    };
    Ok(generation)
}

fn decode_header(
    header: &mut Reader<'_>,
    expected: &ExpectedGeneration,
) -> Result<(IndexSettings, Sizes), DamagedGeneration> {
    let wanted = &expected.header;
    let of_another = |what, is_same: bool| {
        if is_same {
            Ok(())
        } else {
            Err(DamagedGeneration::Header(what))
        }
    };
    of_another(
        "dataset",
        header.array::<16>()? == *wanted.origin_dataset_id.as_uuid().as_bytes(),
    )?;
    of_another(
        "entity type",
        header.text()?.parse::<EntityType>() == Ok(wanted.entity_type),
    )?;
    of_another(
        "vector space",
        header.text()?.parse::<Space>() == Ok(wanted.space),
    )?;
    of_another("model package", header.text()? == wanted.key.package)?;
    of_another("set of parameters", header.text()? == wanted.key.parameters)?;
    of_another(
        "number",
        i32::from_le_bytes(header.array()?) == wanted.number,
    )?;
    let dimension = header.u32()? as usize;
    let count = header.u32()?;
    of_another("count", count == expected.count)?;
    let mut cluster_distances = [0.0; LEVELS];
    for bound in &mut cluster_distances {
        *bound = header.f32()?;
    }
    let settings = IndexSettings {
        cluster_distances,
        duplicate_similarity: header.f32()?,
        outlier_distance: header.f32()?,
        exact_limit: usize::try_from(u64::from_le_bytes(header.array()?)).unwrap_or(usize::MAX),
        neighbours: header.u32()? as usize,
    };
    settings
        .check()
        .map_err(|_| header.problem("impossible settings"))?;
    let (count, per_item, floor) = (count as usize, header.u32()? as usize, header.f32()?);
    if dimension == 0
        || per_item != settings.neighbours.min(count.saturating_sub(1))
        || !(0.0..=1.0).contains(&floor)
    {
        return Err(header.problem("impossible sizes"));
    }
    Ok((
        settings,
        Sizes {
            dimension,
            count,
            per_item,
            floor,
        },
    ))
}

fn read_sections<'a>(
    reader: &mut Reader<'a>,
    body: usize,
    present: usize,
) -> Result<[Reader<'a>; SECTIONS.len()], DamagedGeneration> {
    let mut sections = SECTIONS.map(|(_, section)| Reader { rest: &[], section });
    for ((tag, name), section) in SECTIONS.iter().zip(&mut sections).take(present) {
        reader.section = name;
        if reader.array::<4>()? != **tag {
            return Err(reader.problem("missing"));
        }
        let length = usize::try_from(u64::from_le_bytes(reader.array()?)).unwrap_or(usize::MAX);
        reader.align(body - reader.rest.len(), ALIGNMENT)?;
        section.rest = reader.take(length)?;
    }
    reader.end()?;
    Ok(sections)
}

fn decode_neighbours(
    section: &Reader<'_>,
    count: usize,
    per_item: usize,
    origin: &Origin<'_>,
) -> Result<Column<[u32; 2]>, DamagedGeneration> {
    section.expect_length(count, per_item.saturating_mul(8))?;
    let pairs: Column<[u32; 2]> = origin
        .column(section.rest)
        .ok_or_else(|| section.problem("wrong length"))?;
    for (item, list) in pairs.chunks_exact(per_item.max(1)).enumerate() {
        let mut last = None;
        for hit in list.iter().map(hit) {
            if hit.ordinal as usize >= count {
                return Err(section.problem("an ordinal beyond the last"));
            }
            if !(0.0..=2.0).contains(&hit.distance) {
                return Err(section.problem("a distance outside 0 to 2"));
            }
            if hit.ordinal as usize == item {
                return Err(section.problem("an item is its own neighbour"));
            }
            if last.is_some_and(|last| last >= hit) {
                return Err(section.problem("not ascending"));
            }
            last = Some(hit);
        }
    }
    Ok(pairs)
}

fn decode_order(
    section: &Reader<'_>,
    count: usize,
    origin: &Origin<'_>,
) -> Result<Option<Order>, DamagedGeneration> {
    if section.rest.is_empty() {
        return Ok(None);
    }
    section.expect_length(count, size_of::<u32>())?;
    let ordinals: Option<Column<u32>> = origin.column(section.rest);
    let ordinals = ordinals.ok_or_else(|| section.problem("wrong length"))?;
    let order = Order::of(ordinals.on_wide_pages());
    let order = order.ok_or_else(|| section.problem("not every row lies somewhere once"))?;
    Ok(Some(order))
}

fn decode_levels(
    mut section: Reader<'_>,
    count: usize,
) -> Result<[Vec<u32>; LEVELS], DamagedGeneration> {
    section.expect_length(count, 4 * LEVELS)?;
    let mut levels = [const { Vec::new() }; LEVELS];
    for level in &mut levels {
        level.reserve_exact(count);
        for _ in 0..count {
            level.push(section.ordinal(count)?);
        }
        let is_named_by_its_lowest = |(item, first): (usize, &u32)| {
            *first as usize <= item && level[*first as usize] == *first
        };
        if !level.iter().enumerate().all(is_named_by_its_lowest) {
            return Err(section.problem("a cluster is not named by its lowest member"));
        }
    }
    for pair in levels.windows(2) {
        let [fine, coarse] = pair else { continue };
        if !fine
            .iter()
            .zip(coarse)
            .all(|(first, outer)| coarse[*first as usize] == *outer)
        {
            return Err(section.problem("levels are not nested"));
        }
    }
    Ok(levels)
}

fn decode_edges(mut section: Reader<'_>, count: usize) -> Result<Vec<Edge>, DamagedGeneration> {
    // A forest has fewer edges than items.
    let edges = section.rest.len() / 12;
    section.expect_length(edges, 12)?;
    if edges > count.saturating_sub(1) {
        return Err(section.problem("more edges than a forest has"));
    }
    (0..edges)
        .map(|_| {
            Ok(Edge {
                a: section.ordinal(count)?,
                b: section.ordinal(count)?,
                distance: section.distance()?,
            })
        })
        .collect()
}
