//! What the answers of a package are worth on a labelled folder.

use std::collections::{BTreeMap, BTreeSet};

use lamina_inference::{
    Calibration, CaptionOptions, CaptionPair, CaptionQuality, Captioner, DetectionQuality,
    Detector, DetectorInput, DualEncoder, Family, FileRole, FoundObject, LabelledPicture, Lane,
    Models, PackageState, PictureEncoder, RankingQuality, TagQuality, TaggedPicture, Tagger,
    TextEncoder, TextRole, caption_quality, detection_quality, ranking_quality, tag_quality,
};
use lamina_media::{DecodeLimits, InputSpec, decode};
use lamina_types::Embedding;
use serde::Serialize;

use super::folder::{Labelled, LabelledFolder};
use super::side::prepare;

/// As evaluations of detectors do: everything that scores at all counts, for the ranking is what is measured.
const EVALUATION_THRESHOLD: f32 = 0.001;
/// Pictures or texts of one call.
const CALL: usize = 16;
/// The distance that clients take for the limit of a text search.
const LIMIT: f32 = 0.6;

/// All figures that the family and the folder give; shares are 0..=1.
#[derive(Debug, Default, Serialize)]
pub struct Quality {
    /// Pictures that took part.
    pub pictures: usize,
    /// Pictures whose outputs were of no use (no numbers); they count as answered with nothing.
    pub unusable: usize,
    /// Label found by its words, and how often the most frequent label would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_shot: Option<ZeroShot>,
    /// Picture found by a caption of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_to_picture: Option<RankingQuality>,
    /// Caption found by its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture_to_text: Option<RankingQuality>,
    /// Picture of the same label found by a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<RankingQuality>,
    /// Caption of the same picture found by a caption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_to_text: Option<RankingQuality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captions: Option<Captioned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagQuality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Fit>,
}

/// Zero-shot classification.
#[derive(Debug, Serialize)]
pub struct ZeroShot {
    pub labels: usize,
    #[serde(flatten)]
    pub ranking: RankingQuality,
    pub majority: f64,
}

/// Average precision over the classes that the model knows.
#[derive(Debug, Serialize)]
pub struct Detected {
    #[serde(flatten)]
    pub quality: DetectionQuality,
    /// Labels of the folder that the model has no class for; their objects were left out.
    pub unknown_labels: BTreeSet<String>,
}

/// Captions beside the best answer that looks at no picture.
#[derive(Debug, Serialize)]
pub struct Captioned {
    #[serde(flatten)]
    pub quality: CaptionQuality,
    /// The caption that people give most often.
    pub most_frequent: String,
    /// Of always saying that.
    pub trivial: CaptionQuality,
}

/// Values for the section `[calibration]` of the manifest.
#[derive(Debug, Serialize)]
pub struct Fit {
    pub raw: Vec<f32>,
    pub shown: Vec<f32>,
    /// Share of matching pairs that are then shown within 0.6.
    pub matching_within: f64,
    /// Share of the others.
    pub others_within: f64,
    /// Pairs that it was fitted to.
    pub matching: usize,
    pub others: usize,
}

