//! The generation file.
//!
//! All numbers are little-endian. `LAMINAGN`, format version (u32), header, sections, checksum of everything before it: the
//! SHA-256 of the SHA-256 of every mebibyte and of the length, so that all cores can check a large file. The header is a length
//! (u32) and: origin dataset (16 bytes), entity type, space, package, parameters (each a u32 length and text), number (i32),
//! dimension (u32), count (u32), settings (five cluster distances, duplicate similarity, outlier distance as f32, exact limit as
//! u64, neighbours as u32), neighbours per item (u32), duplicate floor (f32). A section is a
//! tag (four bytes), a length (u64), zeros up to a multiple of 64 bytes from the start of the file, and that many bytes, so
//! that vectors and links can be used where they lie in a mapped file; all sections are present once, in the order of
//! [`SECTIONS`]. Vectors and the points of the graph are counted by place, everything else by ordinal; the section of the order
//! has the ordinal of each place, or nothing where each row lies at its ordinal.
//!
//! Reading verifies first and interprets afterwards, and interprets as if nothing had been verified: no length is believed
//! before it is compared with what the header implies and with the bytes that are there.

mod column;
mod decode;
mod graph;
mod reader;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{Generation, GenerationHeader};

/// Version of the format that is written. The one before is read, too: it has no order of rows.
pub const FORMAT_VERSION: u32 = 3;
const WITHOUT_ORDER: u32 = 2;

const MAGIC: &[u8; 8] = b"LAMINAGN";
const TRAILER: usize = 32;
/// Sections begin at multiples of this: a cache line.
const ALIGNMENT: usize = 64;
/// Bytes whose checksum is taken at once.
const CHECKED_AT_ONCE: usize = 1 << 20;

/// Tags and names of the sections, in order.
const SECTIONS: [(&[u8; 4], &str); 9] = [
    (b"VECS", "vectors"),
    (b"GRPH", "graph"),
    (b"NEAR", "neighbours"),
    (b"LEVL", "levels"),
    (b"DUPL", "duplicates"),
    (b"UNIQ", "uniqueness"),
    (b"OUTL", "outliers"),
    (b"DUPC", "duplicate confidence"),
    (b"ORDR", "order"),
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
        let mut bytes = Vec::with_capacity(self.bytes_in_file());
        bytes.extend_from_slice(MAGIC);
        put_u32(&mut bytes, FORMAT_VERSION);
        let header = self.encode_header();
        put_u32(&mut bytes, header.len() as u32);
        bytes.extend_from_slice(&header);
        for (tag, name) in SECTIONS {
            bytes.extend_from_slice(tag);
            let length_at = bytes.len();
            bytes.extend_from_slice(&[0; 8]);
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
            let start = bytes.len();
            self.encode_section(name, &mut bytes);
            let length = (bytes.len() - start) as u64;
            bytes[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The checksum to record beside a file made by [`Generation::encode`]: that of all but its last 32 bytes, which in a
    /// sound file are equal to it. Runs on the current rayon pool.
    pub fn checksum_of(bytes: &[u8]) -> [u8; 32] {
        checksum(&bytes[..bytes.len().saturating_sub(TRAILER)])
    }

    /// A little more than the file will have.
    fn bytes_in_file(&self) -> usize {
        let graph = self.graph.as_ref().map_or(0, |graph| graph.len() * 144);
        let per_item = 2 * self.vectors.dimension() + 8 * self.neighbours.per_item() + 48;
        self.vectors.len() * per_item + graph + 4_096
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
            "vectors" => bytes.extend_from_slice(self.vectors.rows().as_le_bytes()),
            "graph" => graph::encode(self.graph.as_deref(), bytes),
            "neighbours" => bytes.extend_from_slice(self.neighbours.as_bytes()),
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
            "duplicate confidence" => put_f32s(bytes, &self.duplicate_confidence),
            _ => {
                if let Some(order) = self.vectors.order() {
                    bytes.extend_from_slice(order.ordinals().as_bytes());
                }
            }
        }
    }
}

/// Checksum of a file without its trailer.
fn checksum(body: &[u8]) -> [u8; TRAILER] {
    let parts: Vec<[u8; TRAILER]> = body
        .par_chunks(CHECKED_AT_ONCE)
        .map(|part| Sha256::digest(part).into())
        .collect();
    let mut all = Sha256::new();
    all.update((body.len() as u64).to_le_bytes());
    all.update(parts.as_flattened());
    all.finalize().into()
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_f32s(bytes: &mut Vec<u8>, values: &[f32]) {
    values
        .iter()
        .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
}
