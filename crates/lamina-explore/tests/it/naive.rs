//! What the answer must be, worked out item by item from the JSON document.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use lamina_index::{ExactIndex, StopFlag, VectorBlock, VectorIndex};
use lamina_inference::Lane;
use lamina_store::sqlx;
use lamina_types::{Embedding, EntityType, TagId};
use serde_json::Value;
use uuid::Uuid;

use crate::asked::Asked;
use crate::world::{Side, World};

/// Marks distances to captions.
const SAID: &str = "said: ";

impl Side {
    /// Distances of the captions to a vector; beyond all bounds where there is none.
    fn said_distances(&self, query: &Embedding) -> Vec<f32> {
        let mut distances = vec![f32::INFINITY; self.items.len()];
        let having: Vec<usize> = (0..distances.len())
            .filter(|i| self.said[*i].is_some())
            .collect();
        let vectors: Vec<Embedding> = self.said.iter().flatten().cloned().collect();
        // The same arithmetic to the last bit, or ties would be broken differently.
        let block = Arc::new(VectorBlock::from_embeddings(&vectors).unwrap());
        let hits =
            ExactIndex::new(block).range_search(query.as_slice(), 3.0, None, &StopFlag::new());
        for hit in hits.unwrap() {
            distances[having[hit.ordinal as usize]] = hit.distance;
        }
        distances
    }
}

/// A group of the answer: members in order, with their scores.
pub type Group = Vec<(usize, Option<f32>)>;

pub struct Naive<'a> {
    world: &'a World,
    side: &'a Side,
    asked: &'a Asked,
    /// By anchor id and by text: distances as shown, by ordinal; of captions by their text and this prefix.
    distances: HashMap<String, Vec<f32>>,
    /// By written form: scores by ordinal.
    ranks: HashMap<String, Vec<Option<f32>>>,
    /// By bits of the similarity.
    groups: RefCell<HashMap<u32, Rc<Vec<usize>>>>,
}

fn distances_to(side: &Side, query: &[f32]) -> Vec<f32> {
    let index = ExactIndex::new(side.generation.vectors.clone());
    let hits = index.range_search(query, 3.0, None, &StopFlag::new());
    let mut distances = vec![f32::NAN; side.items.len()];
    for hit in hits.unwrap() {
        distances[hit.ordinal as usize] = hit.distance;
    }
    distances
}

impl<'a> Naive<'a> {
    pub async fn new(world: &'a World, asked: &'a Asked) -> Self {
        let side = world.side(asked.entity);
        let mut naive = Self {
            world,
            side,
            asked,
            distances: HashMap::new(),
            ranks: HashMap::new(),
            groups: RefCell::default(),
        };
        for (written, words) in &asked.words {
            let scores = naive.rank(&words.tsquery()).await;
            for (ordinal, score) in scores.iter().enumerate() {
                let caption = side.items[ordinal].caption.as_deref();
                let matches = caption.is_some_and(|caption| words.matches(caption));
                assert_eq!(score.is_some(), matches, "{written}: {caption:?}");
            }
            naive.ranks.insert(written.clone(), scores);
        }
        let (mut texts, mut anchors) = (Vec::new(), Vec::new());
        for filter in &asked.vql {
            searches(filter, &mut texts, &mut anchors);
        }
        texts.extend(asked.caption.iter().map(|(text, _)| text.clone()));
        anchors.extend(asked.anchor);
        for text in texts {
            let texts = vec![text.clone()];
            let vector = world.encoder.embed_texts(Lane::Interactive, texts).await;
            let calibration = world.encoder.calibration().cloned().unwrap();
            let vector = vector.unwrap();
            let raw = distances_to(side, vector[0].as_slice());
            let shown: Vec<f32> = raw.iter().map(|raw| calibration.apply(*raw)).collect();
            let said: Vec<f32> = side.said_distances(&vector[0]);
            let closer = shown
                .iter()
                .zip(&said)
                .map(|(seen, said)| seen.min(*said))
                .collect();
            naive.distances.insert(text.clone(), closer);
            naive.distances.insert(format!("{SAID}{text}"), said);
        }
        for id in anchors {
            let upload = world
                .uploads
                .iter()
                .find(|(known, _)| known.as_uuid() == id);
            let vector = match upload {
                Some((_, vector)) => vector.as_slice().to_vec(),
                None => item_vector(world, asked.entity, id),
            };
            let distances = distances_to(side, &vector);
            naive.distances.insert(id.to_string(), distances);
        }
        naive
    }

