//! What a folder in a hub's layout holds: `config.json`, `preprocessor_config.json`, `onnx/*.onnx`, `tokenizer.json`.
//!
//! Everything is read, nothing is run. What the files do not say is assumed, and said.

use std::path::{Path, PathBuf};

use lamina_inference::FileRole;
use serde_json::Value;
use toml::Table;

use crate::error::LayoutError;
use crate::preprocessor;

/// Largest configuration file.
const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Most tokens of a text when nobody says it.
const DEFAULT_TOKENS: i64 = 512;

/// A file of the folder, and what it is for.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) role: FileRole,
}

/// What a folder comes to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Sections of the manifest: family, dimension, `[image]` and so on.
    pub(crate) sections: Table,
    pub(crate) files: Vec<Source>,
    /// Names of classes, if the configuration has them.
    pub(crate) labels: Option<String>,
    pub(crate) assumptions: Vec<String>,
}

impl Found {
    fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        self.sections.insert(key.to_owned(), value.into());
    }

    pub(crate) fn assume(&mut self, text: impl Into<String>) {
        self.assumptions.push(text.into());
    }
}

/// A folder being looked at.
pub(crate) struct Folder<'a> {
    root: &'a Path,
    pub(crate) config: Value,
    pub(crate) preprocessor: Option<Value>,
}

/// Recognises the folder.
pub(crate) fn recognise(root: &Path) -> Result<Found, LayoutError> {
    let folder = Folder {
        root,
        config: read_json(&root.join("config.json"))?.unwrap_or(Value::Null),
        preprocessor: read_json(&root.join("preprocessor_config.json"))?,
    };
    let has = |names: &[&str]| names.iter().all(|name| folder.graph(name).is_some());
    if has(&[
        "vision_encoder",
        "embed_tokens",
        "encoder_model",
        "decoder_model_merged",
    ]) {
        return folder.florence();
    }
    if has(&["vision_model", "text_model"]) {
        return folder.dual_encoder();
    }
    if has(&["encoder_model", "decoder_model_merged"]) {
        return folder.captioner();
    }
    if has(&["model"]) {
        return match (&folder.preprocessor, folder.classes()?) {
            (None, _) => folder.text_encoder(),
            (Some(_), Some(labels)) if folder.is_detector() => folder.detector(labels),
            (Some(_), _) => folder.image_encoder(),
        };
    }
    Err(LayoutError::Unknown(
        "there is no model.onnx, no vision_model.onnx with text_model.onnx, no encoder_model.onnx with \
         decoder_model_merged.onnx, neither in it nor in its onnx/"
            .to_owned(),
    ))
}

