//! Starting exports, and what callers are told of them.

use chrono::{TimeDelta, Utc};
use lamina_api::ExportTask;
use lamina_jobs::{NewJob, Phase};
use lamina_store::Principal;
use lamina_store::exports::{self, Export, NewExport, Selected};
use lamina_store::sqlx::Connection as _;
use lamina_types::{EntityType, ExportId, ExportSpec, ExportStatus, JobKind, SimilarityThreshold};

use crate::ApiError;
use crate::export_query::{ExportOptions, ExportQuery};
use crate::extract::OpenDataset;
use crate::links::LinkMaker;
use crate::selection;
use crate::state::AppState;

/// How long an archive is kept.
const LIFETIME: TimeDelta = TimeDelta::days(7);

/// What the contract calls an export that has nothing in it.
const NOTHING: &str = "No media match the selection";

/// What was selected.
pub(crate) struct Selection {
    pub(crate) entity_type: EntityType,
    pub(crate) level: SimilarityThreshold,
    pub(crate) members: Vec<Selected>,
}

/// Everything that matches a query, or the slice of it that was asked for.
///
/// # Errors
/// 404 for an unknown cluster or anchor; the database, the index.
pub(crate) async fn select(
    state: &AppState,
    open: &OpenDataset,
    query: &ExportQuery,
) -> Result<Selection, ApiError> {
    let plan = query.explore.plan();
    let found = if query.explore.is_of_videos() {
        Some(Vec::new())
    } else {
        state
            .explorer
            .select(&open.access, &plan, query.cluster_id)
            .await?
    };
    let members = found.ok_or_else(|| ApiError::not_found("Cluster not found"))?;
    let members = members
        .into_iter()
        .skip(query.offset)
        .take(query.limit.unwrap_or(usize::MAX))
        .map(|member| Selected {
            ordinal: member.ordinal,
            distance: member.distance,
        });
    Ok(Selection {
        entity_type: plan.entity_type,
        level: plan.threshold,
        members: members.collect(),
    })
}

/// Pictures that were chosen one by one or by cluster.
///
/// # Errors
/// An unknown anchor; the database, the index.
pub(crate) async fn chosen(
    state: &AppState,
    open: &OpenDataset,
    selection: &selection::Selection,
) -> Result<Selection, ApiError> {
    let ordinals = selection.ordinals(state, &open.access).await?;
    let member = |ordinal| Selected {
        ordinal,
        distance: None,
    };
    Ok(Selection {
        entity_type: EntityType::Images,
        level: SimilarityThreshold::FINEST,
        members: ordinals.into_iter().map(member).collect(),
    })
}

/// Records an export and, if there is anything in it, the job that writes it.
///
/// # Errors
/// 409 unless the dataset is `READY`; the database.
pub(crate) async fn start(
    state: &AppState,
    open: &OpenDataset,
    user: &Principal,
    options: ExportOptions,
    selection: Selection,
    maker: &LinkMaker,
) -> Result<Export, ApiError> {
    let dataset = open.access.dataset();
    let rejection = selection.members.is_empty().then(|| NOTHING.to_owned());
    let new = NewExport {
        id: ExportId::new(),
        dataset_id: dataset.id,
        created_by: user.user_id,
        exported_by: user.name.clone(),
        entity_type: selection.entity_type,
        level: u8::try_from(i64::from(selection.level)).unwrap_or_default(),
        format: options.export_format,
        include_images: options.include_images,
        file_name: options.file_name,
        dataset_url: maker.absolute(&format!("/dataset/{}", dataset.id)),
        members: selection.members,
        rejection,
        expires_at: Utc::now() + LIFETIME,
    };
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let export = exports::create(&mut *tx, &new).await?;
            if export.status == ExportStatus::Init {
                // The dataset is not the job's subject: an export changes nothing of it and keeps nobody from deleting it.
                let job = NewJob::new(
                    JobKind::Export.as_str(),
                    Some(new.created_by.as_uuid()),
                    Some(export.id.as_uuid()),
                    &ExportSpec {
                        export_id: export.id,
                    },
                    Phase::single(JobKind::Export.first_phase()),
                )?
                .with_priority(1);
                lamina_jobs::enqueue(&mut tx, job).await?;
            }
            tx.commit().await?;
            Ok(export)
        })
        .await
}

/// What a caller is told. With a token the address is absolute, as the cloud's clients use it; without one a path, to which
/// the on-premises notebook puts its own base (contract 11.3).
pub(crate) fn task(export: Export, epoch: i32, maker: &LinkMaker, has_token: bool) -> ExportTask {
    let is_complete = export.status == ExportStatus::Completed;
    let path = is_complete.then(|| maker.archive(export.dataset_id, export.id, epoch));
    let download_uri = path.map(|path| {
        if has_token {
            maker.absolute(&path)
        } else {
            path
        }
    });
    let progress = match export.status {
        ExportStatus::Completed => 100.0,
        ExportStatus::Init
        | ExportStatus::InProgress
        | ExportStatus::Failed
        | ExportStatus::Rejected => {
            // Not 100 before the archive can be fetched.
            (export.written as f64 / export.selected.max(1) as f64 * 100.0).min(99.0)
        }
    };
    ExportTask {
        id: export.id.as_uuid(),
        dataset_id: export.dataset_id.as_uuid(),
        created_at: export.created_at.into(),
        download_uri,
        progress,
        status: export.status.to_string(),
        entities_count: export.selected,
        result_message: export.result_message,
    }
}
