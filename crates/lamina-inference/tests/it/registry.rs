//! The registry of models against the real library.

use std::path::Path;
use std::time::{Duration, Instant};

use lamina_inference::{EncoderConfig, ErrorClass, InferenceError, Lane, Models, ModelsOptions};

use crate::support::{copy_of_tiny, picture, runtime};

const TINY: &str = "tiny-dual-encoder@1";
const IDLE: Duration = Duration::from_secs(60);

fn models(folder: &Path) -> Models {
    let options = ModelsOptions {
        dirs: vec![folder.to_owned()],
        encoder: EncoderConfig::default(),
        idle_unload: IDLE,
    };
    Models::new(runtime(), options)
}

fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let folder = root.path().join(name);
        fs_err::create_dir(&folder).unwrap();
        copy_of_tiny(&folder);
        let path = folder.join("model.toml");
        let text = fs_err::read_to_string(&path).unwrap();
        let named = text.replacen(
            "name = \"tiny-dual-encoder\"",
            &format!("name = \"{name}\""),
            1,
        );
        fs_err::write(path, named).unwrap();
    }
    root
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_share_one_load_and_several_models_run_together() {
    let root = folder_with(&["tiny-dual-encoder", "other"]);
    let models = models(root.path());
    assert!(models.reports().is_empty(), "nothing is loaded unasked");
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..8 {
        let models = models.clone();
        asked.spawn(async move {
            let encoder = models.dual_encoder(TINY).await.unwrap();
            let inputs = vec![picture(number)];
            encoder.embed_images(Lane::Bulk, inputs).await.unwrap();
        });
    }
    asked.join_all().await;
    models.dual_encoder("other@1").await.unwrap();
    let reports = models.reports();
    let names: Vec<&str> = reports
        .iter()
        .map(|report| report.package.as_str())
        .collect();
    assert_eq!(names, ["other@1", TINY]);
    let vision = &reports[1].graphs[0];
    // Had every caller loaded one of its own, this one would have seen fewer.
    assert_eq!((vision.0, vision.1.items), ("vision", 8));
    assert!(reports.iter().all(lamina_inference::ModelReport::is_ready));
}

#[tokio::test]
async fn a_model_is_unloaded_when_idle_and_not_while_it_is_held() {
    let root = folder_with(&["tiny-dual-encoder"]);
    let models = models(root.path());
    let encoder = models.dual_encoder(TINY).await.unwrap();
    let start = Instant::now();
    let later = start + 10 * IDLE;
    assert!(models.unload_idle(later).is_empty(), "it is held");
    drop(encoder);
    assert!(
        models.unload_idle(later + IDLE / 2).is_empty(),
        "it was held half a time ago"
    );
    assert_eq!(models.unload_idle(later + IDLE), [TINY]);
    assert!(models.reports().is_empty());
    let again = models.dual_encoder(TINY).await.unwrap();
    let vectors = again
        .embed_images(Lane::Interactive, vec![picture(0)])
        .await;
    assert!(vectors.unwrap()[0].is_ok(), "loaded anew");
}

#[tokio::test]
async fn what_is_missing_damaged_or_of_another_family_is_refused_and_mended_without_a_restart() {
    let root = folder_with(&["tiny-dual-encoder"]);
    let models = models(root.path());
    let missing = models.dual_encoder("nothing@1").await.unwrap_err();
    assert!(
        matches!(&missing, InferenceError::NotInstalled { package } if package == "nothing@1"),
        "{missing:?}"
    );
    assert_eq!(missing.class(), ErrorClass::Unavailable);
    assert!(!models.is_usable("nothing@1") && models.is_usable(TINY));

    let path = root.path().join("tiny-dual-encoder/tokenizer.json");
    let good = fs_err::read(&path).unwrap();
    fs_err::write(&path, b"{}").unwrap();
    let damaged = models.dual_encoder(TINY).await.unwrap_err();
    assert!(
        matches!(&damaged, InferenceError::Unusable { package, .. } if package == TINY),
        "{damaged:?}"
    );
    assert!(!models.is_usable(TINY) && models.reports().is_empty());
    fs_err::write(&path, good).unwrap();
    models.dual_encoder(TINY).await.unwrap();
}

#[tokio::test]
async fn a_stopped_model_is_loaded_anew_and_a_stopped_registry_loads_nothing() {
    let root = folder_with(&["tiny-dual-encoder"]);
    let models = models(root.path());
    let first = models.dual_encoder(TINY).await.unwrap();
    first.shutdown().await;
    let second = models.dual_encoder(TINY).await.unwrap();
    assert!(!first.report().is_ready() && second.report().is_ready());
    models.shutdown().await;
    assert!(!second.report().is_ready());
    let refused = models.dual_encoder(TINY).await.unwrap_err();
    assert!(
        matches!(refused, InferenceError::Stopped { .. }),
        "{refused:?}"
    );
}
