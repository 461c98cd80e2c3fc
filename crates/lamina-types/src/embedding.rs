//! Embeddings: unit vectors that are safe to index.

/// A vector that may not enter an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingError {
    /// No values at all.
    #[error("embedding is empty")]
    Empty,
    /// A NaN or an infinity at this place.
    #[error("embedding has a value that is not finite at index {0}")]
    NotFinite(usize),
    /// All zeros (or so small that the norm is not usable): it has no direction.
    #[error("embedding has no direction (norm is zero)")]
    ZeroNorm,
}

/// An L2-normalised, finite, non-empty vector. What an index may see; nothing else may.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Normalises `values` to length 1.
    ///
    /// # Errors
    /// Empty input, a value that is not finite, or a norm of zero.
    pub fn new(mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
        if values.is_empty() {
            return Err(EmbeddingError::Empty);
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(EmbeddingError::NotFinite(place));
        }
        // f64 so that neither very large nor very small values overflow the sum.
        let norm = values
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            .sqrt();
        if norm < 1e-12 {
            return Err(EmbeddingError::ZeroNorm);
        }
        for value in &mut values {
            *value = (f64::from(*value) / norm) as f32;
        }
        Ok(Self(values))
    }

    /// The values; their squares sum to 1.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Number of values.
    pub const fn dimension(&self) -> usize {
        self.0.len()
    }

    /// Cosine distance, 0 (same direction) to 2 (opposite), never below 0. Dimensions must agree; the shorter decides.
    pub fn cosine_distance(&self, other: &Self) -> f32 {
        let dot: f32 = self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum();
        (1.0 - dot).clamp(0.0, 2.0)
    }

    /// Gives the values away.
    pub fn into_vec(self) -> Vec<f32> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_without_direction_are_refused() {
        assert_eq!(Embedding::new(vec![]), Err(EmbeddingError::Empty));
        assert_eq!(Embedding::new(vec![0.0; 4]), Err(EmbeddingError::ZeroNorm));
        assert_eq!(
            Embedding::new(vec![1.0, f32::NAN]),
            Err(EmbeddingError::NotFinite(1))
        );
        assert_eq!(
            Embedding::new(vec![f32::INFINITY]),
            Err(EmbeddingError::NotFinite(0))
        );
    }

    #[test]
    fn vectors_are_normalised() {
        let embedding = Embedding::new(vec![3.0e30, 4.0e30]).unwrap();
        assert!(
            (embedding.as_slice()[0] - 0.6).abs() < 1e-6
                && (embedding.as_slice()[1] - 0.8).abs() < 1e-6
        );
        assert!(embedding.cosine_distance(&embedding) < 1e-6);
    }
}