/// Measures whatever the family and the folder allow. `prompt` turns a label into words, in place of `{}`.
///
/// # Errors
/// A picture that cannot be read, a model that does not answer.
pub async fn measure(
    models: &Models,
    state: &PackageState,
    folder: &LabelledFolder,
    prompt: &str,
) -> anyhow::Result<Quality> {
    let package = state.package.as_str();
    let mut quality = Quality {
        pictures: folder.pictures.len(),
        ..Quality::default()
    };
    let pictures = folder.pictures.as_slice();
    match state.family() {
        Some(Family::DualEncoder | Family::ImageEncoder) => {
            let encoder = models.picture_encoder(package).await?;
            let seen = Seen::all(&encoder, pictures, &mut quality.unusable).await?;
            quality.neighbours = seen.neighbours();
            if let PictureEncoder::Dual(encoder) = &encoder
                && encoder.has_text()
            {
                seen.by_text(encoder, prompt, &mut quality).await?;
            }
        }
        Some(Family::TextEncoder) => {
            let encoder = models.text_encoder(package).await?;
            quality.text_to_text = sentences(&encoder, pictures).await?;
        }
        Some(Family::Detector) => {
            let detector = models.detector(package).await?;
            quality.detection = detect(&detector, state, pictures, &mut quality.unusable).await?;
        }
        Some(Family::Captioner) => {
            let captioner = models.captioner(package).await?;
            quality.captions = caption(&captioner, pictures, &mut quality.unusable).await?;
        }
        Some(Family::Tagger) => {
            let tagger = models.tagger(package).await?;
            quality.tags = tag(&tagger, pictures, &mut quality.unusable).await?;
        }
        None => anyhow::bail!("the package has no manifest"),
    }
    Ok(quality)
}

fn load(pictures: &[&Labelled], spec: &InputSpec) -> anyhow::Result<Vec<DetectorInput>> {
    let limits = DecodeLimits::default();
    let load = |picture: &&Labelled| {
        let bytes = fs_err::read(&picture.path)?;
        let decoded = decode(&bytes, &limits).map_err(|rejection| {
            anyhow::anyhow!("{} is refused: {rejection}", picture.path.display())
        })?;
        prepare(&decoded, spec)
    };
    pictures.iter().map(load).collect()
}

fn tensors(pictures: &[&Labelled], spec: &InputSpec) -> anyhow::Result<Vec<Vec<f32>>> {
    let inputs = load(pictures, spec)?.into_iter();
    Ok(inputs.map(|input| input.tensor).collect())
}

/// Pictures with usable vectors.
struct Seen<'a> {
    pictures: Vec<&'a Labelled>,
    vectors: Vec<Embedding>,
}

impl<'a> Seen<'a> {
    async fn all(
        encoder: &PictureEncoder,
        pictures: &'a [Labelled],
        unusable: &mut usize,
    ) -> anyhow::Result<Self> {
        let mut seen = Self {
            pictures: Vec::new(),
            vectors: Vec::new(),
        };
        for chunk in pictures.chunks(CALL) {
            let chunk: Vec<&Labelled> = chunk.iter().collect();
            let tensors = tensors(&chunk, encoder.input_spec())?;
            let answers = encoder.embed_images(Lane::Bulk, tensors).await?;
            for (picture, answer) in chunk.into_iter().zip(answers) {
                match answer {
                    Ok(vector) => {
                        seen.pictures.push(picture);
                        seen.vectors.push(vector);
                    }
                    Err(_) => *unusable += 1,
                }
            }
        }
        Ok(seen)
    }

    /// Only among pictures whose labels are known.
    fn neighbours(&self) -> Option<RankingQuality> {
        let labels: Vec<&BTreeSet<String>> = self.pictures.iter().map(|one| &one.labels).collect();
        ranking_quality(&self.vectors, &self.vectors, |query, other| {
            let known = !labels.get(query)?.is_empty() && !labels.get(other)?.is_empty();
            (known && query != other).then(|| !labels[query].is_disjoint(labels[other]))
        })
    }

