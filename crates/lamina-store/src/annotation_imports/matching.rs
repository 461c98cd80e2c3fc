//! Which picture a row means, and which region its box is.

use lamina_types::{BoundingBox, DatasetId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use super::unsigned;
use crate::StoreError;
use crate::regions::bounding_box;

/// A box on a picture that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchedBox {
    /// Of the row.
    pub n: i64,
    /// The picture's content.
    pub content_id: i64,
    /// Left, top, width, height.
    pub area: Vec<f64>,
    /// Whether they are fractions.
    pub is_fractions: bool,
    /// Width and height that pixels are meant for.
    pub size: [u32; 2],
}

impl FromRow<'_, PgRow> for MatchedBox {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let unit: String = row.try_get("area_unit")?;
        Ok(Self {
            n: row.try_get("n")?,
            content_id: row.try_get("content_id")?,
            area: row.try_get("area")?,
            is_fractions: unit == "fractions",
            size: [unsigned(row, "width")?, unsigned(row, "height")?],
        })
    }
}

/// Finds the picture of each row: by id; by its path inside the source (also below `images/`); else by its base name, if only one
/// picture of the dataset is called so. Rows without one get a problem. Must run in a transaction.
///
/// # Errors
/// The database.
pub async fn match_pictures(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: Uuid,
) -> Result<(), StoreError> {
    const STATEMENTS: [&str; 6] = [
        // Rows that came with this transaction have no statistics yet: join by hashing, not row by row.
        "select set_config('enable_nestloop', 'off', true), $1::uuid is null, $2::uuid is null",
        "update annotation_rows r set media_id = m.id from media m where r.import_id = $2 and m.dataset_id = $1 \
         and r.problem is null and r.picture_kind = 'id' and m.id::text = lower(r.picture)",
        "update annotation_rows r set media_id = m.id from \
         (select name, (array_agg(id order by ordinal))[1] as id from \
         (select original_uri as name, id, ordinal from media where dataset_id = $1 union all \
         select substr(original_uri, 8), id, ordinal from media where dataset_id = $1 and original_uri like 'images/%') named \
         group by name) m \
         where r.import_id = $2 and r.problem is null and r.media_id is null and r.picture_kind = 'path' and m.name = r.picture",
        "update annotation_rows r set media_id = m.id from \
         (select name, (array_agg(id order by ordinal))[1] as id from \
         (select regexp_replace(original_uri, '\\.[^./]*$', '') as name, id, ordinal from media where dataset_id = $1 union all \
         select regexp_replace(substr(original_uri, 8), '\\.[^./]*$', ''), id, ordinal from media \
         where dataset_id = $1 and original_uri like 'images/%') named group by name) m \
         where r.import_id = $2 and r.problem is null and r.media_id is null and r.picture_kind = 'stem' and m.name = r.picture",
        "update annotation_rows r set media_id = m.id from \
         (select case k.kind when 'path' then file_name else regexp_replace(file_name, '\\.[^./]*$', '') end as name, k.kind, \
         (array_agg(id))[1] as id from media cross join (values ('path'), ('stem')) as k (kind) where dataset_id = $1 \
         group by 1, 2 having count(*) = 1) m \
         where r.import_id = $2 and r.problem is null and r.media_id is null and r.picture_kind = m.kind \
         and m.name = regexp_replace(r.picture, '^.*/', '')",
        "update annotation_rows set problem = 'the dataset has no such picture, or several of this name' \
         where import_id = $2 and $1::uuid is not null and problem is null and media_id is null",
    ];
    for sql in STATEMENTS {
        sqlx::query(sql)
            .bind(dataset.as_uuid())
            .bind(id)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// The next boxes of an import after row `after` that have a picture, with what their regions are made of.
///
/// # Errors
/// The database.
pub async fn boxes(
    ex: impl PgExecutor<'_>,
    id: Uuid,
    after: i64,
    limit: u32,
) -> Result<Vec<MatchedBox>, StoreError> {
    let sql = "select r.n, r.area, r.area_unit, m.content_id, \
               coalesce(r.ref_width, c.width) as width, coalesce(r.ref_height, c.height) as height \
               from annotation_rows r join media m on m.id = r.media_id join contents c on c.id = m.content_id \
               where r.import_id = $1 and r.n > $2 and r.area is not null and r.problem is null order by r.n limit $3";
    Ok(sqlx::query_as(sql)
        .bind(id)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(ex)
        .await?)
}

/// Says which region each row's box is.
///
/// # Errors
/// The database.
pub async fn set_regions(
    ex: impl PgExecutor<'_>,
    id: Uuid,
    regions: &[(i64, i64)],
) -> Result<(), StoreError> {
    let sql = "update annotation_rows r set region_id = t.region from unnest($2::bigint[], $3::bigint[]) as t (n, region) \
               where r.import_id = $1 and r.n = t.n";
    let (rows, regions): (Vec<i64>, Vec<i64>) = regions.iter().copied().unzip();
    sqlx::query(sql)
        .bind(id)
        .bind(rows)
        .bind(regions)
        .execute(ex)
        .await?;
    Ok(())
}

/// Says what is wrong with rows.
///
/// # Errors
/// The database.
pub async fn set_problems(
    ex: impl PgExecutor<'_>,
    id: Uuid,
    problems: &[(i64, String)],
) -> Result<(), StoreError> {
    let sql = "update annotation_rows r set problem = t.problem from unnest($2::bigint[], $3::text[]) as t (n, problem) \
               where r.import_id = $1 and r.n = t.n";
    let rows: Vec<i64> = problems.iter().map(|(n, _)| *n).collect();
    let texts: Vec<&str> = problems.iter().map(|(_, text)| text.as_str()).collect();
    sqlx::query(sql)
        .bind(id)
        .bind(rows)
        .bind(texts)
        .execute(ex)
        .await?;
    Ok(())
}

/// The regions of the rows numbered from `first` to before `end`, each once, with the ordinal of a picture to cut them from.
///
/// # Errors
/// The database.
pub async fn regions_of_range(
    ex: impl PgExecutor<'_>,
    id: Uuid,
    [first, end]: [i64; 2],
) -> Result<Vec<(u32, i64, BoundingBox)>, StoreError> {
    let sql = "select distinct on (g.id) m.ordinal, g.id, g.x, g.y, g.width, g.height \
               from annotation_rows r join media m on m.id = r.media_id join regions g on g.id = r.region_id \
               where r.import_id = $1 and r.n >= $2 and r.n < $3 and r.problem is null order by g.id, m.ordinal";
    let rows = sqlx::query(sql)
        .bind(id)
        .bind(first)
        .bind(end)
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| {
            let area = bounding_box(row)?;
            Ok((unsigned(row, "ordinal")?, row.try_get("id")?, area))
        })
        .collect()
}
