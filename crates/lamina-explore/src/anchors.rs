//! Pictures to search for: uploaded ones become anchors, stored vectors become queries.

use std::time::Duration;

use bytes::Bytes;
use lamina_index::{decode_vector, encode_vector};
use lamina_inference::{Lane, PictureEncoder};
use lamina_media::{DecodeLimits, InputSpec, THUMBNAIL_SIDE, decode, decode_at_least, model_input};
use lamina_store::anchors::{self, Anchor};
use lamina_store::media;
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_types::{
    AnchorId, BoundingBox, DatasetId, EntityType, MediaId, RejectReason, Rejection, SpaceKey,
};

use crate::plan::{AnchorKind, AnchorQuery, Region};
use crate::{DatasetSnapshot, ExploreError};

/// How long an uploaded picture can be searched for. The contract asks for at least 24 hours.
const ANCHOR_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Embeds the region of an uploaded picture and keeps the vector as an anchor of the dataset.
///
/// # Errors
/// Bytes that are no usable picture, a region outside of it, an overloaded model, the database.
pub async fn add(
    pool: &PgPool,
    encoder: &PictureEncoder,
    dataset: DatasetId,
    entity_type: EntityType,
    bytes: Bytes,
    region: Region,
) -> Result<AnchorId, ExploreError> {
    let spec = *encoder.input_spec();
    let input = tokio::task::spawn_blocking(move || input_of(&bytes, region, &spec)).await??;
    let answers = encoder.embed_images(Lane::Interactive, vec![input]).await?;
    let embedding = match answers.into_iter().next() {
        Some(Ok(embedding)) => embedding,
        Some(Err(error)) => return Err(no_vector(error.to_string())),
        None => return Err(no_vector("the model gave no answer")),
    };
    let anchor = Anchor {
        id: AnchorId::new(),
        dataset_id: dataset,
        entity_type,
        key: encoder.key().clone(),
        vector: encode_vector(&embedding),
    };
    anchors::insert(pool, &anchor, ANCHOR_LIFE).await?;
    Ok(anchor.id)
}

fn no_vector(detail: impl Into<String>) -> ExploreError {
    ExploreError::BadPicture(Rejection::new(RejectReason::NoEmbedding, detail))
}

/// The model's input for the region of a picture. A whole picture is decoded exactly as at ingest, so that a picture of
/// the dataset is found at distance 0; a region is cut from the full resolution.
fn input_of(bytes: &[u8], region: Region, spec: &InputSpec) -> Result<Vec<f32>, ExploreError> {
    let limits = DecodeLimits::default();
    let picture = match region {
        Region::Whole => decode_at_least(bytes, &limits, THUMBNAIL_SIDE),
        Region::Fractions(_) | Region::Pixels(_) => decode(bytes, &limits),
    }
    .map_err(ExploreError::BadPicture)?;
    let part = match region {
        Region::Whole => None,
        Region::Fractions([x, y, width, height]) => {
            Some(BoundingBox::from_fractions(x, y, width, height)?)
        }
        Region::Pixels(pixels) => Some(BoundingBox::from_pixels(
            pixels,
            picture.width,
            picture.height,
        )?),
    };
    let picture = part.map_or(picture.clone(), |part| picture.crop(&part));
    model_input(&picture, spec).map_err(|error| no_vector(error.to_string()))
}

/// The vector to search for, in the space of the dataset.
///
/// # Errors
/// [`ExploreError::UnknownAnchor`] when the id names neither an upload for this dataset nor a media item of it.
pub async fn resolve(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
    snapshot: &DatasetSnapshot,
    query: &AnchorQuery,
) -> Result<Vec<f32>, ExploreError> {
    if query.kind != Some(AnchorKind::Media)
        && let Some(vector) = uploaded(pool, dataset, &space.key, query).await?
    {
        return Ok(vector);
    }
    if query.kind != Some(AnchorKind::Upload) {
        let id = MediaId::from_uuid(query.id);
        let ordinals = media::ordinals_of(pool, dataset, &[id]).await?;
        // An item that came after this snapshot was made is not in it yet.
        if let Some(ordinal) = ordinals
            .get(&id)
            .filter(|ordinal| (**ordinal as usize) < snapshot.len())
        {
            return Ok(snapshot.generation().vectors.unit_row(*ordinal as usize));
        }
    }
    Err(ExploreError::UnknownAnchor(query.id))
}

async fn uploaded(
    pool: &PgPool,
    dataset: DatasetId,
    key: &SpaceKey,
    query: &AnchorQuery,
) -> Result<Option<Vec<f32>>, ExploreError> {
    let anchor = anchors::find(pool, dataset, AnchorId::from_uuid(query.id)).await?;
    // A vector of another space cannot be compared: the dataset was indexed anew since the upload.
    let Some(anchor) = anchor.filter(|anchor| anchor.key == *key) else {
        return Ok(None);
    };
    let embedding = decode_vector(&anchor.vector).map_err(|source| {
        ExploreError::Unavailable(format!(
            "the stored vector of the anchor is damaged: {source}"
        ))
    })?;
    Ok(Some(embedding.into_vec()))
}
