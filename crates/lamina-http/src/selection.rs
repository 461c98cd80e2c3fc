//! A selection of pictures in the body of a request: `media_selection` of contract 11.4, and whole queries, which are ours.
//!
//! A list of entries, whose union is meant: `{"type":"media","payload":{"media_ids":[..]}}`,
//! `{"type":"cluster","payload":{"cluster_id":"..","cluster_filters":{..},"exclude_media_ids":[..]}}`,
//! `{"type":"query","payload":{"filters":{..},"exclude_media_ids":[..]}}`. Filters are parameters of explore by name.

use std::collections::BTreeSet;

use lamina_explore::ExplorePlan;
use lamina_store::datasets::DatasetAccess;
use lamina_store::media;
use lamina_types::{ClusterId, MediaId};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::ApiError;
use crate::explore_query::ExploreQuery;
use crate::extract::{Fields, FromFields, fields_of};
use crate::state::AppState;

/// Most entries, and most ids of all entries together.
const MAX_ENTRIES: usize = 100;
const MAX_IDS: usize = 100_000;

/// Which pictures are meant.
#[derive(Debug)]
pub(crate) struct Selection(Vec<Entry>);

#[derive(Debug)]
enum Entry {
    Media(Vec<MediaId>),
    Matching {
        plan: Box<ExplorePlan>,
        cluster: Option<ClusterId>,
        except: Vec<MediaId>,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "lowercase")]
enum Sent {
    Media {
        media_ids: Vec<Uuid>,
    },
    Cluster {
        cluster_id: Uuid,
        #[serde(default)]
        cluster_filters: Map<String, Value>,
        #[serde(default)]
        exclude_media_ids: Vec<Uuid>,
    },
    Query {
        #[serde(default)]
        filters: Map<String, Value>,
        #[serde(default)]
        exclude_media_ids: Vec<Uuid>,
    },
}

impl FromFields for Selection {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(entries(fields).unwrap_or_default())
    }
}

fn entries(fields: &mut Fields) -> Option<Vec<Entry>> {
    const NAME: &str = "media_selection";
    let Some(text) = fields.raw(NAME) else {
        fields.missing(NAME);
        return None;
    };
    let sent: Vec<Sent> = match serde_json::from_str(text) {
        Ok(sent) => sent,
        Err(error) => {
            fields.wrong(
                NAME,
                "value_error",
                &format!("Input is no selection: {error}"),
            );
            return None;
        }
    };
    let ids = |entry: &Sent| match entry {
        Sent::Media { media_ids: ids }
        | Sent::Cluster {
            exclude_media_ids: ids,
            ..
        }
        | Sent::Query {
            exclude_media_ids: ids,
            ..
        } => ids.len(),
    };
    if sent.len() > MAX_ENTRIES || sent.iter().map(ids).sum::<usize>() > MAX_IDS {
        let message = format!("Input has more than {MAX_ENTRIES} entries or {MAX_IDS} ids");
        fields.wrong(NAME, "too_long", &message);
        return None;
    }
    let named = |ids: Vec<Uuid>| ids.into_iter().map(MediaId::from_uuid).collect();
    let mut entries = Vec::with_capacity(sent.len());
    for entry in sent {
        let (filters, cluster, except) = match entry {
            Sent::Media { media_ids } => {
                entries.push(Entry::Media(named(media_ids)));
                continue;
            }
            Sent::Cluster {
                cluster_id,
                cluster_filters,
                exclude_media_ids,
            } => (
                cluster_filters,
                Some(ClusterId::from_uuid(cluster_id)),
                exclude_media_ids,
            ),
            Sent::Query {
                filters,
                exclude_media_ids,
            } => (filters, None, exclude_media_ids),
        };
        let mut inside = fields_of(filters);
        let query = ExploreQuery::from_fields(&mut inside);
        if inside.has_errors() || query.is_of_videos() {
            fields.take_errors(inside);
            continue;
        }
        entries.push(Entry::Matching {
            plan: Box::new(query.plan()),
            cluster,
            except: named(except),
        });
    }
    Some(entries)
}

impl Selection {
    /// The ordinals of the pictures, ascending, each once. Ids and clusters that the dataset does not have select nothing.
    ///
    /// # Errors
    /// An unknown anchor; the database, the index.
    pub(crate) async fn ordinals(
        &self,
        state: &AppState,
        access: &DatasetAccess,
    ) -> Result<Vec<u32>, ApiError> {
        let mut union = BTreeSet::new();
        for entry in &self.0 {
            match entry {
                Entry::Media(ids) => {
                    let found = media::ordinals_of(&state.pool, access.id(), ids).await?;
                    union.extend(found.into_values());
                }
                Entry::Matching {
                    plan,
                    cluster,
                    except,
                } => {
                    let found = state.explorer.pictures(access, plan, *cluster).await?;
                    let except = media::ordinals_of(&state.pool, access.id(), except).await?;
                    let except: BTreeSet<u32> = except.into_values().collect();
                    let wanted = found.unwrap_or_default().into_iter();
                    union.extend(wanted.filter(|ordinal| !except.contains(ordinal)));
                }
            }
        }
        Ok(union.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Place;

    fn read(selection: &str) -> Result<Selection, ApiError> {
        let pairs = vec![("media_selection".to_owned(), selection.to_owned())];
        Fields::new(Place::Body, pairs).read()
    }

    #[test]
    fn the_entries_of_the_contract_and_our_own_are_read() {
        let id = Uuid::now_v7();
        let sent = format!(
            r#"[{{"type":"media","payload":{{"media_ids":["{id}"]}}}},
                {{"type":"cluster","payload":{{"cluster_id":"{id}","cluster_filters":{{"entity_type":"IMAGES","threshold":3,"labels":["a"]}},"exclude_media_ids":["{id}"]}}}},
                {{"type":"query","payload":{{"filters":{{"vql":[{{"uniqueness":{{"op":"uniqueness","value":0.5}}}}]}}}}}}]"#
        );
        let Selection(entries) = read(&sent).unwrap();
        let filters: Vec<usize> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Media(ids) => ids.len(),
                Entry::Matching { plan, .. } => plan.filters.len(),
            })
            .collect();
        assert_eq!(filters, [1, 1, 1]);
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        for wrong in [
            "",
            "{}",
            "[1]",
            r#"[{"type":"all"}]"#,
            r#"[{"type":"media","payload":{"media_ids":["x"]}}]"#,
            r#"[{"type":"query","payload":{"filters":{"threshold":9}}}]"#,
            r#"[{"type":"query","payload":{"filters":{"vql":"[{}]"}}}]"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
