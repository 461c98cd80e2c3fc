//! A walk over an ONNX file that finds every reference to data outside it, before ONNX Runtime sees the file.
//!
//! Model files come from strangers; `external_data` entries of tensors name files that the runtime would open. This reads just
//! enough of the protobuf format (field numbers of `onnx.proto3`) to list those names. What it cannot follow it refuses.

use std::collections::BTreeSet;

/// A graph file that is refused before loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// Not a protobuf message, or cut short.
    #[error("not an ONNX file")]
    Malformed,
    /// A message without a graph.
    #[error("the ONNX file has no graph")]
    NoGraph,
    /// Graphs inside graphs beyond any real model.
    #[error("the ONNX file is nested too deeply")]
    TooDeep,
    /// A tensor says its data is elsewhere, and not where.
    #[error(
        "a tensor of the ONNX file keeps its data outside the file and does not name the place"
    )]
    NoLocation,
}

/// Messages on the way to tensors nest by subgraphs; real models stay below 20.
const MAX_DEPTH: usize = 100;
/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;

/// The messages that can hold a tensor somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Training,
    SparseTensor,
    Tensor,
}

impl Message {
    /// What a field of this message holds, when a tensor may be in there.
    const fn field(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) | (Self::Training, 1 | 2) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Self::Tensor
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            _ => return None,
        })
    }
}

/// Names of all files that tensors of this model refer to.
///
/// # Errors
/// Bytes that are no ONNX model, or a reference without a name.
pub fn external_locations(model: &[u8]) -> Result<BTreeSet<String>, OnnxError> {
    let mut walk = Walk {
        locations: BTreeSet::new(),
        has_graph: false,
    };
    walk.message(Message::Model, model, 0)?;
    if walk.has_graph {
        Ok(walk.locations)
    } else {
        Err(OnnxError::NoGraph)
    }
}

struct Walk {
    locations: BTreeSet<String>,
    has_graph: bool,
}

impl Walk {
    fn message(&mut self, kind: Message, bytes: &[u8], depth: usize) -> Result<(), OnnxError> {
        if depth > MAX_DEPTH {
            return Err(OnnxError::TooDeep);
        }
        if kind == Message::Tensor {
            return self.tensor(bytes);
        }
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            if let (Some(inner), Value::Bytes(bytes)) = (kind.field(number), value) {
                self.has_graph |= kind == Message::Model && inner == Message::Graph;
                self.message(inner, bytes, depth + 1)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), OnnxError> {
        let mut is_external = false;
        let mut has_location = false;
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (13, Value::Bytes(entry)) => {
                    let (key, value) = key_and_value(entry)?;
                    // Any entry makes the tensor external for us, whatever its data_location says.
                    is_external = true;
                    if key == b"location" {
                        let name = std::str::from_utf8(value).map_err(|_| OnnxError::Malformed)?;
                        self.locations.insert(name.to_owned());
                        has_location = true;
                    }
                }
                (14, Value::Number(EXTERNAL)) => is_external = true,
                _ => {}
            }
        }
        if is_external && !has_location {
            Err(OnnxError::NoLocation)
        } else {
            Ok(())
        }
    }
}

/// `StringStringEntryProto`.
fn key_and_value(bytes: &[u8]) -> Result<(&[u8], &[u8]), OnnxError> {
    let (mut key, mut text): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => key = bytes,
            (2, Value::Bytes(bytes)) => text = bytes,
            _ => {}
        }
    }
    Ok((key, text))
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of one message, in file order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, OnnxError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| OnnxError::Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups (3, 4) are not in onnx.proto; 6 and 7 do not exist.
            _ => return Err(OnnxError::Malformed),
        };
        match tag >> 3 {
            0 => Err(OnnxError::Malformed),
            number => Ok(Some((number, value))),
        }
    }

    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or_default();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(OnnxError::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], OnnxError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(OnnxError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT_MODEL: &[u8] =
        include_bytes!("../../../tests/golden/tiny-dual-encoder/text_model.onnx");

    /// A length-delimited field.
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = varint(u64::from(number) << 3 | 2);
        bytes.extend(varint(inner.len() as u64));
        bytes.extend_from_slice(inner);
        bytes
    }

    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn tensor_at(location: &str) -> Vec<u8> {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        [
            field(8, b"weights"),
            field(13, &entry),
            varint(14 << 3),
            varint(EXTERNAL),
        ]
        .concat()
    }

    #[test]
    fn ordinary_models_refer_to_nothing() {
        assert_eq!(external_locations(TEXT_MODEL), Ok(BTreeSet::new()));
        assert_eq!(
            external_locations(include_bytes!("probe.onnx")),
            Ok(BTreeSet::new())
        );
    }

    #[test]
    fn references_are_found_wherever_a_tensor_can_be() {
        let tensor = tensor_at("../../secret");
        let attribute = field(5, &tensor);
        let node = field(5, &attribute);
        let subgraph = field(6, &field(5, &tensor));
        for (place, model) in [
            ("initializer", field(7, &field(5, &tensor))),
            (
                "sparse initializer",
                field(7, &field(15, &field(2, &tensor))),
            ),
            ("attribute", field(7, &field(1, &node))),
            (
                "list attribute",
                field(7, &field(1, &field(5, &field(10, &tensor)))),
            ),
            ("subgraph", field(7, &field(1, &field(5, &subgraph)))),
            (
                "function",
                [field(7, &[]), field(25, &field(7, &node))].concat(),
            ),
            (
                "function default",
                [field(7, &[]), field(25, &field(11, &attribute))].concat(),
            ),
            (
                "training",
                [field(7, &[]), field(20, &field(1, &field(5, &tensor)))].concat(),
            ),
            (
                "second graph field",
                [field(7, &[]), field(7, &field(5, &tensor))].concat(),
            ),
        ] {
            let found =
                external_locations(&model).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(
                found.into_iter().collect::<Vec<_>>(),
                ["../../secret"],
                "{place}"
            );
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        assert_eq!(external_locations(b""), Err(OnnxError::NoGraph));
        assert_eq!(
            external_locations(b"\x7fELF\x02\x01\x01"),
            Err(OnnxError::Malformed)
        );
        assert_eq!(
            external_locations(&TEXT_MODEL[..TEXT_MODEL.len() - 3]),
            Err(OnnxError::Malformed)
        );
        let nameless = [varint(14 << 3), varint(EXTERNAL)].concat();
        assert_eq!(
            external_locations(&field(7, &field(5, &nameless))),
            Err(OnnxError::NoLocation)
        );
        let mut deep = Vec::new();
        for _ in 0..200 {
            deep = field(1, &field(5, &field(6, &deep)));
        }
        assert_eq!(
            external_locations(&field(7, &deep)),
            Err(OnnxError::TooDeep)
        );
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_breaks_the_walk() {
        for length in 0..TEXT_MODEL.len() {
            let _ = external_locations(&TEXT_MODEL[..length]);
        }
        let mut bytes = TEXT_MODEL.to_vec();
        for place in 0..bytes.len() {
            bytes[place] ^= 0xff;
            let _ = external_locations(&bytes);
            bytes[place] ^= 0xff;
        }
    }
}
