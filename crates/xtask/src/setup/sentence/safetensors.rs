//! Reading tensors out of a `safetensors` file: a length, a header in JSON, and the bytes.
//!
//! The only file read so is pinned by its hash, so its header is known and needs no general JSON reader.

use crate::programs::Failure;

/// The bytes of a file and where its header ends.
#[derive(Debug)]
pub(super) struct Safetensors<'a> {
    header: &'a str,
    data: &'a [u8],
}

/// One tensor of 32-bit floats.
#[derive(Debug, PartialEq)]
pub(super) struct Tensor<'a> {
    pub(super) shape: Vec<usize>,
    /// Little-endian, rows first.
    pub(super) data: &'a [u8],
}

impl<'a> Safetensors<'a> {
    pub(super) fn parse(file: &'a [u8]) -> Result<Self, Failure> {
        let broken = || Failure::new("the weights are no safetensors file");
        let (length, rest) = file.split_first_chunk::<8>().ok_or_else(broken)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
        let (header, data) = rest.split_at_checked(length).ok_or_else(broken)?;
        let header = std::str::from_utf8(header).map_err(|_| broken())?;
        Ok(Self { header, data })
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        self.find(name)
            .ok_or_else(|| Failure::new(format!("the weights have no usable tensor {name}")))
    }

    fn find(&self, name: &str) -> Option<Tensor<'a>> {
        let (_, rest) = self.header.split_once(&format!("\"{name}\":{{"))?;
        let (entry, _) = rest.split_once('}')?;
        if !entry.contains("\"dtype\":\"F32\"") {
            return None;
        }
        let shape = numbers(entry, "shape")?;
        let offsets = numbers(entry, "data_offsets")?;
        let [from, to] = offsets[..] else {
            return None;
        };
        let data = self.data.get(from..to)?;
        let bytes = shape.iter().product::<usize>() * size_of::<f32>();
        (data.len() == bytes).then_some(Tensor { shape, data })
    }
}

/// The list of whole numbers under a key.
fn numbers(entry: &str, key: &str) -> Option<Vec<usize>> {
    let (_, rest) = entry.split_once(&format!("\"{key}\":["))?;
    let (list, _) = rest.split_once(']')?;
    list.split(',')
        .map(|number| number.trim().parse().ok())
        .collect()
}

impl Tensor<'_> {
    /// All values, rows first.
    pub(super) fn values(&self) -> impl Iterator<Item = f32> {
        let (values, _) = self.data.as_chunks::<4>();
        values.iter().map(|value| f32::from_le_bytes(*value))
    }

    /// Rows and columns exchanged: layers are kept as outputs x inputs, and a product wants inputs x outputs.
    pub(super) fn transposed(&self) -> Result<Vec<u8>, Failure> {
        let [rows, columns] = self.shape[..] else {
            return Err(Failure::new("a layer's weights are no matrix"));
        };
        let (values, _) = self.data.as_chunks::<4>();
        let mut turned = Vec::with_capacity(self.data.len());
        for column in 0..columns {
            let values = values.iter().skip(column).step_by(columns).take(rows);
            turned.extend(values.flatten());
        }
        Ok(turned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, values: &[f32]) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        file
    }

    fn values(data: &[u8]) -> Vec<f32> {
        let (chunks, _) = data.as_chunks::<4>();
        chunks
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect()
    }

    #[test]
    fn tensors_are_found_and_turned() {
        let header = r#"{"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let file = file(header, &[9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let tensors = Safetensors::parse(&file).unwrap();
        let matrix = tensors.tensor("a.weight").unwrap();
        assert_eq!(matrix.shape, [2, 3]);
        assert_eq!(
            values(&matrix.transposed().unwrap()),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
        assert_eq!(values(tensors.tensor("weight").unwrap().data), [9.0]);
        assert!(tensors.tensor("b").is_err());
    }

    #[test]
    fn broken_files_are_failures() {
        assert!(Safetensors::parse(b"short").is_err());
        assert!(Safetensors::parse(&[255; 16]).is_err());
        let too_short = file(
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            &[1.0],
        );
        assert!(Safetensors::parse(&too_short).unwrap().tensor("a").is_err());
        let other_type = file(
            r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#,
            &[1.0],
        );
        assert!(
            Safetensors::parse(&other_type)
                .unwrap()
                .tensor("a")
                .is_err()
        );
    }
}
