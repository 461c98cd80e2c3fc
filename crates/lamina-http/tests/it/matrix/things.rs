//! What is called for: datasets of every kind, each with one of everything that has an id.

use std::collections::BTreeMap;

use lamina_store::shares::{self, ShareRole};
use lamina_store::{accounts, datasets, tags, uploads, views};
use lamina_types::{DatasetId, TagId};
use sqlx::PgPool;
use uuid::Uuid;

use super::people::Cast;
use crate::app::{TestApp, TestUser};
use crate::fake::CLUSTER;

/// Part of every text that only those who may see a dataset may read.
pub const CANARY: &str = "canary-in-the-dark";

/// What a dataset is to the owner, and to everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The owner's alone.
    Own,
    /// Of somebody nobody else here knows.
    Others,
    /// The owner's, shared with viewer, editor and onlooker.
    Shared,
    /// Public.
    Public,
    /// The owner's, was shared, and is deleted.
    Deleted,
    /// There never was such a thing.
    Never,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Own,
        Self::Others,
        Self::Shared,
        Self::Public,
        Self::Deleted,
        Self::Never,
    ];
}

/// Ids by the names that paths have for them.
pub type Ids = BTreeMap<&'static str, String>;

/// The ids of every kind.
pub struct Things(BTreeMap<Kind, Ids>);

impl Things {
    pub async fn new(app: &TestApp, cast: &Cast) -> Self {
        let mut all = BTreeMap::new();
        for kind in Kind::ALL {
            let owner = match kind {
                Kind::Others | Kind::Public => &cast.other_owner,
                Kind::Own | Kind::Shared | Kind::Deleted | Kind::Never => &cast.owner,
            };
            let ids = match kind {
                Kind::Never => never(),
                Kind::Own | Kind::Others | Kind::Shared | Kind::Public | Kind::Deleted => {
                    one_of_everything(app, owner).await
                }
            };
            all.insert(kind, ids);
        }
        let things = Self(all);
        for kind in [Kind::Shared, Kind::Deleted] {
            things.share(app, cast, kind).await;
        }
        things
            .mark(
                &app.pool,
                Kind::Public,
                "update datasets set is_public = true where id = $1",
            )
            .await;
        things
            .mark(
                &app.pool,
                Kind::Deleted,
                "update datasets set deleted_at = now() where id = $1",
            )
            .await;
        things
    }

    pub fn of(&self, kind: Kind) -> Ids {
        self.0[&kind].clone()
    }

    fn dataset(&self, kind: Kind) -> DatasetId {
        self.0[&kind]["dataset_id"].parse().unwrap()
    }

    async fn mark(&self, pool: &PgPool, kind: Kind, sql: &'static str) {
        let id = self.dataset(kind).as_uuid();
        sqlx::query(sql).bind(id).execute(pool).await.unwrap();
    }

    async fn share(&self, app: &TestApp, cast: &Cast, kind: Kind) {
        let owner = cast.owner.user.principal();
        let access = datasets::access(&app.pool, Some(&owner), self.dataset(kind)).await;
        let access = access.unwrap().unwrap();
        for (user, role) in [
            (&cast.viewer, ShareRole::Viewer),
            (&cast.editor, ShareRole::Editor),
            (&cast.onlooker, ShareRole::Editor),
        ] {
            shares::put(&app.pool, &access, user.user.id, role)
                .await
                .unwrap();
        }
    }
}

/// Ids that nobody ever gave out.
fn never() -> Ids {
    let fresh = || Uuid::now_v7().to_string();
    let mut ids = Ids::from([
        ("dataset_id", fresh()),
        ("image_id", fresh()),
        ("task_id", fresh()),
        ("tag_id", fresh()),
    ]);
    ids.extend(fixed());
    ids
}

/// Ids that are the same for every dataset.
fn fixed() -> Ids {
    Ids::from([
        ("cluster_id", CLUSTER.to_string()),
        ("trans_id", "1".to_owned()),
        ("workspace_id", Uuid::from_u128(1).to_string()),
        ("organization_id", Uuid::from_u128(1).to_string()),
        ("user_id", Uuid::from_u128(2).to_string()),
    ])
}

async fn one_of_everything(app: &TestApp, owner: &TestUser) -> Ids {
    let (dataset, media) = crate::media::picture(app, owner).await;
    let id = dataset.as_uuid();
    sqlx::query("update datasets set display_name = $2, description = $2 where id = $1")
        .bind(id)
        .bind(format!("{CANARY} dataset"))
        .execute(&app.pool)
        .await
        .unwrap();
    let (tag, context, task) = (TagId::new(), Uuid::now_v7(), Uuid::now_v7());
    let mut tx = app.pool.begin().await.unwrap();
    tags::create(
        &mut tx,
        dataset,
        tag,
        &format!("{CANARY} tag"),
        owner.user.id,
    )
    .await
    .unwrap();
    sqlx::query("insert into enrichment_contexts (id, dataset_id) values ($1, $2)")
        .bind(context)
        .bind(id)
        .execute(&mut *tx)
        .await
        .unwrap();
    let job = lamina_jobs::NewJob {
        id: task,
        kind: "ingest",
        owner_id: Some(owner.user.id.as_uuid()),
        subject_id: Some(id),
        spec: serde_json::json!({}),
        priority: 0,
        first: lamina_jobs::Phase::single("list"),
    };
    lamina_jobs::enqueue(&mut tx, job).await.unwrap();
    sqlx::query("update job_states set state = 'failed', error_message = $2 where job_id = $1")
        .bind(task)
        .bind(format!("{CANARY} error"))
        .execute(&mut *tx)
        .await
        .unwrap();
    let (view, notice) = (Uuid::now_v7(), Uuid::now_v7());
    let filters =
        serde_json::json!({"entity_type": "IMAGES", "threshold": "0", "caption": null, "vql": []});
    let name = format!("{CANARY} view");
    views::create(&mut *tx, dataset, view, &name, &filters, owner.user.id)
        .await
        .unwrap();
    sqlx::query(
        "insert into notifications (id, user_id, entity_type, entity_id, title, dataset_id) \
         values ($1, $2, 'saved_view', $3, $4, $5)",
    )
    .bind(notice)
    .bind(owner.user.id.as_uuid())
    .bind(view)
    .bind(format!("{CANARY} notification"))
    .bind(id)
    .execute(&mut *tx)
    .await
    .unwrap();
    let field = lamina_store::custom_fields::CustomField {
        id: Uuid::now_v7(),
        name: format!("{CANARY} field"),
        field_type: lamina_store::custom_fields::FieldType::String,
        enum_options: Vec::new(),
        is_multi: false,
        status: "INIT".to_owned(),
        inserted_rows: 0,
        error_count: 0,
        sample_errors: serde_json::json!([]),
    };
    lamina_store::custom_fields::create(&mut *tx, dataset, &field, owner.user.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let transaction = uploads::open(&app.pool, dataset).await.unwrap();
    let (name, profile) = (format!("spare-{task}"), accounts::Profile::default());
    let role = lamina_store::Role::Viewer;
    let spare = accounts::create(&app.pool, &name, role, &profile)
        .await
        .unwrap();
    let mut ids = fixed();
    ids.extend([
        ("dataset_id", dataset.to_string()),
        ("image_id", media.to_string()),
        ("tag_id", tag.to_string()),
        ("task_id", task.to_string()),
        ("enrichment_context_id", context.to_string()),
        ("trans_id", transaction.to_string()),
        ("user_id", spare.id.to_string()),
        ("view_id", view.to_string()),
        ("notification_id", notice.to_string()),
    ]);
    ids
}
