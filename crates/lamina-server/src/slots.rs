//! Which slots there are, which family each needs, and what they are bound to.

use std::collections::BTreeMap;

use anyhow::Context as _;
use lamina_inference::{Family, PackageFolders};
use lamina_store::bindings::{Binding, Bindings};
use lamina_types::{CAPTION_TEXT_SLOT, EnrichmentType, INDEX_SLOT, Slot};
use serde::Deserialize;

use crate::config::InferenceOptions;

/// What a fresh installation is bound to.
const DEFAULTS: &str = include_str!("../../../models/bindings.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Default {
    package: String,
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
}

/// Ids of all slots, the internal ones first.
pub fn all() -> Vec<&'static str> {
    let public = Slot::ALL.iter().map(|slot| slot.id);
    [INDEX_SLOT, CAPTION_TEXT_SLOT]
        .into_iter()
        .chain(public)
        .collect()
}

/// The slot that an operator means, however it is written.
///
/// # Errors
/// There is none of this name; the message lists all.
pub fn find(text: &str) -> anyhow::Result<&'static str> {
    let found = all()
        .into_iter()
        .find(|slot| slot.eq_ignore_ascii_case(text));
    found.with_context(|| {
        format!(
            "there is no slot {text:?}; the slots are {}",
            all().join(", ")
        )
    })
}

/// The families that can answer to a slot.
pub fn families(slot: &str) -> &'static [Family] {
    match slot {
        INDEX_SLOT => &[Family::DualEncoder, Family::ImageEncoder],
        CAPTION_TEXT_SLOT => &[Family::TextEncoder],
        _ => match Slot::find(slot).map(|slot| slot.enrichment_type) {
            Some(EnrichmentType::CaptionImages | EnrichmentType::CaptionObjects) => {
                &[Family::Captioner]
            }
            Some(EnrichmentType::ObjectDetection) => &[Family::Detector],
            Some(EnrichmentType::ImageTagging) => &[Family::Tagger],
            Some(
                EnrichmentType::MultimodelImageEncoding | EnrichmentType::MultimodelObjectEncoding,
            ) => &[Family::DualEncoder],
            None => &[],
        },
    }
}

/// All bindings of this process: the options', the database's, the defaults.
///
/// # Errors
/// `--index-package` names a package that is not there.
pub fn bindings(options: &InferenceOptions, folders: &PackageFolders) -> anyhow::Result<Bindings> {
    let mut fixed = Vec::new();
    if let Some(name) = &options.index_package {
        let package = folders
            .resolve(name)
            .with_context(|| not_found(name, folders))?;
        fixed.push(Binding {
            slot: INDEX_SLOT.to_owned(),
            package,
            parameters: serde_json::Map::new(),
        });
    }
    Ok(Bindings::new(fixed, defaults()?))
}

/// Where a package was looked for.
pub fn not_found(name: &str, folders: &PackageFolders) -> String {
    let looked: Vec<String> = folders
        .dirs()
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    format!(
        "the model package {name:?} was not found in: {}; see `lamina models list`, or set --models-dir or \
         LAMINA_MODELS_DIR to the folder that holds it",
        looked.join(", ")
    )
}

fn defaults() -> anyhow::Result<Vec<Binding>> {
    let table: BTreeMap<String, Default> =
        toml::from_str(DEFAULTS).context("models/bindings.toml cannot be read")?;
    let binding = |(slot, said): (String, Default)| Binding {
        slot,
        package: said.package,
        parameters: said.parameters,
    };
    Ok(table.into_iter().map(binding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_of_a_slot_and_every_slot_has_a_family() {
        for binding in defaults().unwrap() {
            assert_eq!(find(&binding.slot).unwrap(), binding.slot);
        }
        for slot in all() {
            assert!(!families(slot).is_empty(), "{slot}");
        }
        assert!(find("vl_face_detector").is_err());
        assert_eq!(find("index").unwrap(), INDEX_SLOT);
    }
}
