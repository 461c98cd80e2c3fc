//! The bench's own folder: a database, a generated dataset and its generation, made once and used again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use lamina_explore::{Encoders, generations as building, index_settings};
use lamina_index::{ExpectedGeneration, FileBytes, Generation, GenerationHeader, StopFlag, build};
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, datasets, generations, users::User};
use lamina_types::{DatasetId, DatasetStatus, EntityType, INDEX_SLOT, Space, SpaceKey};
use serde::{Deserialize, Serialize};

use super::rows::Making;
use super::vectors::draw;
use crate::commands::bench::process_cpu;
use crate::home::Home;

/// Whose ordinals the generation has: the same for every dataset that is made, so that a generation outlives its database.
const ORIGIN: &str = "00000000-0000-4000-8000-00000be4c400";
/// No package: nothing asks for more vectors of this space.
const PACKAGE: &str = "bench@1";
/// What is known of the dataset, in its folder when it is complete.
pub const NOTES: &str = "dataset.json";
const BUILT: &str = "built.generation";

/// What is to be there.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub media: usize,
    /// Values of a vector.
    pub dimension: usize,
    /// Whether captions get vectors, which needs a sentence encoder.
    pub are_captions_searched: bool,
}

/// What is known of the dataset that is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notes {
    pub dataset: DatasetId,
    /// Uniqueness that one hundredth, one tenth and half of the media exceed.
    pub uniqueness: [f32; 3],
    pub generation_bytes: usize,
    /// Wall and CPU seconds of building the index.
    #[serde(default)]
    pub build_s: Option<(f64, f64)>,
}

/// The generated dataset.
pub struct Place {
    pub pool: PgPool,
    pub owner: User,
    pub notes: Notes,
}

impl Place {
    /// What is there, or makes it: an hour for a million media.
    ///
    /// # Errors
    /// No room, no Postgres, no sentence encoder.
    pub async fn ready(
        dir: PathBuf,
        home: &Home,
        encoders: &Encoders,
        wanted: Wanted,
    ) -> anyhow::Result<Self> {
        let owner = home.ensure_first_user().await?;
        let notes = match fs_err::read(dir.join(NOTES)) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(_) => make(&dir, home, &owner, encoders, wanted).await?,
        };
        Ok(Self {
            pool: home.pool.clone(),
            owner,
            notes,
        })
    }

    /// The file of the index, and what it must hold.
    ///
    /// # Errors
    /// The database, or a dataset that is gone.
    pub async fn index_file(&self, home: &Home) -> anyhow::Result<(PathBuf, ExpectedGeneration)> {
        let spaces = lamina_store::spaces::list(&self.pool, self.notes.dataset).await?;
        let space = spaces
            .iter()
            .find(|space| space.space == Space::Index)
            .context("the dataset has no vectors")?;
        let rows = generations::list(&self.pool, self.notes.dataset).await?;
        let row = rows.first().context("the dataset has no index")?;
        let path = home.blobs.generation_path(&row.blob_key)?;
        Ok((path, building::expectation(row, space)))
    }
}

async fn make(
    dir: &Path,
    home: &Home,
    owner: &User,
    encoders: &Encoders,
    wanted: Wanted,
) -> anyhow::Result<Notes> {
    let Wanted {
        media, dimension, ..
    } = wanted;
    tracing::info!(media, dir = %dir.display(), "making a dataset");
    let drawn = tokio::task::spawn_blocking(move || draw(media, dimension)).await??;
    let space = DatasetSpace {
        entity_type: EntityType::Images,
        space: Space::Index,
        key: SpaceKey {
            package: PACKAGE.to_owned(),
            parameters: String::new(),
        },
        dimension: u32::try_from(dimension)?,
    };
    let bound = encoders.bound(&home.pool, INDEX_SLOT).await?;
    let bands = encoders
        .bands(&bound.key())
        .context("the INDEX package has no distances")?;
    let header = GenerationHeader {
        origin_dataset_id: ORIGIN.parse()?,
        entity_type: space.entity_type,
        space: space.space,
        key: space.key.clone(),
        number: 1,
    };
    let built = dir.join(BUILT);
    let mut build_s = None;
    if !built.exists() {
        let (header, built) = (header.clone(), built.clone());
        let settings = index_settings(&bands, lamina_index::DEFAULT_EXACT_LIMIT);
        let vectors = Arc::new(drawn.vectors);
        let (begun, start) = (Instant::now(), process_cpu());
        tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            let generation = build(header, vectors, &settings, &StopFlag::new())?;
            let part = built.with_extension("part");
            fs_err::write(&part, generation.encode())?;
            Ok(fs_err::rename(part, built)?)
        })
        .await??;
        let cpu = process_cpu().saturating_sub(start).as_secs_f64();
        build_s = Some((begun.elapsed().as_secs_f64(), cpu));
    }
    tracing::info!("the index is built; making rows");
    let making = Making {
        home,
        owner,
        encoders,
        are_captions_searched: wanted.are_captions_searched,
    };
    let dataset = making.dataset(&drawn.groups, &space).await?;
    let published = publish(home, dataset, &header, &built).await?;
    let notes = Notes {
        build_s,
        ..published
    };
    fs_err::write(dir.join(NOTES), serde_json::to_vec(&notes)?)?;
    fs_err::remove_file(built)?;
    Ok(notes)
}

/// Puts the generation where readers look for it.
async fn publish(
    home: &Home,
    dataset: DatasetId,
    header: &GenerationHeader,
    built: &Path,
) -> anyhow::Result<Notes> {
    let bytes = fs_err::read(built)?;
    let media = lamina_store::media::count(&home.pool, dataset).await?;
    let row = generations::Generation {
        dataset_id: dataset,
        entity_type: header.entity_type,
        space: header.space,
        number: header.number,
        origin_dataset_id: header.origin_dataset_id,
        blob_key: BlobStore::generation_key(
            dataset,
            header.entity_type,
            header.space,
            header.number,
        ),
        checksum: Generation::checksum_of(&bytes),
        count: u32::try_from(media)?,
        created_at: chrono::DateTime::UNIX_EPOCH,
    };
    let generation_bytes = bytes.len();
    home.blobs
        .put_generation(&row.blob_key, bytes.into())
        .await?;
    generations::publish(&home.pool, &row).await?;
    let mut tx = home.pool.begin().await?;
    datasets::set_status(&mut tx, dataset, DatasetStatus::Ready).await?;
    tx.commit().await?;
    let file = Arc::new(FileBytes::open(
        &home.blobs.generation_path(&row.blob_key)?,
    )?);
    let spaces = lamina_store::spaces::list(&home.pool, dataset).await?;
    let space = spaces
        .iter()
        .find(|space| space.space == Space::Index)
        .context("the dataset has no vectors")?;
    let generation = Generation::load(&file, &building::expectation(&row, space))?;
    let mut scores = generation.uniqueness;
    scores.sort_unstable_by(f32::total_cmp);
    let exceeded_by = |share: f64| {
        let place = (scores.len() as f64 * (1.0 - share)) as usize;
        scores.get(place).copied().unwrap_or(1.0)
    };
    Ok(Notes {
        dataset,
        uniqueness: [0.0099, 0.0999, 0.5].map(exceeded_by),
        generation_bytes,
        build_s: None,
    })
}