impl Folder<'_> {
    /// A graph by its name, in `onnx/` or beside the configuration.
    fn graph(&self, name: &str) -> Option<PathBuf> {
        let file = format!("{name}.onnx");
        let places = [self.root.join("onnx").join(&file), self.root.join(&file)];
        places.into_iter().find(|path| path.is_file())
    }

    fn add(&self, found: &mut Found, name: &str, role: FileRole) -> Result<(), LayoutError> {
        let path = self.graph(name);
        let path = path.ok_or_else(|| LayoutError::Unknown(format!("there is no {name}.onnx")))?;
        found.files.push(Source { path, role });
        Ok(())
    }

    fn add_tokenizer(&self, found: &mut Found) -> Result<(), LayoutError> {
        let path = self.root.join("tokenizer.json");
        if !path.is_file() {
            return Err(LayoutError::Unknown(
                "there is no tokenizer.json; vocab.txt and merges.txt alone are not read"
                    .to_owned(),
            ));
        }
        let role = FileRole::Tokenizer;
        found.files.push(Source { path, role });
        Ok(())
    }

    fn model_type(&self) -> &str {
        self.config
            .get("model_type")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn number(&self, path: &str) -> Option<i64> {
        self.config.pointer(path).and_then(Value::as_i64)
    }

    fn is_detector(&self) -> bool {
        let architectures = self.config.get("architectures").and_then(Value::as_array);
        let mut names = architectures
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        names.any(|name| name.contains("ObjectDetection"))
            || ["d_fine", "rt_detr", "rt_detr_v2", "rf_detr", "deim"].contains(&self.model_type())
    }

    /// `id2label` as one name a line.
    fn classes(&self) -> Result<Option<String>, LayoutError> {
        let Some(names) = self.config.get("id2label").and_then(Value::as_object) else {
            return Ok(None);
        };
        let wrong = |reason: &str| LayoutError::File {
            path: self.root.join("config.json"),
            reason: format!("id2label {reason}"),
        };
        let mut lines = vec![String::new(); names.len()];
        for (id, name) in names {
            let place = id.parse::<usize>().ok().and_then(|id| lines.get_mut(id));
            let place = place.ok_or_else(|| wrong("has holes"))?;
            let name = name
                .as_str()
                .ok_or_else(|| wrong("has a name that is no text"))?;
            if name.contains(['\n', '\r']) {
                return Err(wrong("has a name of two lines"));
            }
            name.clone_into(place);
        }
        Ok(Some(lines.join("\n") + "\n"))
    }

    fn image(&self, found: &mut Found) -> Result<(), LayoutError> {
        let path = self.root.join("preprocessor_config.json");
        let preprocessor = self.preprocessor.as_ref().ok_or_else(|| {
            LayoutError::Unknown("there is no preprocessor_config.json for its pictures".to_owned())
        })?;
        let section =
            preprocessor::image_section(preprocessor, self.number("/vision_config/image_size"))
                .map_err(|reason| LayoutError::File { path, reason })?;
        found.set("image", section);
        Ok(())
    }

    fn dual_encoder(&self) -> Result<Found, LayoutError> {
        let mut found = Found::default();
        found.set("family", "dual-encoder");
        found.set("task", "image-text-embedding");
        self.image(&mut found)?;
        self.add(&mut found, "vision_model", FileRole::Vision)?;
        self.add(&mut found, "text_model", FileRole::Text)?;
        self.add_tokenizer(&mut found)?;
        let is_siglip = self.model_type().starts_with("siglip");
        let dimension = self
            .number("/projection_dim")
            .or_else(|| self.number("/vision_config/projection_dim"))
            .or_else(|| {
                self.number("/vision_config/hidden_size")
                    .filter(|_| is_siglip)
            });
        let dimension = dimension.ok_or_else(|| missing("projection_dim"))?;
        found.set("dimension", dimension);
        let mut text = Table::new();
        let length = self.number("/text_config/max_position_embeddings");
        if length.is_none() {
            found.assume(format!(
                "texts of at most {} tokens",
                if is_siglip { 64 } else { 77 }
            ));
        }
        text.insert(
            "max_length".into(),
            length.unwrap_or(if is_siglip { 64 } else { 77 }).into(),
        );
        let pad = if is_siglip {
            i64::from(self.model_type() == "siglip")
        } else {
            49_407
        };
        text.insert(
            "pad_id".into(),
            self.number("/text_config/pad_token_id")
                .filter(|_| is_siglip)
                .unwrap_or(pad)
                .into(),
        );
        text.insert("pad_to_max".into(), is_siglip.into());
        text.insert("attention_mask".into(), false.into());
        found.set("text", text);
        found.assume(
            "the text graph takes no attention_mask, as the exports of CLIP and SigLIP have it",
        );
        index(&mut found, false);
        batch(&mut found, 16);
        Ok(found)
    }

    fn image_encoder(&self) -> Result<Found, LayoutError> {
        let mut found = Found::default();
        found.set("family", "image-encoder");
        found.set("task", "image-embedding");
        self.image(&mut found)?;
        self.add(&mut found, "model", FileRole::Vision)?;
        found.set(
            "dimension",
            self.number("/hidden_size")
                .ok_or_else(|| missing("hidden_size"))?,
        );
        index(&mut found, true);
        batch(&mut found, 16);
        Ok(found)
    }

    fn text_encoder(&self) -> Result<Found, LayoutError> {
        let mut found = Found::default();
        found.set("family", "text-encoder");
        found.set("task", "sentence-embedding");
        self.add(&mut found, "model", FileRole::Text)?;
        self.add_tokenizer(&mut found)?;
        found.set(
            "dimension",
            self.number("/hidden_size")
                .ok_or_else(|| missing("hidden_size"))?,
        );
        let pooling = read_json(&self.root.join("1_Pooling/config.json"))?;
        let is = |key: &str| {
            pooling
                .as_ref()
                .and_then(|found| found.get(key))
                .and_then(Value::as_bool)
        };
        let is_cls = is("pooling_mode_cls_token");
        if is_cls.is_none() {
            found.assume(
                "the mean of all tokens is the text's vector (there is no 1_Pooling/config.json)",
            );
        }
        let lengths = read_json(&self.root.join("sentence_bert_config.json"))?;
        let length = lengths
            .as_ref()
            .and_then(|found| found.get("max_seq_length"))
            .and_then(Value::as_i64);
        let length = length.or_else(|| self.number("/max_position_embeddings"));
        if length.is_none() {
            found.assume(format!("texts of at most {DEFAULT_TOKENS} tokens"));
        }
        let mut text = Table::new();
        text.insert("max_length".into(), length.unwrap_or(DEFAULT_TOKENS).into());
        text.insert(
            "pad_id".into(),
            self.number("/pad_token_id").unwrap_or(0).into(),
        );
        text.insert("pad_to_max".into(), false.into());
        text.insert("attention_mask".into(), true.into());
        text.insert(
            "pooling".into(),
            if is_cls == Some(true) { "cls" } else { "mean" }.into(),
        );
        found.set("text", text);
        found.assume("no prefixes for queries and passages; edit query_prefix and document_prefix where the model has some");
        batch(&mut found, 32);
        Ok(found)
    }

    fn detector(&self, labels: String) -> Result<Found, LayoutError> {
        let mut found = Found::default();
        found.set("family", "detector");
        found.set("task", "object-detection");
        self.image(&mut found)?;
        self.add(&mut found, "model", FileRole::Model)?;
        found.labels = Some(labels);
        let is_rf = self.model_type() == "rf_detr";
        let mut detector = Table::new();
        detector.insert(
            "layout".into(),
            if is_rf { "rf-detr" } else { "detr" }.into(),
        );
        detector.insert("score_threshold".into(), 0.5.into());
        found.set("detector", detector);
        found.assume("scores from 0.5 on are objects");
        batch(&mut found, 4);
        Ok(found)
    }

    fn captioner(&self) -> Result<Found, LayoutError> {
        let mut found = Found::default();
        found.set("family", "captioner");
        found.set("task", "image-captioning");
        self.image(&mut found)?;
        self.add(&mut found, "encoder_model", FileRole::Encoder)?;
        self.add(&mut found, "decoder_model_merged", FileRole::Decoder)?;
        self.add_tokenizer(&mut found)?;
        let generation =
            read_json(&self.root.join("generation_config.json"))?.unwrap_or(Value::Null);
        let token = |key: &str| {
            let said = generation.get(key).and_then(Value::as_i64);
            said.or_else(|| self.number(&format!("/{key}")))
        };
        let mut captioner = Table::new();
        captioner.insert("layout".into(), "encoder-decoder".into());
        let start =
            token("decoder_start_token_id").ok_or_else(|| missing("decoder_start_token_id"))?;
        captioner.insert("start_token".into(), start.into());
        captioner.insert(
            "stop_token".into(),
            token("eos_token_id")
                .ok_or_else(|| missing("eos_token_id"))?
                .into(),
        );
        let most = token("max_length");
        if most.is_none() {
            found.assume("captions of at most 32 tokens");
        }
        captioner.insert(
            "max_tokens".into(),
            most.unwrap_or(32).clamp(1, 1_024).into(),
        );
        if let Some(beams) = token("num_beams").filter(|beams| (1..=16).contains(beams)) {
            captioner.insert("beams".into(), beams.into());
        }
        found.set("captioner", captioner);
        batch(&mut found, 4);
        Ok(found)
    }

    fn florence(&self) -> Result<Found, LayoutError> {
        let mut found = Found::default();
        found.set("family", "captioner");
        found.set("task", "image-captioning");
        self.image(&mut found)?;
        self.add(&mut found, "vision_encoder", FileRole::Vision)?;
        self.add(&mut found, "embed_tokens", FileRole::EmbedTokens)?;
        self.add(&mut found, "encoder_model", FileRole::Encoder)?;
        self.add(&mut found, "decoder_model_merged", FileRole::Decoder)?;
        self.add_tokenizer(&mut found)?;
        let mut captioner = Table::new();
        captioner.insert("layout".into(), "florence2".into());
        for (key, value) in [
            ("start_token", 2),
            ("stop_token", 2),
            ("forced_first_token", 0),
            ("max_tokens", 128),
            ("beams", 3),
            ("no_repeat_ngram", 3),
        ] {
            captioner.insert(key.into(), i64::from(value).into());
        }
        captioner.insert("early_stopping".into(), true.into());
        captioner.insert("default_prompt".into(), "<CAPTION>".into());
        let prompts = self
            .preprocessor
            .as_ref()
            .and_then(|found| found.get("task_prompts_without_inputs"));
        let mut table = Table::new();
        for (key, value) in prompts.and_then(Value::as_object).into_iter().flatten() {
            if let Some(words) = value.as_str() {
                table.insert(key.clone(), words.into());
            }
        }
        if !table.contains_key("<CAPTION>") {
            table.insert("<CAPTION>".into(), "What does the image describe?".into());
            found.assume("the words of <CAPTION>");
        }
        captioner.insert("prompts".into(), table.into());
        found.set("captioner", captioner);
        found.assume("tokens and beams of Florence-2 as published");
        batch(&mut found, 1);
        Ok(found)
    }
}

