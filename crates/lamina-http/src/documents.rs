//! Documents that are written while they are sent: nothing is held but a batch.

use axum::body::Body;
use bytes::Bytes;
use lamina_explore::ExplorePlan;
use lamina_export::gather::{BATCH, Wanted};
use lamina_export::{About, FormatWriter as _, JsonWriter};
use lamina_store::datasets::DatasetAccess;
use lamina_store::exports::Selected;
use lamina_store::{Principal, media};
use lamina_types::{DatasetId, EntityType, SimilarityThreshold};
use tokio::sync::mpsc;

use crate::ApiError;
use crate::links::LinkMaker;
use crate::state::AppState;

type Piece = Result<Bytes, std::io::Error>;

fn body(mut pieces: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(futures::stream::poll_fn(move |context| {
        pieces.poll_recv(context)
    }))
}

/// The export document of a whole dataset.
///
/// # Errors
/// The database, the index. What goes wrong later cuts the answer off, which every client of the format notices.
pub(crate) async fn json(
    state: &AppState,
    access: DatasetAccess,
    user: Principal,
    maker: &LinkMaker,
) -> Result<Body, ApiError> {
    let plan = ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, 0);
    let members = state.explorer.select(&access, &plan, None).await?;
    let members: Vec<Selected> = members
        .into_iter()
        .flatten()
        .map(|member| Selected {
            ordinal: member.ordinal,
            distance: None,
        })
        .collect();
    let dataset = access.dataset();
    let about = About {
        dataset: dataset.display_name.clone(),
        dataset_url: maker.absolute(&format!("/dataset/{}", dataset.id)),
        created_at: dataset.created_at,
        exported_at: chrono::Utc::now(),
        exported_by: user.name,
        items: members.len() as u64,
    };
    let (pieces, receiver) = mpsc::channel::<Piece>(2);
    let (items, mut items_in) = mpsc::channel(2);
    let explorer = std::sync::Arc::clone(&state.explorer);
    state.tasks.spawn(async move {
        let read = async move {
            let wanted = Wanted {
                entity_type: EntityType::Images,
                level: SimilarityThreshold::FINEST,
                members,
            };
            explorer.gather(&access, wanted, items).await
        };
        let write = async {
            let mut writer = JsonWriter::begin(Vec::with_capacity(64 * BATCH), &about)?;
            while let Some(batch) = items_in.recv().await {
                for item in &batch {
                    writer.item(item)?;
                }
                if pieces.send(Ok(writer.take().into())).await.is_err() {
                    return Ok(());
                }
            }
            writer.end()?;
            let _ = pieces.send(Ok(writer.take().into())).await;
            Ok::<_, lamina_export::ExportError>(())
        };
        let (read, written) = tokio::join!(read, write);
        if let Err(error) = read.and(written) {
            tracing::warn!(%error, "an export document was cut off");
            let _ = pieces.send(Err(std::io::Error::other("cut off"))).await;
        }
    });
    Ok(body(receiver))
}

/// `filename,media_id` of every media item.
pub(crate) fn media_ids(state: &AppState, dataset: DatasetId) -> Body {
    let (pieces, receiver) = mpsc::channel::<Piece>(2);
    let pool = state.pool.clone();
    state.tasks.spawn(async move {
        if pieces
            .send(Ok(Bytes::from_static(b"filename,media_id\n")))
            .await
            .is_err()
        {
            return;
        }
        let mut next = 0_u32;
        loop {
            let ordinals: Vec<u32> = (next..next.saturating_add(BATCH as u32)).collect();
            let piece = match media::by_ordinals(&pool, dataset, &ordinals).await {
                Ok(rows) if rows.is_empty() => return,
                Ok(rows) => lamina_export::media_id_lines(
                    rows.iter().map(|row| (row.original_uri.as_str(), row.id)),
                )
                .map(Bytes::from),
                Err(error) => Err(std::io::Error::other(error)),
            };
            let is_over = piece.is_err();
            if pieces.send(piece).await.is_err() || is_over {
                return;
            }
            next = next.saturating_add(BATCH as u32);
        }
    });
    body(receiver)
}
