//! The session of a tagger with one logit for each tag.

use ort::value::TensorElementType;

use super::TagScore;
use super::scores::{Choice, TagFault};
use crate::graph::{Graph, GraphSource};
use crate::pixels::PixelInput;
use crate::session::{ModelSession, SessionError};

/// What exports call the pixels.
const PIXELS: [&str; 2] = ["pixel_values", "image"];
const LOGITS: &str = "logits";

/// `pixel_values` or `image` -> `logits` [batch, tags]. The score of a tag is the sigmoid of its logit: its own probability, so that those
/// of a picture do not add up to anything.
pub(super) struct LogitsSession {
    graph: Graph,
    pixels: PixelInput,
    choice: Choice,
}

impl LogitsSession {
    pub(super) fn load(
        source: &GraphSource,
        index: usize,
        size: u32,
        choice: Choice,
    ) -> Result<Self, SessionError> {
        let mut graph = source.load(index)?;
        graph.check_inputs(&PIXELS)?;
        let (kind, shape) = graph
            .output(LOGITS)
            .ok_or_else(|| SessionError::NoOutput(LOGITS.to_owned()))?;
        let expected = TensorElementType::Float32;
        let &[_, tags] = shape.as_slice() else {
            return Err(wrong_kind(kind, shape.len()));
        };
        if kind != expected {
            return Err(wrong_kind(kind, shape.len()));
        }
        let labels = choice.labels().len() as i64;
        if tags >= 0 && tags != labels {
            return Err(SessionError::Classes {
                lines: labels,
                classes: tags,
            });
        }
        let pixels = PixelInput::find(&mut graph, &PIXELS, size)?;
        Ok(Self {
            graph,
            pixels,
            choice,
        })
    }
}

fn wrong_kind(kind: TensorElementType, rank: usize) -> SessionError {
    SessionError::OutputKind {
        name: LOGITS.to_owned(),
        found: format!("{kind} of {rank} dimensions"),
        expected: format!("{} of 2 dimensions", TensorElementType::Float32),
    }
}

impl ModelSession for LogitsSession {
    type Input = Vec<f32>;
    type Output = Result<Vec<TagScore>, TagFault>;

    fn run(&mut self, batch: &[Vec<f32>]) -> Result<Vec<Self::Output>, SessionError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.graph.rows(batch.len());
        let pixels = self.pixels.fill(batch.iter().map(Vec::as_slice), rows)?;
        let outputs = self.graph.run(vec![pixels], batch.len())?;
        let output = outputs
            .get(LOGITS)
            .ok_or_else(|| SessionError::NoOutput(LOGITS.to_owned()))?;
        let (shape, values) = output
            .try_extract_tensor::<f32>()
            .map_err(SessionError::Run)?;
        let tags = self.choice.labels().len();
        if **shape != [rows as i64, tags as i64] || tags == 0 {
            return Err(SessionError::OutputShape {
                name: LOGITS.to_owned(),
                found: shape.to_vec(),
                expected: format!("{rows} x {tags}"),
            });
        }
        let sigmoid = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let choose = |logits: &[f32]| {
            let scores = logits.iter().copied().map(sigmoid).enumerate();
            self.choice.choose(scores)
        };
        Ok(values
            .chunks_exact(tags)
            .take(batch.len())
            .map(choose)
            .collect())
    }

    fn is_unusable(output: &Self::Output) -> bool {
        output.is_err()
    }
}