fn missing(field: &str) -> LayoutError {
    LayoutError::Unknown(format!("config.json says no {field}"))
}

fn batch(found: &mut Found, most: i64) {
    let mut batch = Table::new();
    batch.insert("max_batch".into(), most.into());
    found.set("batch", batch);
    found.assume(format!("at most {most} items in a run"));
}

/// Distances between pictures are nowhere in a hub's layout.
fn index(found: &mut Found, is_wide: bool) {
    let (levels, others) = if is_wide {
        ([0.08, 0.2, 0.35, 0.5, 0.62], [0.45, 0.65, 0.93])
    } else {
        ([0.03, 0.07, 0.12, 0.18, 0.25], [0.25, 0.35, 0.96])
    };
    let mut index = Table::new();
    let levels: Vec<toml::Value> = levels.into_iter().map(toml::Value::from).collect();
    index.insert("cluster_distances".into(), levels.into());
    for (key, value) in [
        "anchor_distance",
        "outlier_distance",
        "duplicate_similarity",
    ]
    .iter()
    .zip(others)
    {
        index.insert((*key).to_owned(), value.into());
    }
    found.set("index", index);
    found.assume(
        "the distances of [index]: those usual for its kind; look at clusters and edit them",
    );
}

/// A configuration file; `None` where there is none.
fn read_json(path: &Path) -> Result<Option<Value>, LayoutError> {
    let file = |reason: String| LayoutError::File {
        path: path.to_owned(),
        reason,
    };
    let Ok(found) = fs_err::symlink_metadata(path) else {
        return Ok(None);
    };
    if !found.is_file() {
        return Err(file(
            "it is no regular file (copy a cache of links by `cp -rL`)".to_owned(),
        ));
    }
    if found.len() > MAX_CONFIG_BYTES {
        return Err(file(format!("it has {} bytes", found.len())));
    }
    let text = fs_err::read_to_string(path)?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| file(error.to_string()))
}
