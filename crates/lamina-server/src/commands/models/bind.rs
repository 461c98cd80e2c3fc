//! `lamina models bind`.

use std::process::ExitCode;

use anyhow::Context as _;
use lamina_inference::Family;
use lamina_store::bindings::{self, Binding};
use serde_json::{Map, Value};

use super::args::{BindArgs, ModelsArgs};
use crate::home::{Home, Stay};
use crate::{output, slots};

/// Most beams of a captioner.
const MAX_BEAMS: u64 = 16;

/// Binds a slot, or gives it back to its default. Servers and workers see it at once.
///
/// # Errors
/// An unknown slot; a package that is not there, not whole, or of a family that cannot answer; a parameter that the family does not
/// have.
pub async fn run(args: &ModelsArgs, bind: &BindArgs) -> anyhow::Result<ExitCode> {
    let slot = slots::find(&bind.slot)?;
    let binding = bind
        .package
        .as_deref()
        .map(|package| binding(args, slot, package, &bind.parameters));
    let binding = binding.transpose()?;
    anyhow::ensure!(
        binding.is_some() || bind.parameters.is_empty(),
        "parameters belong to a package: name it"
    );
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let written = write(&home, slot, binding.as_ref()).await;
    home.close().await;
    written?;
    if slot == lamina_types::INDEX_SLOT && args.inference.index_package.is_some() {
        output::line(
            "note: --index-package or LAMINA_INDEX_PACKAGE is set here and wins over this wherever it is set",
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn write(home: &Home, slot: &str, binding: Option<&Binding>) -> anyhow::Result<()> {
    let Some(binding) = binding else {
        bindings::remove(&home.pool, slot).await?;
        output::line(format_args!("{slot} is back at its default"));
        return Ok(());
    };
    bindings::put(&home.pool, binding).await?;
    output::line(format_args!(
        "{slot} is bound to {} {}; jobs that run and datasets that are there keep what they were made with",
        binding.package,
        binding.key().parameters
    ));
    Ok(())
}

fn binding(
    args: &ModelsArgs,
    slot: &str,
    package: &str,
    parameters: &[String],
) -> anyhow::Result<Binding> {
    let state = super::find(&super::folders(args), package)?;
    if let Some(problem) = super::problem(&state) {
        anyhow::bail!("{} cannot be used: {problem}", state.package);
    }
    let family = state.family().context("the package has no manifest")?;
    let families = slots::families(slot);
    anyhow::ensure!(
        families.contains(&family),
        "{} is of the family {}; the slot {slot} needs {}",
        state.package,
        family.as_str(),
        families
            .iter()
            .map(|family| family.as_str())
            .collect::<Vec<_>>()
            .join(" or ")
    );
    let takes_text = state
        .manifest
        .as_ref()
        .is_some_and(|manifest| manifest.text.is_some());
    anyhow::ensure!(
        takes_text || slot == lamina_types::INDEX_SLOT || !matches!(family, Family::DualEncoder),
        "{} cannot read texts, which the slot {slot} is for",
        state.package
    );
    Ok(Binding {
        slot: slot.to_owned(),
        package: state.package,
        parameters: read_parameters(family, parameters)?,
    })
}

fn read_parameters(family: Family, texts: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut parameters = Map::new();
    for text in texts {
        let (key, value) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not KEY=VALUE"))?;
        let value = match (family, key) {
            (Family::Detector, "score_threshold") => share(value),
            (Family::Captioner, "beams") => beams(value),
            (Family::Captioner, "prompt") => Some(value.into()),
            _ => anyhow::bail!(
                "a package of the family {} has no parameter {key:?}; detectors have score_threshold, captioners \
                 beams and prompt",
                family.as_str()
            ),
        };
        let value = value.with_context(|| format!("{text:?} is out of range"))?;
        anyhow::ensure!(
            parameters.insert(key.to_owned(), value).is_none(),
            "{key} is set twice"
        );
    }
    Ok(parameters)
}

fn share(text: &str) -> Option<Value> {
    let number: f64 = text.parse().ok()?;
    (0.0..=1.0).contains(&number).then(|| number.into())
}

fn beams(text: &str) -> Option<Value> {
    let number: u64 = text.parse().ok()?;
    (1..=MAX_BEAMS).contains(&number).then(|| number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(family: Family, texts: &[&str]) -> anyhow::Result<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(bindings::canonical(&read_parameters(family, &texts)?))
    }

    #[test]
    fn parameters_belong_to_families_and_have_ranges() {
        let found = read(Family::Captioner, &["prompt=<CAPTION>", "beams=3"]).unwrap();
        assert_eq!(found, "{\"beams\":3,\"prompt\":\"<CAPTION>\"}");
        assert_eq!(
            read(Family::Detector, &["score_threshold=0.4"]).unwrap(),
            "{\"score_threshold\":0.4}"
        );
        assert_eq!(read(Family::Tagger, &[]).unwrap(), "");
        for (family, text) in [
            (Family::Detector, "score_threshold=1.5"),
            (Family::Detector, "score_threshold=nan"),
            (Family::Detector, "beams=3"),
            (Family::Captioner, "beams=0"),
            (Family::Captioner, "beams"),
            (Family::DualEncoder, "score_threshold=0.5"),
        ] {
            assert!(read(family, &[text]).is_err(), "{text}");
        }
        assert!(read(Family::Captioner, &["beams=2", "beams=3"]).is_err());
    }
}
