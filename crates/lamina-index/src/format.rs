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

mod decode;
mod reader;

use sha2::{Digest, Sha256};

use crate::{Generation, GenerationHeader};

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
