//! The generation file.
//!
//! All numbers are little-endian. `LAMINAGN`, format version (u32), header, sections, SHA-256 of everything before it. The
//! header is a length (u32) and: origin dataset (16 bytes), entity type, space, package, parameters (each a u32 length and
//! text), number (i32), dimension (u32), count (u32), settings (five cluster distances, duplicate similarity, outlier
//! distance as f32, exact limit as u64, neighbours as u32), neighbours per item (u32), duplicate floor (f32). A section is a
//! tag (four bytes), a length (u64) and that many bytes; all sections are present once, in the order of [`SECTIONS`].
//!
//! Reading verifies first and interprets afterwards, and interprets as if nothing had been verified: no length is believed
//! before it is compared with what the header implies and with the bytes that are there.

use std::sync::Arc;

use lamina_types::{EntityType, LEVELS, Space};
use sha2::{Digest, Sha256};

use crate::duplicates::Duplicates;
use crate::graph::Edge;
use crate::{
    DamagedGeneration, Generation, GenerationHeader, Hit, IndexSettings, Neighbours, VectorBlock,
};

/// Version of the format that is written and read.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"LAMINAGN";
const TRAILER: usize = 32;

/// Tags and names of the sections, in order.
const SECTIONS: [(&[u8; 4], &str); 7] = [
    (b"VECS", "vectors"),
    (b"NEAR", "neighbours"),
    (b"LEVL", "levels"),
    (b"DUPL", "duplicates"),
    (b"UNIQ", "uniqueness"),
    (b"OUTL", "outliers"),
    (b"DUPC", "duplicate confidence"),
];

/// What the row that publishes a generation says about its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedGeneration {
    /// What it must be of.
    pub header: GenerationHeader,
    /// Number of vectors.
    pub count: u32,
    /// Checksum recorded when it was written: [`Generation::checksum_of`].
    pub checksum: [u8; 32],
}

