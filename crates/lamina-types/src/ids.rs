//! Ids: UUIDs that cannot be mixed up with each other.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id, sortable by time of creation (UUID version 7).
            #[expect(clippy::new_without_default, reason = "a fresh id is not a default value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Wraps an id that was read from a row or a request.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID, for columns.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            /// Accepts the hyphenated form only: the wire knows no other.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                uuid::fmt::Hyphenated::from_str(text).map(|id| Self(id.into_uuid()))
            }
        }
    )+};
}

id!(
    /// A dataset.
    DatasetId,
    /// A media item: one picture of one dataset. Unique across datasets; a copy has fresh ones.
    MediaId,
    /// An object: one box of one media item.
    ObjectId,
    /// A cluster of one dataset, entity type and level; see [`crate::cluster_id`].
    ClusterId,
    /// An export of a dataset.
    ExportId,
    /// A group of near-copies.
    DuplicateGroupId,
    /// A job (the API calls some of them tasks).
    JobId,
    /// A user, who is also the tenant.
    UserId,
    /// A tag made by a user.
    TagId,
    /// A picture uploaded for a search.
    AnchorId,
    /// What has been applied to a dataset (contract 2.2).
    ContextId,
);
