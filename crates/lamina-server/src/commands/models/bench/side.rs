//! What can be run of a package: its pictures or its texts, whatever its family.

use anyhow::Context as _;
use lamina_inference::{
    CaptionOptions, Captioner, Detector, DetectorInput, DualEncoder, Family, FileRole,
    ImageEncoder, InferenceError, Lane, ModelManifest, Models, Tagger, TextEncoder, TextRole,
};
use lamina_media::{DecodeLimits, InputSpec, Picture, decode, demo, model_input};

/// Demo pictures that the measurements go round.
pub const PICTURES: usize = 16;

/// One input of a model and the call that answers it.
#[derive(Clone)]
pub enum Side {
    DualPictures(DualEncoder),
    DualTexts(DualEncoder),
    Pictures(ImageEncoder),
    Texts(TextEncoder),
    Detector(Detector),
    Captioner(Captioner),
    Tagger(Tagger),
}

/// What goes in, prepared.
#[derive(Clone)]
pub enum Item {
    Picture(DetectorInput),
    Text(String),
}

impl Side {
    /// The sides of a package, pictures first. Loads the model.
    ///
    /// # Errors
    /// Those of the model.
    pub async fn all(models: &Models, package: &str) -> anyhow::Result<Vec<Self>> {
        let manifest = models
            .manifest(package)
            .context("the package has no manifest")?;
        Ok(match manifest.family {
            Family::DualEncoder => {
                let encoder = models.dual_encoder(package).await?;
                let texts = encoder.has_text().then(|| Self::DualTexts(encoder.clone()));
                [Some(Self::DualPictures(encoder)), texts]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Family::ImageEncoder => vec![Self::Pictures(models.image_encoder(package).await?)],
            Family::TextEncoder => vec![Self::Texts(models.text_encoder(package).await?)],
            Family::Detector => vec![Self::Detector(models.detector(package).await?)],
            Family::Captioner => vec![Self::Captioner(models.captioner(package).await?)],
            Family::Tagger => vec![Self::Tagger(models.tagger(package).await?)],
        })
    }

    /// Its name in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DualTexts(_) | Self::Texts(_) => "texts",
            Self::DualPictures(_)
            | Self::Pictures(_)
            | Self::Detector(_)
            | Self::Captioner(_)
            | Self::Tagger(_) => "pictures",
        }
    }

    /// How its pictures are prepared.
    pub fn input_spec(&self) -> Option<InputSpec> {
        match self {
            Self::DualTexts(_) | Self::Texts(_) => None,
            Self::DualPictures(encoder) => Some(*encoder.input_spec()),
            Self::Pictures(encoder) => Some(*encoder.input_spec()),
            Self::Detector(detector) => Some(*detector.input_spec()),
            Self::Captioner(captioner) => Some(*captioner.input_spec()),
            Self::Tagger(tagger) => Some(*tagger.input_spec()),
        }
    }

    /// Answers for so many items, which are thrown away.
    ///
    /// # Errors
    /// Those of the model; an answer of no use.
    pub async fn run(&self, lane: Lane, items: Vec<Item>) -> anyhow::Result<()> {
        match self {
            Self::DualTexts(encoder) => {
                encoder.embed_texts(lane, texts(items)).await?;
            }
            Self::Texts(encoder) => {
                encoder.embed(lane, TextRole::Query, texts(items)).await?;
            }
            Self::DualPictures(encoder) => {
                usable(encoder.embed_images(lane, tensors(items)).await)?;
            }
            Self::Pictures(encoder) => usable(encoder.embed_images(lane, tensors(items)).await)?,
            Self::Detector(detector) => {
                let threshold = detector.default_threshold();
                usable(detector.detect(lane, pictures(items), threshold).await)?;
            }
            Self::Captioner(captioner) => {
                let options = CaptionOptions::default();
                usable(captioner.caption(lane, tensors(items), &options).await)?;
            }
            Self::Tagger(tagger) => usable(tagger.tag(lane, tensors(items)).await)?,
        }
        Ok(())
    }
}

/// The first fault, if any.
fn usable<T, E>(answers: Result<Vec<Result<T, E>>, InferenceError>) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    for answer in answers? {
        answer?;
    }
    Ok(())
}

fn pictures(items: Vec<Item>) -> Vec<DetectorInput> {
    let picture = |item| match item {
        Item::Picture(input) => Some(input),
        Item::Text(_) => None,
    };
    items.into_iter().filter_map(picture).collect()
}

fn tensors(items: Vec<Item>) -> Vec<Vec<f32>> {
    pictures(items)
        .into_iter()
        .map(|input| input.tensor)
        .collect()
}

fn texts(items: Vec<Item>) -> Vec<String> {
    let text = |item| match item {
        Item::Text(text) => Some(text),
        Item::Picture(_) => None,
    };
    items.into_iter().filter_map(text).collect()
}

/// A picture as its models take it.
///
/// # Errors
/// It cannot be resized.
pub fn prepare(picture: &Picture, spec: &InputSpec) -> anyhow::Result<DetectorInput> {
    let (width, height) = picture.pixel_size();
    Ok(DetectorInput {
        tensor: model_input(picture, spec)?,
        width,
        height,
    })
}

/// Pictures and texts that are always there: those of the demo dataset.
pub struct DemoItems {
    pictures: Vec<Picture>,
    texts: Vec<String>,
}

impl DemoItems {
    /// Draws them.
    ///
    /// # Errors
    /// A bug in the drawing.
    pub fn draw() -> anyhow::Result<Self> {
        let demo: Vec<_> = demo::pictures().into_iter().take(PICTURES).collect();
        let limits = DecodeLimits::default();
        let picture = |one: &demo::DemoPicture| {
            decode(&one.bytes()?, &limits)
                .map_err(|rejection| anyhow::anyhow!("a demo picture was refused: {rejection}"))
        };
        Ok(Self {
            pictures: demo.iter().map(picture).collect::<Result<_, _>>()?,
            texts: demo.iter().map(|one| words(&one.file_name)).collect(),
        })
    }

    /// As one side takes them.
    ///
    /// # Errors
    /// A picture cannot be resized.
    pub fn of(&self, side: &Side) -> anyhow::Result<Vec<Item>> {
        let Some(spec) = side.input_spec() else {
            return Ok(self.texts.iter().cloned().map(Item::Text).collect());
        };
        self.pictures
            .iter()
            .map(|picture| Ok(Item::Picture(prepare(picture, &spec)?)))
            .collect()
    }
}

/// `007-red-boat-on-the-water.jpg` is "red boat on the water".
fn words(file_name: &str) -> String {
    let stem = file_name.split('.').next().unwrap_or_default();
    let words: Vec<&str> = stem.split('-').skip(1).collect();
    words.join(" ")
}

/// The file of the graph that sees pictures, where one run of it answers a picture.
pub fn vision_file(manifest: &ModelManifest) -> Option<&str> {
    let role = match manifest.family {
        Family::DualEncoder | Family::ImageEncoder => FileRole::Vision,
        Family::Detector => FileRole::Model,
        Family::Tagger => {
            let is_single = manifest.file(FileRole::Model).is_some();
            if is_single {
                FileRole::Model
            } else {
                FileRole::Vision
            }
        }
        Family::TextEncoder | Family::Captioner => return None,
    };
    manifest.file(role).map(|file| file.path.as_str())
}