    async fn rank(&self, tsquery: &str) -> Vec<Option<f32>> {
        let sql = match self.asked.entity {
            EntityType::Images => {
                "select m.ordinal, ts_rank(to_tsvector('english', c.caption), q) from captions c join media m on m.id = c.entity_id, \
                 to_tsquery('english', $2) q where c.dataset_id = $1 and to_tsvector('english', c.caption) @@ q and c.entity_type = 'IMAGES'"
            }
            EntityType::Objects => {
                "select m.ordinal, ts_rank(to_tsvector('english', c.caption), q) from captions c join objects m on m.id = c.entity_id, \
                 to_tsquery('english', $2) q where c.dataset_id = $1 and to_tsvector('english', c.caption) @@ q and c.entity_type = 'OBJECTS'"
            }
        };
        let rows: Vec<(i32, f32)> = sqlx::query_as(sql)
            .bind(self.world.access.id().as_uuid())
            .bind(tsquery)
            .fetch_all(&self.world.pool)
            .await
            .unwrap();
        let mut scores = vec![None; self.side.items.len()];
        for (ordinal, rank) in rows {
            scores[ordinal as usize] = Some(1.0 / (1.0 + rank));
        }
        scores
    }

    /// All groups of the answer, in order.
    pub fn answer(&self) -> Vec<Group> {
        let mut required = Vec::new();
        for filter in &self.asked.vql {
            flatten(filter, &mut required);
        }
        let duplicates = required
            .iter()
            .filter_map(|leaf| leaf["duplicates"]["value"].as_f64())
            .reduce(f64::max);
        let (group_of, least) = match duplicates {
            Some(similarity) => (self.near_copies(similarity as f32).to_vec(), 2),
            None => {
                let level = &self.side.generation.levels[self.asked.level.index()];
                (level.iter().map(|first| *first as usize).collect(), 1)
            }
        };
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for ordinal in (0..self.side.items.len()).filter(|ordinal| self.matches(*ordinal)) {
            let score = self.score(&required, ordinal);
            groups
                .entry(group_of[ordinal])
                .or_default()
                .push((ordinal, score));
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.retain(|group| group.len() >= least);
        for group in &mut groups {
            group.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
        }
        // Stable, and they come in the order of their lowest ordinal.
        match groups.iter().any(|group| group[0].1.is_some()) {
            true => groups.sort_by(|a, b| a[0].1.partial_cmp(&b[0].1).unwrap()),
            false => groups.sort_by_key(|group| Reverse(group.len())),
        }
        groups
    }

    fn matches(&self, ordinal: usize) -> bool {
        let near = |name: &str, bound: f32| self.distances[name][ordinal] <= bound;
        let asked = self.asked;
        asked
            .anchor
            .is_none_or(|id| near(&id.to_string(), self.own_bound()))
            && asked.caption.as_ref().is_none_or(|(text, threshold)| {
                near(&format!("{SAID}{text}"), threshold.unwrap_or(0.9))
            })
            && (!asked.untagged || self.side.items[ordinal].tags.is_empty())
            && asked.vql.iter().all(|filter| self.passes(filter, ordinal))
    }

    fn own_bound(&self) -> f32 {
        self.world.encoder.bands().anchor_distance
    }

    /// Of the first search by vector, else of the first search by words.
    fn score(&self, required: &[&Value], ordinal: usize) -> Option<f32> {
        if let Some(anchor) = self.asked.anchor {
            return Some(self.distances[&anchor.to_string()][ordinal]);
        }
        if let Some((text, _)) = &self.asked.caption {
            return Some(self.distances[&format!("{SAID}{text}")][ordinal]);
        }
        let value = |leaf: &Value, key: &str| leaf[key]["value"].as_str().map(str::to_owned);
        let by_vector = required.iter().find_map(|leaf| {
            let is_meaning = leaf["text"]["op"] == "semantic";
            value(leaf, if is_meaning { "text" } else { "similarity" })
        });
        if let Some(name) = by_vector {
            return Some(self.distances[&name][ordinal]);
        }
        let words = required.iter().find_map(|leaf| value(leaf, "text"))?;
        self.ranks[&words][ordinal]
    }

    fn passes(&self, filter: &Value, ordinal: usize) -> bool {
        let members = filter.as_object().unwrap();
        let (key, body) = members.iter().find(|(key, _)| *key != "id").unwrap();
        let item = &self.side.items[ordinal];
        let parts = || body.as_array().unwrap().iter();
        let number = |name: &str| body[name].as_f64().map(|number| number as f32);
        let op = body["op"].as_str().unwrap_or_default();
        match key.as_str() {
            "and" => parts().all(|part| self.passes(part, ordinal)),
            "or" => parts().any(|part| self.passes(part, ordinal)),
            "not" => !self.passes(body, ordinal),
            "labels" => {
                let having = body["value"].as_array().unwrap().iter();
                let having = having.map(|name| item.labels.contains(name.as_str().unwrap()));
                in_set(op, &having.collect::<Vec<_>>())
            }
            "tags" => {
                let having = body["value"].as_array().unwrap().iter().map(|id| {
                    let id: Uuid = id.as_str().unwrap().parse().unwrap();
                    item.tags.contains(&TagId::from_uuid(id))
                });
                in_set(op, &having.collect::<Vec<_>>())
            }
            "media" => {
                let picture = self.world.pictures.ids[item.picture].to_string();
                let named = body["value"]
                    .as_array()
                    .unwrap()
                    .contains(&Value::from(picture));
                named == (op == "one_of")
            }
            "file_name" => {
                let name = item.file_name.to_lowercase();
                body["value"].as_array().unwrap().iter().any(|text| {
                    let text = text.as_str().unwrap().to_lowercase();
                    match op {
                        "one_of" => name == text,
                        "contains" => name.contains(&text),
                        "starts_with" => name.starts_with(&text),
                        _ => name.ends_with(&text),
                    }
                })
            }
            "size" => {
                let (width, height) = (u64::from(item.size.0), u64::from(item.size.1));
                let value = match op {
                    "width" => width,
                    "height" => height,
                    _ => width * height,
                };
                body["min"].as_u64().is_none_or(|min| value >= min)
                    && body["max"].as_u64().is_none_or(|max| value <= max)
            }
            "date" => {
                // Everything was added at noon, so whole days are compared.
                let added =
                    NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(item.day as u64);
                let day = |member: &str| {
                    body[member]
                        .as_str()
                        .map(|day| day.parse::<NaiveDate>().unwrap())
                };
                day("from").is_none_or(|from| added >= from)
                    && day("to").is_none_or(|to| added <= to)
            }
            "issues" => {
                let confidence = self.confidence(body["value"].as_str().unwrap(), ordinal);
                let has = confidence >= number("confidence_min").unwrap_or(0.5)
                    && confidence <= number("confidence_max").unwrap_or(1.0);
                has == (body["mode"] != "out")
            }
            "uniqueness" => self.side.generation.uniqueness[ordinal] > number("value").unwrap(),
            "duplicates" => {
                let group_of = self.near_copies(number("value").unwrap());
                let group = group_of[ordinal];
                group_of.iter().filter(|other| **other == group).count() > 1
            }
            "similarity" | "text" if op != "fts" => {
                let default = if op == "semantic" {
                    0.8
                } else {
                    self.own_bound()
                };
                let distances = &self.distances[body["value"].as_str().unwrap()];
                distances[ordinal] <= number("threshold").unwrap_or(default)
            }
            "text" => self.ranks[body["value"].as_str().unwrap()][ordinal].is_some(),
            other => panic!("{other}"),
        }
    }

    fn confidence(&self, issue: &str, ordinal: usize) -> f32 {
        let (item, generation) = (&self.side.items[ordinal], &self.side.generation);
        match issue {
            "blur" => item.blur,
            "dark" => item.dark,
            "bright" => item.bright,
            "outliers" => generation.outlier_confidence[ordinal],
            "duplicates" => generation.duplicate_confidence[ordinal],
            "normal" => {
                let all = [
                    "blur",
                    "dark",
                    "bright",
                    "outliers",
                    "duplicates",
                    "mislabels",
                    "label_outlier",
                ];
                let has_none = all
                    .iter()
                    .all(|issue| self.confidence(issue, ordinal) < 0.5);
                f32::from(u8::from(has_none))
            }
            "mislabels" => self.side.doubts.mislabels[ordinal].map_or(0.0, |(sure, _)| sure),
            "label_outlier" => self.side.doubts.label_outlier[ordinal],
            other => panic!("{other}"),
        }
    }

    /// For every item the lowest one that is reached over pairs of at least this similarity.
    fn near_copies(&self, similarity: f32) -> Rc<Vec<usize>> {
        let mut groups = self.groups.borrow_mut();
        let groups = groups.entry(similarity.to_bits());
        let found = groups.or_insert_with(|| Rc::new(near_copies(self.side, similarity)));
        Rc::clone(found)
    }
}

/// The vector of an item as the program searches with it, to the last bit: one of the same entities comes from the index, one
/// of the others as it is stored.
fn item_vector(world: &World, asked: EntityType, id: Uuid) -> Vec<f32> {
    let place = |side: &Side| side.ids.iter().position(|known| *known == id);
    let own = world.side(asked);
    if let Some(place) = place(own) {
        return own.generation.vectors.unit_row(place);
    }
    let other = match asked {
        EntityType::Images => &world.objects,
        EntityType::Objects => &world.pictures,
    };
    let row = other.generation.vectors.row(place(other).unwrap());
    let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    lamina_index::decode_vector(&bytes).unwrap().into_vec()
}

/// As [`Naive::near_copies`], worked out.
fn near_copies(side: &Side, similarity: f32) -> Vec<usize> {
    let vectors = &side.generation.vectors;
    let count = side.items.len();
    // Groups are known from one half up.
    let bound = 1.0 - similarity.max(0.5) + 1e-6;
    let mut group_of = vec![usize::MAX; count];
    for first in 0..count {
        let mut waiting = vec![first];
        while let Some(item) = waiting.pop() {
            if group_of[item] != usize::MAX {
                continue;
            }
            group_of[item] = first;
            waiting.extend((0..count).filter(|other| {
                group_of[*other] == usize::MAX
                    && (vectors.row(item) == vectors.row(*other)
                        || vectors.distance(item, *other) <= bound)
            }));
        }
    }
    group_of
}

fn in_set(op: &str, having: &[bool]) -> bool {
    match op {
        "is" => having.iter().all(|has| *has),
        "is_not" => !having.iter().all(|has| *has),
        "one_of" => having.iter().any(|has| *has),
        _ => !having.iter().any(|has| *has),
    }
}

fn flatten<'v>(filter: &'v Value, required: &mut Vec<&'v Value>) {
    match filter["and"].as_array() {
        Some(parts) => parts.iter().for_each(|part| flatten(part, required)),
        None => required.push(filter),
    }
}

/// Texts and anchors anywhere in a filter.
fn searches(value: &Value, texts: &mut Vec<String>, anchors: &mut Vec<Uuid>) {
    let text = || value["value"].as_str().unwrap().to_owned();
    match value["op"].as_str() {
        Some("semantic") => texts.push(text()),
        Some("upload" | "media") => anchors.push(text().parse().unwrap()),
        _ => {}
    }
    if let Some(parts) = value.as_array() {
        parts.iter().for_each(|part| searches(part, texts, anchors));
    }
    if let Some(members) = value.as_object() {
        let parts = members.values();
        parts.for_each(|part| searches(part, texts, anchors));
    }
}