impl Generation {
    /// The file of this generation.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes_in_memory() + 1_024);
        bytes.extend_from_slice(MAGIC);
        put_u32(&mut bytes, FORMAT_VERSION);
        let header = self.encode_header();
        put_u32(&mut bytes, header.len() as u32);
        bytes.extend_from_slice(&header);
        for (tag, name) in SECTIONS {
            bytes.extend_from_slice(tag);
            let length_at = bytes.len();
            bytes.extend_from_slice(&[0; 8]);
            self.encode_section(name, &mut bytes);
            let length = (bytes.len() - length_at - 8) as u64;
            bytes[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
        }
        let checksum: [u8; TRAILER] = Sha256::digest(&bytes).into();
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The checksum to record beside a file made by [`Generation::encode`]: SHA-256 of all but its last 32 bytes, which in a
    /// sound file are equal to it.
    pub fn checksum_of(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(&bytes[..bytes.len().saturating_sub(TRAILER)]).into()
    }

    /// Verifies and reads a file. Never panics, and never takes more memory than the file's own size implies.
    ///
    /// # Errors
    /// [`DamagedGeneration`] says what is wrong; the remedy is always to rebuild.
    pub fn decode(bytes: &[u8], expected: &ExpectedGeneration) -> Result<Self, DamagedGeneration> {
        let Some((body, trailer)) = bytes.split_last_chunk::<TRAILER>() else {
            return Err(DamagedGeneration::TooShort(bytes.len()));
        };
        if body.len() < MAGIC.len() + 8 {
            return Err(DamagedGeneration::TooShort(bytes.len()));
        }
        let checksum: [u8; TRAILER] = Sha256::digest(body).into();
        if checksum != *trailer {
            return Err(DamagedGeneration::Checksum);
        }
        if checksum != expected.checksum {
            return Err(DamagedGeneration::NotThePublished);
        }
        let mut reader = Reader {
            rest: body,
            section: "header",
        };
        if reader.array::<8>()? != *MAGIC {
            return Err(DamagedGeneration::Magic);
        }
        let version = reader.u32()?;
        if version != FORMAT_VERSION {
            return Err(DamagedGeneration::Version {
                found: version,
                read: FORMAT_VERSION,
            });
        }
        decode_body(reader, expected)
    }

    fn encode_header(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = &self.header;
        bytes.extend_from_slice(header.origin_dataset_id.as_uuid().as_bytes());
        for text in [
            header.entity_type.as_str(),
            header.space.as_str(),
            &header.key.package,
            &header.key.parameters,
        ] {
            put_u32(&mut bytes, text.len() as u32);
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&header.number.to_le_bytes());
        put_u32(&mut bytes, self.vectors.dimension() as u32);
        put_u32(&mut bytes, self.vectors.len() as u32);
        put_f32s(&mut bytes, &self.settings.cluster_distances);
        put_f32s(
            &mut bytes,
            &[
                self.settings.duplicate_similarity,
                self.settings.outlier_distance,
            ],
        );
        bytes.extend_from_slice(&(self.settings.exact_limit as u64).to_le_bytes());
        put_u32(&mut bytes, self.settings.neighbours as u32);
        put_u32(&mut bytes, self.neighbours.per_item() as u32);
        put_f32s(&mut bytes, &[self.duplicates.floor()]);
        bytes
    }

    fn encode_section(&self, name: &str, bytes: &mut Vec<u8>) {
        match name {
            "vectors" => self.vectors.extend_le_bytes(bytes),
            "neighbours" => {
                for hit in self.neighbours.all() {
                    put_u32(bytes, hit.ordinal);
                    put_f32s(bytes, &[hit.distance]);
                }
            }
            "levels" => self
                .levels
                .iter()
                .flatten()
                .for_each(|first| put_u32(bytes, *first)),
            "duplicates" => {
                for edge in self.duplicates.edges() {
                    put_u32(bytes, edge.a);
                    put_u32(bytes, edge.b);
                    put_f32s(bytes, &[edge.distance]);
                }
            }
            "uniqueness" => put_f32s(bytes, &self.uniqueness),
            "outliers" => put_f32s(bytes, &self.outlier_confidence),
            _ => put_f32s(bytes, &self.duplicate_confidence),
        }
    }
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_f32s(bytes: &mut Vec<u8>, values: &[f32]) {
    values
        .iter()
        .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
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
        neighbours,
        levels,
        duplicates,
        uniqueness,
        outliers,
        confidence,
    ] = read_sections(&mut reader)?;
    let Sizes {
        dimension,
        count,
        per_item,
        floor,
    } = sizes;

    vectors.expect_length(count, 2 * dimension)?;
    let vectors = VectorBlock::from_le_bytes(dimension, vectors.rest).map_err(|_| {
        Reader {
            rest: &[],
            section: "vectors",
        }
        .problem("not unit vectors")
    })?;
    let generation = Generation {
        header: expected.header.clone(),
        settings,
        vectors: Arc::new(vectors),
        neighbours: Neighbours::new(per_item, decode_neighbours(neighbours, count, per_item)?),
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
) -> Result<[Reader<'a>; SECTIONS.len()], DamagedGeneration> {
    let mut sections = SECTIONS.map(|(_, section)| Reader { rest: &[], section });
    for ((tag, name), section) in SECTIONS.iter().zip(&mut sections) {
        reader.section = name;
        if reader.array::<4>()? != **tag {
            return Err(reader.problem("missing"));
        }
        let length = usize::try_from(u64::from_le_bytes(reader.array()?)).unwrap_or(usize::MAX);
        section.rest = reader.take(length)?;
    }
    reader.end()?;
    Ok(sections)
}

fn decode_neighbours(
    mut section: Reader<'_>,
    count: usize,
    per_item: usize,
) -> Result<Vec<Hit>, DamagedGeneration> {
    section.expect_length(count, per_item.saturating_mul(8))?;
    let mut hits = Vec::with_capacity(count * per_item);
    for item in 0..count {
        let mut last = None;
        for _ in 0..per_item {
            let hit = Hit {
                ordinal: section.ordinal(count)?,
                distance: section.distance()?,
            };
            if hit.ordinal as usize == item {
                return Err(section.problem("an item is its own neighbour"));
            }
            if last.is_some_and(|last| last >= hit) {
                return Err(section.problem("not ascending"));
            }
            last = Some(hit);
            hits.push(hit);
        }
    }
    Ok(hits)
}

fn decode_levels(
    mut section: Reader<'_>,
    count: usize,
) -> Result<[Vec<u32>; LEVELS], DamagedGeneration> {
    section.expect_length(count, 4 * LEVELS)?;
    let mut levels = [const { Vec::new() }; LEVELS];
    for level in &mut levels {
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

/// Takes bytes off the front, or says that they are not there.
struct Reader<'a> {
    rest: &'a [u8],
    section: &'static str,
}

impl<'a> Reader<'a> {
    const fn problem(&self, problem: &'static str) -> DamagedGeneration {
        DamagedGeneration::Section {
            section: self.section,
            problem,
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DamagedGeneration> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.problem("longer than the file"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DamagedGeneration> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.problem("longer than the file"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, DamagedGeneration> {
        self.array().map(u32::from_le_bytes)
    }

    fn f32(&mut self) -> Result<f32, DamagedGeneration> {
        self.array().map(f32::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, DamagedGeneration> {
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.problem("not text"))
    }

    fn ordinal(&mut self, count: usize) -> Result<u32, DamagedGeneration> {
        let ordinal = self.u32()?;
        if (ordinal as usize) < count {
            Ok(ordinal)
        } else {
            Err(self.problem("an ordinal beyond the last"))
        }
    }

    fn distance(&mut self) -> Result<f32, DamagedGeneration> {
        let distance = self.f32()?;
        if (0.0..=2.0).contains(&distance) {
            Ok(distance)
        } else {
            Err(self.problem("a distance outside 0 to 2"))
        }
    }

    fn fractions(mut self, count: usize) -> Result<Vec<f32>, DamagedGeneration> {
        self.expect_length(count, 4)?;
        (0..count)
            .map(|_| {
                let value = self.f32()?;
                if (0.0..=1.0).contains(&value) {
                    Ok(value)
                } else {
                    Err(self.problem("a score outside 0 to 1"))
                }
            })
            .collect()
    }

    /// Before anything is allocated for a section, its length must be the one the header implies.
    fn expect_length(&self, items: usize, bytes_each: usize) -> Result<(), DamagedGeneration> {
        if items.checked_mul(bytes_each) == Some(self.rest.len()) {
            Ok(())
        } else {
            Err(self.problem("wrong length"))
        }
    }

    fn end(&self) -> Result<(), DamagedGeneration> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.problem("bytes after the end"))
        }
    }
}
