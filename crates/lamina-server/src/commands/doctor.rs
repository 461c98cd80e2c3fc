//! `lamina doctor`: each precondition, tried by really using it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use lamina_inference::Lane;
use lamina_types::INDEX_SLOT;

use crate::cli::DoctorArgs;
use crate::home::{Home, Stay};
use crate::{engine, output};

/// Tries everything and says how to mend what does not work.
///
/// # Errors
/// None: what does not work is part of the answer.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut healthy = true;
    let mut say = |what: &str, outcome: anyhow::Result<String>| match outcome {
        Ok(found) => output::line(format_args!("ok    {what:<16} {found}")),
        Err(error) => {
            healthy = false;
            output::line(format_args!("FAIL  {what:<16} {error:#}"));
        }
    };
    say("data directory", data_directory(&args));
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await;
    let database = match &home {
        Ok(home) => database(home).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    say("database", database);
    if let Ok(home) = &home {
        let space = home.blobs.free_space().map_err(anyhow::Error::from);
        say(
            "disk space",
            space.and_then(|(free, margin)| {
                let text = format!(
                    "{:.1} GB free, {:.1} GB kept free",
                    free as f64 / 1e9,
                    margin as f64 / 1e9
                );
                anyhow::ensure!(
                    free > margin,
                    "{text}: make room, or uploads and ingests are refused"
                );
                Ok(text)
            }),
        );
    }
    let runtime = engine::load_runtime(&args.inference, &args.data.data_dir);
    let described = match &runtime {
        Ok(runtime) => Ok(format!(
            "{} from {}, device {}",
            runtime.version(),
            runtime.library().display(),
            runtime.device()
        )),
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    say("ONNX Runtime", described);
    if runtime.is_ok() {
        say("INDEX model", model(&args, home.as_ref().ok()).await);
    }
    if let Ok(home) = home {
        home.close().await;
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes, syncs and removes a file.
fn data_directory(args: &DoctorArgs) -> anyhow::Result<String> {
    let dir = &args.data.data_dir;
    fs_err::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)
        .with_context(|| format!("{} cannot be written", dir.display()))?;
    file.write_all(b"lamina")?;
    file.as_file().sync_all()?;
    Ok(format!("{} can be written", dir.display()))
}

async fn database(home: &Home) -> anyhow::Result<String> {
    let version: String = lamina_store::sqlx::query_scalar("select version()")
        .fetch_one(&home.pool)
        .await?;
    let short = version.split(" on ").next().unwrap_or(&version).to_owned();
    Ok(format!("{short}, schema up to date"))
}

/// Embeds one picture and one text.
async fn model(args: &DoctorArgs, home: Option<&Home>) -> anyhow::Result<String> {
    let encoders = engine::load_models(&args.inference, &args.data.data_dir)?;
    let index = match home {
        Some(home) => encoders.bound(&home.pool, INDEX_SLOT).await?,
        None => {
            let default = encoders.bindings().default_of(INDEX_SLOT);
            default.context("nothing is bound to INDEX")?.clone()
        }
    };
    let encoder = engine::index_encoder(&encoders, &index.package).await?;
    let scene = lamina_media::demo::Scene::new(1).draw(320, 240);
    let input = lamina_media::model_input(&scene, encoder.input_spec())?;
    let answer = encoder.embed_images(Lane::Interactive, vec![input]).await?;
    let vector = answer.into_iter().next().context("no answer")??;
    let text = if let Some(encoder) = encoder.with_text() {
        encoder
            .embed_texts(Lane::Interactive, vec!["a red circle".to_owned()])
            .await?;
        "pictures and texts"
    } else {
        "pictures"
    };
    encoders.models().shutdown().await;
    let name = index.package;
    Ok(format!(
        "{name} embeds {text} into {} values",
        vector.dimension()
    ))
}
