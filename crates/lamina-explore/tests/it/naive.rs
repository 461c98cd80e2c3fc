//! What the answer must be, worked out item by item from the JSON document.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use lamina_index::{ExactIndex, StopFlag, VectorIndex};
use lamina_inference::Lane;
use lamina_store::sqlx;
use lamina_types::TagId;
use serde_json::Value;
use uuid::Uuid;

use crate::asked::Asked;
use crate::world::{MEDIA, World};

/// A group of the answer: members in order, with their scores.
pub type Group = Vec<(usize, Option<f32>)>;

pub struct Naive<'a> {
    world: &'a World,
    asked: &'a Asked,
    /// By anchor id and by text: distances as shown, by ordinal.
    distances: HashMap<String, Vec<f32>>,
    /// By written form: scores by ordinal.
    ranks: HashMap<String, Vec<Option<f32>>>,
    /// By bits of the similarity.
    groups: RefCell<HashMap<u32, Rc<Vec<usize>>>>,
}

fn distances_to(world: &World, query: &[f32]) -> Vec<f32> {
    let index = ExactIndex::new(world.generation.vectors.clone());
    let hits = index.range_search(query, 3.0, None, &StopFlag::new());
    let mut distances = vec![f32::NAN; MEDIA];
    for hit in hits.unwrap() {
        distances[hit.ordinal as usize] = hit.distance;
    }
    distances
}

impl<'a> Naive<'a> {
    pub async fn new(world: &'a World, asked: &'a Asked) -> Self {
        let mut naive = Self {
            world,
            asked,
            distances: HashMap::new(),
            ranks: HashMap::new(),
            groups: RefCell::default(),
        };
        for (written, words) in &asked.words {
            let scores = naive.rank(&words.tsquery()).await;
            for (ordinal, score) in scores.iter().enumerate() {
                let caption = world.items[ordinal].caption.as_deref();
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
            let raw = distances_to(world, vector.unwrap()[0].as_slice());
            let shown = raw.iter().map(|raw| calibration.apply(*raw)).collect();
            naive.distances.insert(text, shown);
        }
        for id in anchors {
            let upload = world
                .uploads
                .iter()
                .find(|(known, _)| known.as_uuid() == id);
            let vector = match upload {
                Some((_, vector)) => vector.as_slice().to_vec(),
                None => {
                    let ordinal = world.ids.iter().position(|known| known.as_uuid() == id);
                    world.generation.vectors.unit_row(ordinal.unwrap())
                }
            };
            let distances = distances_to(world, &vector);
            naive.distances.insert(id.to_string(), distances);
        }
        naive
    }

    async fn rank(&self, tsquery: &str) -> Vec<Option<f32>> {
        let sql = "select m.ordinal, ts_rank(c.words, q) from captions c join media m on m.id = c.entity_id, \
                   to_tsquery('english', $2) q where c.dataset_id = $1 and c.words @@ q";
        let rows: Vec<(i32, f32)> = sqlx::query_as(sql)
            .bind(self.world.access.id().as_uuid())
            .bind(tsquery)
            .fetch_all(&self.world.pool)
            .await
            .unwrap();
        let mut scores = vec![None; MEDIA];
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
                let level = &self.world.generation.levels[self.asked.level.index()];
                (level.iter().map(|first| *first as usize).collect(), 1)
            }
        };
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for ordinal in (0..MEDIA).filter(|ordinal| self.matches(*ordinal)) {
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
            && asked
                .caption
                .as_ref()
                .is_none_or(|(text, threshold)| near(text, threshold.unwrap_or(0.9)))
            && (!asked.untagged || self.world.items[ordinal].tags.is_empty())
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
            return Some(self.distances[text][ordinal]);
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
        let item = &self.world.items[ordinal];
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
            "issues" => {
                let confidence = self.confidence(body["value"].as_str().unwrap(), ordinal);
                let has = confidence >= number("confidence_min").unwrap_or(0.5)
                    && confidence <= number("confidence_max").unwrap_or(1.0);
                has == (body["mode"] != "out")
            }
            "uniqueness" => self.world.generation.uniqueness[ordinal] > number("value").unwrap(),
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
        let (item, generation) = (&self.world.items[ordinal], &self.world.generation);
        match issue {
            "blur" => item.blur,
            "dark" => item.dark,
            "bright" => item.bright,
            "outliers" => generation.outlier_confidence[ordinal],
            "duplicates" => generation.duplicate_confidence[ordinal],
            "normal" => {
                let all = ["blur", "dark", "bright", "outliers", "duplicates"];
                let has_none = all
                    .iter()
                    .all(|issue| self.confidence(issue, ordinal) < 0.5);
                f32::from(u8::from(has_none))
            }
            _ => 0.0,
        }
    }

    /// For every item the lowest one that is reached over pairs of at least this similarity.
    fn near_copies(&self, similarity: f32) -> Rc<Vec<usize>> {
        let mut groups = self.groups.borrow_mut();
        let groups = groups.entry(similarity.to_bits());
        let found = groups.or_insert_with(|| Rc::new(near_copies(self.world, similarity)));
        Rc::clone(found)
    }
}

/// As [`Naive::near_copies`], worked out.
fn near_copies(world: &World, similarity: f32) -> Vec<usize> {
    let vectors = &world.generation.vectors;
    // Groups are known from one half up.
    let bound = 1.0 - similarity.max(0.5) + 1e-6;
    let mut group_of = vec![usize::MAX; MEDIA];
    for first in 0..MEDIA {
        let mut waiting = vec![first];
        while let Some(item) = waiting.pop() {
            if group_of[item] != usize::MAX {
                continue;
            }
            group_of[item] = first;
            waiting.extend((0..MEDIA).filter(|other| {
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
