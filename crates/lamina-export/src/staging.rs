//! From what was read to rows that wait for the job.

use lamina_store::StoreError;
use lamina_store::annotation_imports::{self, AnnotationImport, NewRow};
use lamina_store::sqlx::PgConnection;
use lamina_types::{DatasetId, UserId};
use uuid::Uuid;

use crate::reading::{Area, FileRows, Picture, Row};

/// Rows inserted by one statement.
const ROWS: usize = 5_000;

/// Writes down an import with everything that was read from its files. Must run in a transaction.
///
/// # Errors
/// Conflict when the dataset is gone; the database.
pub async fn stage(
    conn: &mut PgConnection,
    dataset: DatasetId,
    created_by: Option<UserId>,
    files: Vec<FileRows>,
) -> Result<AnnotationImport, StoreError> {
    /// Names shown of an import with very many files.
    const NAMES: usize = 100;
    let names: Vec<String> = files
        .iter()
        .take(NAMES)
        .map(|file| file.file.clone())
        .collect();
    let import =
        annotation_imports::create(&mut *conn, Uuid::now_v7(), dataset, created_by, &names).await?;
    let mut first = 0_i64;
    for FileRows {
        file,
        rows,
        problems,
    } in files
    {
        let bad = problems.into_iter().map(|problem| NewRow {
            place: problem.place,
            original_id: -1,
            problem: Some(problem.text),
            ..NewRow::default()
        });
        let rows: Vec<NewRow> = rows.into_iter().map(new_row).chain(bad).collect();
        for part in rows.chunks(ROWS) {
            annotation_imports::add_rows(&mut *conn, import.id, &file, first, part).await?;
            first += part.len() as i64;
        }
    }
    Ok(import)
}

fn new_row(row: Row) -> NewRow {
    let (area, reference) = match row.area {
        None => (None, None),
        Some(Area::Pixels(sides, size)) => (Some((sides, "pixels")), size),
        Some(Area::Fractions(sides)) => (Some((sides, "fractions")), None),
    };
    NewRow {
        place: row.place,
        picture: Some(match row.picture {
            Picture::Path(path) => (path, "path"),
            Picture::Stem(stem) => (stem, "stem"),
            Picture::Id(id) => (id.to_string(), "id"),
        }),
        label: row.label,
        caption: row.caption,
        area,
        reference,
        original_id: row.original_id,
        problem: None,
    }
}
