//! One loaded captioner: pictures, and prompts where it takes them, in; tokens out.

use std::sync::Arc;

use crate::graph::GraphSource;
use crate::manifest::{CaptionerLayout, CaptionerSpec};
use crate::session::{ModelSession, SessionError};

use super::cache::{Block, gather, side};
use super::decoder::{Decoder, Decoding, Encoded};
use super::embed::EmbedGraph;
use super::florence::FlorenceEncoder;
use super::generation::{CaptionError, Rules, generate};
use super::pictures::PictureGraph;

/// Texts that are written at once even where pictures are looked at one by one.
///
/// Measured with a captioner of 2 layers x 256 (CPU time a picture, one thread, encoder included): greedy 20, 13, 13, 13 ms with 1, 4, 8,
/// 16 at once, three beams 33, 24, 22, 20 ms.
const TEXTS_AT_ONCE: usize = 4;

/// What is wanted of one picture.
#[derive(Debug, Clone)]
pub(super) struct CaptionTask {
    /// 3 x size x size values.
    pub(super) tensor: Vec<f32>,
    /// One text for each; a captioner without prompts has one that is empty.
    pub(super) prompts: Vec<Arc<[u32]>>,
    pub(super) beams: usize,
    pub(super) max_tokens: usize,
}

/// The tokens of all texts of a picture.
pub(super) type CaptionerOutput = Result<Vec<Vec<u32>>, CaptionError>;

/// The graphs of a package beside the one that sees pictures, as bytes.
pub(super) struct CaptionerSources {
    pub(super) decoder: GraphSource,
    /// Florence-2: its encoder and its embeddings.
    pub(super) florence: Option<(GraphSource, GraphSource)>,
}

impl CaptionerSources {
    /// All sessions are there.
    pub(super) fn forget(&self) {
        let florence = self
            .florence
            .iter()
            .flat_map(|(first, second)| [first, second]);
        florence
            .chain([&self.decoder])
            .for_each(GraphSource::forget);
    }
}

/// A captioner on one device.
pub(super) struct CaptionSession {
    pictures: PictureGraph,
    florence: Option<(FlorenceEncoder, EmbedGraph)>,
    decoder: Decoder,
    spec: CaptionerSpec,
    max_texts: usize,
}

impl CaptionSession {
    /// Loads all graphs for the `index`-th device. As many texts are written at once as
    /// pictures are looked at, and at least [`TEXTS_AT_ONCE`], for a picture may have many regions.
    pub(super) fn load(
        pictures: &GraphSource,
        sources: &CaptionerSources,
        index: usize,
        spec: &CaptionerSpec,
        size: u32,
    ) -> Result<Self, SessionError> {
        let features = match spec.layout {
            CaptionerLayout::EncoderDecoder => "last_hidden_state",
            CaptionerLayout::Florence2 => "image_features",
        };
        let tokens = [
            ("captioner.start_token", Some(spec.start_token)),
            ("captioner.stop_token", Some(spec.stop_token)),
            ("captioner.forced_first_token", spec.forced_first_token),
            ("captioner.forced_last_token", spec.forced_last_token),
        ];
        let tokens: Vec<_> = tokens
            .into_iter()
            .filter_map(|(field, token)| Some((field, token?)))
            .collect();
        let florence = match &sources.florence {
            Some((encoder, embed)) => Some((
                FlorenceEncoder::load(encoder, index)?,
                EmbedGraph::load(embed, index)?,
            )),
            None => None,
        };
        let decoder = Decoder::load(&sources.decoder, index, &tokens)?;
        if decoder.takes_embeddings() != florence.is_some() {
            return Err(SessionError::Signature(
                "input of its layout: input_ids, or inputs_embeds for Florence-2",
            ));
        }
        Ok(Self {
            pictures: PictureGraph::load(pictures, index, size, features)?,
            florence,
            decoder,
            spec: spec.clone(),
            max_texts: pictures.max_batch.max(TEXTS_AT_ONCE),
        })
    }

    /// Writes the texts of one group: same rules, prompts of one length.
    fn write(
        &mut self,
        features: &Block,
        texts: &[Text],
        rules: &Rules,
    ) -> Result<Vec<super::generation::Written>, SessionError> {
        let pictures: Vec<usize> = texts.iter().map(|text| text.picture).collect();
        let encoded = match &mut self.florence {
            Some((encoder, embed)) => {
                let prompts: Vec<&[u32]> = texts.iter().map(|text| &*text.prompt).collect();
                encoder.run(embed, features, &pictures, &prompts)?
            }
            None => Encoded {
                states: gather(features, &pictures)?,
                length: side(features, 1),
            },
        };
        let embed = self.florence.as_mut().map(|(_, embed)| embed);
        let mut decoding = Decoding::new(&mut self.decoder, embed, encoded);
        generate(&mut decoding, texts.len(), rules)
    }
}

/// One text to be written.
struct Text {
    /// Which of the batch.
    picture: usize,
    /// Which of that picture's.
    place: usize,
    prompt: Arc<[u32]>,
    beams: usize,
    max_tokens: usize,
}

impl Text {
    /// Texts of one group can be written together.
    fn group(&self) -> (usize, usize, usize) {
        (self.prompt.len(), self.beams, self.max_tokens)
    }
}

impl ModelSession for CaptionSession {
    type Input = CaptionTask;
    type Output = CaptionerOutput;

    fn run(&mut self, batch: &[CaptionTask]) -> Result<Vec<Self::Output>, SessionError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let tensors: Vec<&[f32]> = batch.iter().map(|task| task.tensor.as_slice()).collect();
        let features = self.pictures.run(&tensors)?;
        let mut texts: Vec<Text> = Vec::new();
        for (picture, task) in batch.iter().enumerate() {
            texts.extend(task.prompts.iter().enumerate().map(|(place, prompt)| Text {
                picture,
                place,
                prompt: Arc::clone(prompt),
                beams: task.beams,
                max_tokens: task.max_tokens,
            }));
        }
        texts.sort_by_key(Text::group);

        let mut answers: Vec<Self::Output> = batch
            .iter()
            .map(|task| Ok(vec![Vec::new(); task.prompts.len()]))
            .collect();
        for group in texts.chunk_by(|one, other| one.group() == other.group()) {
            for texts in group.chunks(self.max_texts) {
                let mut rules = Rules::new(&self.spec, texts.first().map_or(1, |text| text.beams));
                rules.max_tokens = texts.first().map_or(1, |text| text.max_tokens);
                let written = self.write(&features, texts, &rules)?;
                for (text, written) in texts.iter().zip(written) {
                    let Some(answer) = answers.get_mut(text.picture) else {
                        continue;
                    };
                    match (written, answer) {
                        (Ok(tokens), Ok(all)) => {
                            if let Some(place) = all.get_mut(text.place) {
                                *place = tokens;
                            }
                        }
                        (Err(error), answer) => *answer = Err(error),
                        (Ok(_), Err(_)) => {}
                    }
                }
            }
        }
        Ok(answers)
    }

    fn is_unusable(output: &Self::Output) -> bool {
        output.is_err()
    }
}
