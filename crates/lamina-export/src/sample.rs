//! A media item for tests of the formats.

use chrono::{TimeZone, Utc};
use lamina_types::{BoundingBox, ClusterId, DuplicateGroupId, IssueType, MediaId, ObjectId};

use crate::item::{About, DuplicateItem, Item, LabelItem, ObjectItem, TagItem};

pub(crate) fn about(items: u64) -> About {
    let moment = Utc.with_ymd_and_hms(2026, 3, 31, 16, 47, 19).unwrap();
    About {
        dataset: "Road \"scenes\"".to_owned(),
        dataset_url: "https://lamina.example/dataset/7".to_owned(),
        created_at: moment,
        exported_at: moment,
        exported_by: "Ada".to_owned(),
        items,
    }
}

pub(crate) fn item(number: u32) -> Item {
    let moment = Utc.with_ymd_and_hms(2026, 3, 30, 10, 0, 0).unwrap();
    Item {
        media_id: MediaId::new(),
        ordinal: number,
        file_name: format!("{number}.jpg"),
        file_path: format!("trucks, old/{number}.jpg"),
        byte_size: 49_428,
        width: 200,
        height: 100,
        uniqueness: Some(0.5),
        distance: Some(0.125),
        cluster_id: Some(ClusterId::new()),
        issues: vec![(IssueType::Blur, 0.875), (IssueType::Mislabels, 0.25)],
        suggested_label: Some("truck".to_owned()),
        duplicates: vec![DuplicateItem {
            step: 0.96,
            group: DuplicateGroupId::new(),
            confidence: 0.9,
        }],
        labels: vec![LabelItem {
            name: "van".to_owned(),
            source: "User",
            original_id: -1,
        }],
        objects: vec![ObjectItem {
            id: ObjectId::new(),
            region: BoundingBox {
                x: 0.1,
                y: 0.1,
                width: 0.2,
                height: 0.5,
            },
            label: "car".to_owned(),
            source: "Model",
            original_id: -1,
            confidence: Some(0.75),
            uniqueness: Some(0.25),
            caption: Some("a red car".to_owned()),
            distance: None,
        }],
        caption: Some(("a delivery van".to_owned(), "Model")),
        tags: vec![TagItem {
            name: "review".to_owned(),
            assigned_at: moment,
        }],
    }
}
