//! Pictures to search for: uploaded ones become anchors, stored vectors become queries.

use std::time::Duration;

use bytes::Bytes;
use lamina_index::{decode_vector, encode_vector};
use lamina_inference::{Lane, PictureEncoder};
use lamina_media::{DecodeLimits, InputSpec, THUMBNAIL_SIDE, decode, decode_at_least, model_input};
use lamina_store::anchors::{self, Anchor};
use lamina_store::sqlx::PgPool;
use lamina_store::{boxes, media, vectors};
use lamina_types::{
    AnchorId, BoundingBox, DatasetId, EntityType, MediaId, ObjectId, RejectReason, Rejection,
};
use uuid::Uuid;

use crate::ExploreError;
use crate::context::Context;
use crate::plan::{AnchorKind, AnchorQuery, Region};

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

/// The vector to search for, in the space of the dataset's items: of an upload, or of a picture or object of the dataset.
/// A picture can be searched for among objects and an object among pictures, as long as one model made both.
///
/// # Errors
/// [`ExploreError::UnknownAnchor`] when the id names neither an upload for this dataset nor an item of it.
pub(crate) async fn resolve(
    context: &Context<'_>,
    query: &AnchorQuery,
) -> Result<Vec<f32>, ExploreError> {
    if query.kind != Some(AnchorKind::Media)
        && let Some(vector) = uploaded(context, query).await?
    {
        return Ok(vector);
    }
    if query.kind != Some(AnchorKind::Upload)
        && let Some(vector) = of_item(context, query.id).await?
    {
        return Ok(vector);
    }
    Err(ExploreError::UnknownAnchor(query.id))
}

async fn uploaded(
    context: &Context<'_>,
    query: &AnchorQuery,
) -> Result<Option<Vec<f32>>, ExploreError> {
    let id = AnchorId::from_uuid(query.id);
    let anchor = anchors::find(context.pool(), context.dataset_id(), id).await?;
    // A vector of another space cannot be compared: the dataset was indexed anew since the upload.
    let anchor = anchor.filter(|anchor| anchor.key == *context.key());
    anchor.map(|anchor| decoded(&anchor.vector)).transpose()
}

async fn of_item(context: &Context<'_>, id: Uuid) -> Result<Option<Vec<f32>>, ExploreError> {
    let (pool, dataset) = (context.pool(), context.dataset_id());
    let (object, picture) = (ObjectId::from_uuid(id), MediaId::from_uuid(id));
    let ordinal = match context.entity_type() {
        EntityType::Objects => boxes::ordinal_of(pool, dataset, object).await?,
        EntityType::Images => {
            let found = media::ordinals_of(pool, dataset, &[picture]).await?;
            found.get(&picture).copied()
        }
    };
    // An item that came after this snapshot was made is not in it yet.
    if let Some(place) = ordinal
        .map(|ordinal| ordinal as usize)
        .filter(|place| *place < context.snapshot.len())
    {
        return Ok(Some(context.snapshot.generation().vectors.unit_row(place)));
    }
    let key = context.key();
    let stored = match context.entity_type() {
        EntityType::Objects => vectors::of_picture(pool, dataset, picture, key).await?,
        EntityType::Images => vectors::of_object(pool, dataset, object, key).await?,
    };
    stored.map(|bytes| decoded(&bytes)).transpose()
}

fn decoded(vector: &[u8]) -> Result<Vec<f32>, ExploreError> {
    let embedding = decode_vector(vector).map_err(|source| {
        ExploreError::Unavailable(format!(
            "the stored vector of the anchor is damaged: {source}"
        ))
    })?;
    Ok(embedding.into_vec())
}
