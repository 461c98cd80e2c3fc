//! What is known of the files behind the items, for filters by name, size and date. Loaded only when one asks for it.

use chrono::{DateTime, Utc};
use lamina_store::facts::{self, MediaFacts};
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, EntityType};

use crate::ExploreError;
use crate::columns::Columns;

/// File names, sizes and dates by ordinal.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Lower-case names of the pictures, one after the other.
    names: String,
    /// `names[starts[i]..starts[i + 1]]` is the name of picture `i`.
    starts: Vec<u32>,
    /// When each picture was added, in seconds since 1970: enough until 2106.
    added: Vec<u32>,
    /// Width and height in pixels, of the picture or of the box. No picture has more than 16,384 a side.
    sizes: Vec<(u16, u16)>,
    /// The picture of each object; none for pictures.
    parents: Option<Vec<u32>>,
}

impl Facts {
    /// Reads them for the items that `columns` knows.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn load(
        pool: &PgPool,
        dataset: DatasetId,
        entity: EntityType,
        columns: &Columns,
    ) -> Result<Self, ExploreError> {
        let mut found = Self::default();
        found.starts.push(0);
        for MediaFacts {
            file_name,
            added_at,
            width,
            height,
        } in facts::of_media(pool, dataset).await?
        {
            found.names.push_str(&file_name.to_lowercase());
            found
                .starts
                .push(u32::try_from(found.names.len()).unwrap_or(u32::MAX));
            let added = added_at.timestamp().clamp(0, i64::from(u32::MAX));
            found.added.push(u32::try_from(added).unwrap_or_default());
            found.sizes.push(side_by_side((width, height)));
        }
        if entity == EntityType::Objects {
            let sizes = facts::sizes_of_objects(pool, dataset).await?;
            found.sizes = sizes.into_iter().map(side_by_side).collect();
            found.parents = Some(columns.parents.clone());
        }
        // They grew by doubling, and stay for as long as the dataset does.
        found.names.shrink_to_fit();
        found.starts.shrink_to_fit();
        found.added.shrink_to_fit();
        found.sizes.shrink_to_fit();
        Ok(found)
    }

    fn picture_of(&self, ordinal: u32) -> usize {
        let picture = match &self.parents {
            Some(parents) => parents.get(ordinal as usize).copied(),
            None => Some(ordinal),
        };
        picture.map_or(usize::MAX, |picture| picture as usize)
    }

    /// Lower-case file name; empty for an item that came later.
    pub(crate) fn name(&self, ordinal: u32) -> &str {
        let place = self.picture_of(ordinal);
        let end = place.checked_add(1).and_then(|end| self.starts.get(end));
        let range = self.starts.get(place).zip(end);
        range
            .and_then(|(start, end)| self.names.get(*start as usize..*end as usize))
            .unwrap_or_default()
    }

    /// When the picture was added.
    pub(crate) fn added(&self, ordinal: u32) -> Option<DateTime<Utc>> {
        let seconds = self.added.get(self.picture_of(ordinal))?;
        DateTime::from_timestamp(i64::from(*seconds), 0)
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self, ordinal: u32) -> Option<(u32, u32)> {
        let (width, height) = *self.sizes.get(ordinal as usize)?;
        Some((width.into(), height.into()))
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        self.names.capacity()
            + self.starts.capacity() * size_of::<u32>()
            + self.added.capacity() * size_of::<u32>()
            + self.sizes.capacity() * size_of::<(u16, u16)>()
            + self.parents.as_ref().map_or(0, Vec::capacity) * size_of::<u32>()
    }
}

/// Width and height in half the room.
fn side_by_side((width, height): (u32, u32)) -> (u16, u16) {
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    (side(width), side(height))
}
