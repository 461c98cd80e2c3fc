//! What is asked, by kind and by how much of the dataset matches.

use lamina_explore::{ExplorePlan, Filter, Text, vql};
use lamina_types::{EntityType, MediaId, SimilarityThreshold};
use serde_json::{Value, json};

use super::place::Place;
use super::texts;
use crate::commands::bench::client::encoded;

/// Distance up to which a picture finds its group, and its family.
pub const GROUP_DISTANCE: f32 = 0.3;
pub const FAMILY_DISTANCE: f32 = 0.5;

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Query {
    level: u8,
    page: usize,
    vql: Option<Value>,
    caption: Option<(String, f32)>,
}

impl Query {
    fn of(vql: Value) -> Self {
        Self {
            vql: Some(vql),
            ..Self::default()
        }
    }

    fn browse(level: u8, page: usize) -> Self {
        Self {
            level,
            page,
            ..Self::default()
        }
    }

    /// What looks like a picture.
    pub fn near(id: MediaId, distance: f32) -> Self {
        Self::of(
            json!([{"similarity": {"op": "media", "value": id.to_string(), "threshold": distance}}]),
        )
    }

    /// These pictures.
    pub fn these(ids: &[MediaId]) -> Self {
        let ids: Vec<String> = ids.iter().map(MediaId::to_string).collect();
        Self::of(json!([{"media": {"op": "one_of", "value": ids}}]))
    }

    /// What a text means.
    pub fn meaning(text: String, distance: f32) -> Self {
        Self {
            caption: Some((text, distance)),
            ..Self::default()
        }
    }

    fn words(text: &str) -> Self {
        Self::of(json!([{"text": {"op": "fts", "value": text}}]))
    }

    /// The same matches as for the words alone, in a search that was not asked for before.
    fn new_words(text: &str, number: usize) -> Self {
        Self::words(&format!("({text}) OR unheard{number}"))
    }

    fn at(mut self, page: usize) -> Self {
        self.page = page;
        self
    }

    fn label(name: &str) -> Self {
        Self::of(json!([{"labels": {"op": "one_of", "value": [name]}}]))
    }

    fn with_label(mut self, name: &str) -> Self {
        if let Some(Value::Array(filters)) = &mut self.vql {
            filters.push(json!({"labels": {"op": "is", "value": [name]}}));
        }
        self
    }

    fn unique(above: f32) -> Self {
        Self::of(json!([{"uniqueness": {"op": "uniqueness", "value": above}}]))
    }

    /// The query string.
    pub fn parameters(&self) -> String {
        let mut text = format!(
            "entity_type=IMAGES&threshold={}&page_number={}",
            self.level, self.page
        );
        if let Some(vql) = &self.vql {
            text.push_str("&vql=");
            text.push_str(&encoded(&vql.to_string()));
        }
        if let Some((caption, distance)) = &self.caption {
            text.push_str("&caption=");
            text.push_str(&encoded(caption));
            text.push_str(&format!("&textual_similarity_threshold={distance}"));
        }
        text
    }

    /// The same as the reading side takes it.
    ///
    /// # Errors
    /// A query that is none.
    pub fn plan(&self) -> anyhow::Result<ExplorePlan> {
        let mut filters: Vec<Filter> = Vec::new();
        if let Some((caption, distance)) = &self.caption {
            filters.push(Text::caption(caption.clone(), Some(*distance))?.into());
        }
        if let Some(vql) = &self.vql {
            filters.extend(vql::parse(&vql.to_string())?);
        }
        let level = SimilarityThreshold::new(i64::from(self.level))?;
        Ok(ExplorePlan {
            filters,
            ..ExplorePlan::browse(EntityType::Images, level, 0)
        })
    }
}

/// A kind of query: the `number`th is not the one before.
pub struct Kind {
    pub name: &'static str,
    pub make: Box<dyn Fn(usize) -> Query + Send + Sync>,
}

fn kind(name: &'static str, make: impl Fn(usize) -> Query + Send + Sync + 'static) -> Kind {
    Kind {
        name,
        make: Box::new(make),
    }
}

/// Distances that were found to match a share of the dataset.
pub struct Bounds {
    /// Of a picture's surroundings: half of the dataset.
    pub anchor_half: f32,
    /// Of a text's: one hundredth, one tenth, half.
    pub texts: [f32; 3],
}

/// All kinds, the narrow ones of each first.
pub fn kinds(place: &Place, ids: &[MediaId], bounds: &Bounds) -> Vec<Kind> {
    let [unique_1, unique_10, unique_50] = place.notes.uniqueness;
    let [text_1, text_10, text_50] = bounds.texts;
    let half = bounds.anchor_half;
    let near = |distance: f32| {
        let ids: Vec<MediaId> = some_of(ids);
        move |n: usize| Query::near(ids[n % ids.len()], distance)
    };
    let near_of_half = {
        let ids: Vec<MediaId> = some_of(ids);
        move |n: usize| Query::near(ids[n % ids.len()], GROUP_DISTANCE).with_label("half")
    };
    vec![
        kind("browse, level 0", |n| Query::browse(0, n % 50)),
        kind("browse, level 2", |n| Query::browse(2, n % 50)),
        kind("label, rare", |n| {
            Query::label(&format!("rare {}", n % 1_024))
        }),
        kind("label, a family", |n| {
            Query::label(&format!("family {}", n % 100))
        }),
        kind("label, a tenth", |_| Query::label("tenth")),
        kind("label, half", |_| Query::label("half")),
        kind("uniqueness, 1 %", move |_| Query::unique(unique_1)),
        kind("uniqueness, 10 %", move |_| Query::unique(unique_10)),
        kind("uniqueness, 50 %", move |_| Query::unique(unique_50)),
        kind("duplicates", |n| {
            let similarity = [0.96, 0.97, 0.98, 0.985][n % 4];
            Query::of(json!([{"duplicates": {"op": "duplicates", "value": similarity}}]))
        }),
        kind("file name", |n| {
            let end = format!("{}.jpg", n % 10);
            Query::of(json!([{"file_name": {"op": "ends_with", "value": end}}]))
        }),
        kind("issue of labels", |n| {
            let least = 0.5 + (n % 50) as f64 / 100.0;
            Query::of(
                json!([{"issues": {"op": "issue", "value": "mislabels", "confidence_min": least}}]),
            )
        }),
        kind("anchor, a group", near(GROUP_DISTANCE)),
        kind("anchor, a group, of half", near_of_half),
        kind("anchor, a family", near(FAMILY_DISTANCE)),
        kind("anchor, half", near(half)),
        kind("semantic, 1 %", move |n| {
            Query::meaning(texts::question(n), text_1)
        }),
        kind("semantic, 10 %", move |n| {
            Query::meaning(texts::question(n), text_10)
        }),
        kind("semantic, 50 %", move |n| {
            Query::meaning(texts::question(n), text_50)
        }),
        kind("words, narrow", |n| {
            Query::new_words(&texts::narrow_words(n), n)
        }),
        kind("words, a tenth", |n| {
            Query::new_words(&texts::tenth_word(n), n)
        }),
        kind("words, half", |n| Query::new_words("photograph", n)),
        kind("words, half, pages of one", |n| {
            Query::words("photograph").at(n % 50)
        }),
    ]
}

/// A thousand of them from all over the dataset.
fn some_of(ids: &[MediaId]) -> Vec<MediaId> {
    let step = (ids.len() / 1_000).max(1);
    ids.iter().step_by(step).copied().collect()
}
