//! The rows of the generated dataset, made inside Postgres.
//!
//! Vectors of pictures are in the generation's file only: nothing that is measured reads them from Postgres.

use anyhow::Context as _;
use lamina_explore::Encoders;
use lamina_index::encode_vector;
use lamina_inference::{Lane, TextRole};
use lamina_store::datasets::{self, NewDataset};
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::{self, Connection as _, PgConnection};
use lamina_store::text_vectors;
use lamina_store::users::User;
use lamina_types::{
    CAPTION_TEXT_SLOT, DatasetId, DatasetStatus, EntityType, ServeMode, SourceType, Space, SpaceKey,
};

use super::texts;
use crate::home::Home;

/// Texts embedded and stored at once.
const TEXTS_AT_ONCE: usize = 512;

/// The statements that make media and everything that hangs on them, each of the whole dataset. `$1` is the dataset.
/// `hashint4extended` scatters: two numbers of one picture have nothing in common.
const MEDIA: [&str; 4] = [
    "insert into contents (id, owner_id, sha256, byte_size, format, width, height, has_original) overriding system value \
     select d.ordinal + 1, s.owner_id, sha256(int4send(d.ordinal)), 100000 + (hashint4extended(d.ordinal, 1) & 65535), 'jpeg', \
     640, 480, true from drawn d join datasets s on s.id = $1",
    "insert into content_measures (content_id, version, sharpness, luma_low, luma_high, blur_confidence, dark_confidence, \
     bright_confidence) select c.id, 1, 1, 0.1, 0.9, ((hashint4extended(c.id::integer, 2) & 65535) / 65535.0) ^ 6, \
     ((hashint4extended(c.id::integer, 3) & 65535) / 65535.0) ^ 8, 0 from contents c join datasets s on s.id = $1 \
     and s.owner_id = c.owner_id",
    "insert into media (id, dataset_id, ordinal, content_id, file_name, original_uri) \
     select gen_random_uuid(), $1, ordinal, ordinal + 1, ordinal || '.jpg', 'photos/' || grp || '/' || ordinal || '.jpg' \
     from drawn order by ordinal",
    "insert into labels (dataset_id, media_id, name, source) select $1, m.id, l.name, 'User' \
     from drawn d join media m on m.dataset_id = $1 and m.ordinal = d.ordinal cross join lateral (values \
     ('family ' || d.grp % 100, true), ('half', hashint4extended(d.ordinal, 4) & 1 = 0), \
     ('tenth', (hashint4extended(d.ordinal, 5) & 65535) < 6554), \
     ('rare ' || (hashint4extended(d.ordinal, 6) & 1023), hashint4extended(d.ordinal, 7) & 1 = 0)) l (name, has) where l.has",
];

/// What statements are about.
pub struct Making<'a> {
    pub home: &'a Home,
    pub owner: &'a User,
    pub encoders: &'a Encoders,
    /// Whether captions get vectors.
    pub are_captions_searched: bool,
}

impl Making<'_> {
    /// Fills an empty database; the dataset without its generation.
    ///
    /// # Errors
    /// The database; no sentence encoder.
    pub async fn dataset(&self, groups: &[i32], index: &DatasetSpace) -> anyhow::Result<DatasetId> {
        let pool = &self.home.pool;
        // What an interrupted run left behind.
        sqlx::query("truncate datasets, contents, text_vectors cascade")
            .execute(pool)
            .await?;
        let new = NewDataset {
            id: DatasetId::new(),
            owner_id: self.owner.id,
            display_name: format!("{} generated media", groups.len()),
            description: String::new(),
            source_type: SourceType::Folder,
            source_uri: String::new(),
            filename: None,
            serve_mode: ServeMode::Copy,
            status: DatasetStatus::Indexing,
            source_dataset_id: None,
        };
        let id = datasets::insert(pool, &new).await?.id;
        let count = groups.iter().max().map_or(0, |last| *last as usize + 1) * texts::PER_GROUP;
        let captions: Vec<String> = (0..count).map(texts::caption).collect();
        let conn = &mut *pool.acquire().await?;
        self.rows(conn, id, groups, &captions).await?;
        spaces::put(conn, id, index).await?;
        if self.are_captions_searched {
            let (key, dimension) = self.text_vectors(&captions).await?;
            let said = DatasetSpace {
                entity_type: EntityType::Images,
                space: Space::CaptionText,
                key,
                dimension,
            };
            spaces::put(conn, id, &said).await?;
        }
        sqlx::query("vacuum analyze").execute(&mut *conn).await?;
        Ok(id)
    }

    async fn rows(
        &self,
        conn: &mut PgConnection,
        dataset: DatasetId,
        groups: &[i32],
        captions: &[String],
    ) -> anyhow::Result<()> {
        let mut tx = conn.begin().await?;
        sqlx::query("select set_config('work_mem', '256MB', true), set_config('synchronous_commit', 'off', true)")
            .execute(&mut *tx)
            .await?;
        let sql = "create temporary table drawn on commit drop as \
                   select (n - 1)::integer as ordinal, g as grp from unnest($1::integer[]) with ordinality t (g, n)";
        sqlx::query(sql).bind(groups).execute(&mut *tx).await?;
        sqlx::query("analyze drawn").execute(&mut *tx).await?;
        for sql in MEDIA {
            sqlx::query(sql)
                .bind(dataset.as_uuid())
                .execute(&mut *tx)
                .await?;
        }
        let sql = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
                   select $1, 'IMAGES', m.id, 'Visual Layer', t.caption from drawn d \
                   join media m on m.dataset_id = $1 and m.ordinal = d.ordinal \
                   join unnest($2::text[]) with ordinality t (caption, n) \
                   on t.n - 1 = d.grp * $3 + (hashint4extended(d.ordinal, 8) & ($3 - 1))";
        sqlx::query(sql)
            .bind(dataset.as_uuid())
            .bind(captions)
            .bind(i32::try_from(texts::PER_GROUP)?)
            .execute(&mut *tx)
            .await?;
        datasets::recount(&mut *tx, dataset).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Embeds the captions with the sentence encoder; its key and dimension.
    async fn text_vectors(&self, captions: &[String]) -> anyhow::Result<(SpaceKey, u32)> {
        let pool = &self.home.pool;
        let bound = self.encoders.bound(pool, CAPTION_TEXT_SLOT).await?;
        let encoder = self.encoders.models().text_encoder(&bound.package).await?;
        for texts in captions.chunks(TEXTS_AT_ONCE) {
            let vectors = encoder
                .embed(Lane::Bulk, TextRole::Document, texts.to_vec())
                .await?;
            let rows: Vec<(String, Vec<u8>)> = texts
                .iter()
                .cloned()
                .zip(vectors.iter().map(encode_vector))
                .collect();
            let (owner, key) = (self.owner.id, encoder.key());
            text_vectors::put(pool, owner, key, encoder.dimension(), &rows).await?;
        }
        let dimension = u32::try_from(encoder.dimension()).context("a dimension")?;
        Ok((encoder.key().clone(), dimension))
    }
}