    /// What texts find, by captions and by labels, and the calibration that follows.
    async fn by_text(
        &self,
        encoder: &DualEncoder,
        prompt: &str,
        quality: &mut Quality,
    ) -> anyhow::Result<()> {
        let mut fit = None;
        let labels: BTreeSet<&String> = self.pictures.iter().flat_map(|one| &one.labels).collect();
        let labels: Vec<&String> = labels.into_iter().collect();
        if labels.len() > 1 {
            let words = |label: &&String| prompt.replace("{}", &label.replace('_', " "));
            let texts = embed(encoder, labels.iter().map(words).collect()).await?;
            let shows = |picture: usize, label: usize| {
                let known = &self.pictures[picture].labels;
                (!known.is_empty()).then(|| known.contains(labels[label]))
            };
            quality.zero_shot =
                ranking_quality(&self.vectors, &texts, shows).map(|ranking| ZeroShot {
                    labels: labels.len(),
                    majority: self.majority(),
                    ranking,
                });
            fit = Fit::of(&self.vectors, &texts, shows);
        }
        let captions = self.pictures.iter().enumerate().flat_map(|(place, one)| {
            let said = one.captions.iter();
            said.map(move |caption| (place, caption.clone()))
        });
        let (of, captions): (Vec<usize>, Vec<String>) = captions.unzip();
        if captions.len() > 1 {
            let texts = embed(encoder, captions).await?;
            let own = |text: usize, picture: usize| Some(of[text] == picture);
            quality.text_to_picture = ranking_quality(&texts, &self.vectors, own);
            let said = |picture: usize, text: usize| Some(of[text] == picture);
            quality.picture_to_text = ranking_quality(&self.vectors, &texts, said);
            // Sentences are what people search with: better material than names.
            fit = Fit::of(&self.vectors, &texts, said).or(fit);
        }
        quality.calibration = fit;
        Ok(())
    }

    /// Share of the labelled pictures that the most frequent label is true of.
    fn majority(&self) -> f64 {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for label in self.pictures.iter().flat_map(|one| &one.labels) {
            *counts.entry(label).or_default() += 1;
        }
        let known = self.pictures.iter().filter(|one| !one.labels.is_empty());
        let most = counts.values().copied().max().unwrap_or_default();
        most as f64 / known.count().max(1) as f64
    }
}

impl Fit {
    /// `None` with too few pairs of either kind.
    fn of(
        pictures: &[Embedding],
        texts: &[Embedding],
        is_true: impl Fn(usize, usize) -> Option<bool>,
    ) -> Option<Self> {
        let (mut matching, mut others) = (Vec::new(), Vec::new());
        for (picture, seen) in pictures.iter().enumerate() {
            for (text, read) in texts.iter().enumerate() {
                match is_true(picture, text) {
                    Some(true) => matching.push(read.cosine_distance(seen)),
                    Some(false) => others.push(read.cosine_distance(seen)),
                    None => {}
                }
            }
        }
        let map = Calibration::fit(&matching, &others).ok()?;
        let within = |distances: &[f32]| {
            let near = distances.iter().filter(|raw| map.apply(**raw) <= LIMIT);
            near.count() as f64 / distances.len().max(1) as f64
        };
        let (raw, shown) = map.knots();
        Some(Self {
            raw,
            shown,
            matching_within: within(&matching),
            others_within: within(&others),
            matching: matching.len(),
            others: others.len(),
        })
    }
}

async fn embed(encoder: &DualEncoder, texts: Vec<String>) -> anyhow::Result<Vec<Embedding>> {
    Ok(encoder.embed_texts(Lane::Bulk, texts).await?)
}

/// The first caption of each picture searches among the others of all.
async fn sentences(
    encoder: &TextEncoder,
    pictures: &[Labelled],
) -> anyhow::Result<Option<RankingQuality>> {
    let (mut queries, mut asked) = (Vec::new(), Vec::new());
    let (mut documents, mut of) = (Vec::new(), Vec::new());
    for (place, picture) in pictures.iter().enumerate() {
        let mut said = picture.captions.iter();
        if let Some(first) = said.next() {
            queries.push(first.clone());
            asked.push(place);
        }
        for other in said {
            documents.push(other.clone());
            of.push(place);
        }
    }
    let queries = encoder.embed(Lane::Bulk, TextRole::Query, queries).await?;
    let documents = encoder
        .embed(Lane::Bulk, TextRole::Document, documents)
        .await?;
    Ok(ranking_quality(&queries, &documents, |query, document| {
        Some(asked[query] == of[document])
    }))
}

async fn detect(
    detector: &Detector,
    state: &PackageState,
    pictures: &[Labelled],
    unusable: &mut usize,
) -> anyhow::Result<Option<Detected>> {
    let manifest = detector.manifest();
    let names = match manifest.file(FileRole::Labels) {
        Some(file) => fs_err::read_to_string(state.dir.join(&file.path))?,
        None => String::new(),
    };
    let names: BTreeSet<&str> = names.lines().map(str::trim).collect();
    let mut unknown_labels = BTreeSet::new();
    let mut labelled = Vec::new();
    let boxed: Vec<&Labelled> = pictures
        .iter()
        .filter(|picture| picture.objects.is_some())
        .collect();
    for chunk in boxed.chunks(CALL) {
        let inputs = load(chunk, detector.input_spec())?;
        let answers = detector
            .detect(Lane::Bulk, inputs, EVALUATION_THRESHOLD)
            .await?;
        for (picture, answer) in chunk.iter().zip(answers) {
            let objects = picture.objects.iter().flatten();
            let (truth, unknown): (Vec<_>, Vec<_>) = objects
                .cloned()
                .partition(|object| names.contains(object.label.as_str()));
            unknown_labels.extend(unknown.into_iter().map(|object| object.label));
            *unusable += usize::from(answer.is_err());
            let found = answer.unwrap_or_default().into_iter();
            labelled.push(LabelledPicture {
                truth,
                found: found
                    .map(|found| FoundObject {
                        label: found.label.to_string(),
                        region: found.region,
                        confidence: found.confidence,
                    })
                    .collect(),
            });
        }
    }
    Ok(detection_quality(&labelled).map(|quality| Detected {
        quality,
        unknown_labels,
    }))
}

async fn caption(
    captioner: &Captioner,
    pictures: &[Labelled],
    unusable: &mut usize,
) -> anyhow::Result<Option<Captioned>> {
    let described: Vec<&Labelled> = pictures
        .iter()
        .filter(|picture| !picture.captions.is_empty())
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for said in described.iter().flat_map(|picture| &picture.captions) {
        *counts.entry(said).or_default() += 1;
    }
    // Of those that are as frequent the first by name, so that two runs agree.
    let most = counts
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
    let Some((most_frequent, _)) = most else {
        return Ok(None);
    };
    let mut pairs = Vec::new();
    for chunk in described.chunks(CALL) {
        let tensors = tensors(chunk, captioner.input_spec())?;
        let answers = captioner
            .caption(Lane::Bulk, tensors, &CaptionOptions::default())
            .await?;
        for (picture, answer) in chunk.iter().zip(answers) {
            *unusable += usize::from(answer.is_err());
            pairs.push(CaptionPair {
                written: answer.unwrap_or_default(),
                references: picture.captions.clone(),
            });
        }
    }
    let always = |pair: &CaptionPair| CaptionPair {
        written: most_frequent.to_owned(),
        references: pair.references.clone(),
    };
    let trivial: Vec<CaptionPair> = pairs.iter().map(always).collect();
    Ok(Some(Captioned {
        quality: caption_quality(&pairs),
        most_frequent: most_frequent.to_owned(),
        trivial: caption_quality(&trivial),
    }))
}

async fn tag(
    tagger: &Tagger,
    pictures: &[Labelled],
    unusable: &mut usize,
) -> anyhow::Result<Option<TagQuality>> {
    let labelled: Vec<&Labelled> = pictures
        .iter()
        .filter(|picture| !picture.labels.is_empty())
        .collect();
    let mut tagged = Vec::new();
    for chunk in labelled.chunks(CALL) {
        let tensors = tensors(chunk, tagger.input_spec())?;
        let answers = tagger.tag(Lane::Bulk, tensors).await?;
        for (picture, answer) in chunk.iter().zip(answers) {
            *unusable += usize::from(answer.is_err());
            let said = answer.unwrap_or_default().into_iter();
            tagged.push(TaggedPicture {
                truth: picture.labels.clone(),
                said: said.map(|tag| tag.name.to_string()).collect(),
            });
        }
    }
    Ok(tag_quality(&tagged))
}
