//! Generated requests.

use std::collections::HashMap;

use lamina_explore::{AnchorKind, AnchorQuery, ExplorePlan, Filter, Tags, Text, vql};
use lamina_types::{EntityType, SimilarityThreshold};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::random::Random;
use crate::words::Words;
use crate::world::{LABELS, MEDIA, TEXTS, World};

/// A request in forms that the naive evaluator and the program read.
pub struct Asked {
    pub vql: Vec<Value>,
    /// What the word searches in there mean, by how they are written.
    pub words: HashMap<String, Words>,
    pub anchor: Option<Uuid>,
    pub caption: Option<(String, Option<f32>)>,
    pub untagged: bool,
    pub level: SimilarityThreshold,
}

impl Asked {
    pub fn generate(random: &mut Random, world: &World) -> Self {
        let mut asked = Self {
            vql: Vec::new(),
            words: HashMap::new(),
            anchor: None,
            caption: None,
            untagged: random.one_in(15),
            level: SimilarityThreshold::new(random.below(5) as i64).unwrap(),
        };
        if random.one_in(8) {
            asked.anchor = Some(anchor(random, world));
        }
        if random.one_in(8) {
            let threshold = random.one_in(2).then(|| random.share());
            asked.caption = Some((random.pick(&TEXTS).to_owned(), threshold));
        }
        for _ in 0..random.below(4) {
            let filter = asked.filter(random, world, 3);
            asked.vql.push(filter);
        }
        asked
    }

    fn filter(&mut self, random: &mut Random, world: &World, depth: usize) -> Value {
        if depth == 0 || !random.one_in(4) {
            return self.leaf(random, world);
        }
        let part = |asked: &mut Self, random: &mut Random| asked.filter(random, world, depth - 1);
        match random.below(3) {
            0 => json!({"not": part(self, random)}),
            1 => json!({"and": [part(self, random), part(self, random)], "id": "a"}),
            _ => json!({"or": [part(self, random), part(self, random), part(self, random)]}),
        }
    }

    fn leaf(&mut self, random: &mut Random, world: &World) -> Value {
        let ops = ["is", "is_not", "one_of", "not_one_of"];
        match random.below(9) {
            0 | 1 => {
                let count = 1 + random.below(3);
                let names: Vec<&str> = (0..count).map(|_| random.pick(&LABELS)).collect();
                json!({"labels": {"op": random.pick(&ops), "value": names}})
            }
            2 => {
                let count = 1 + random.below(2);
                let ids: Vec<Uuid> = (0..count)
                    .map(|_| random.pick(&world.tags).as_uuid())
                    .collect();
                json!({"tags": {"op": random.pick(&ops), "value": ids}})
            }
            3 => self.issues(random),
            4 => {
                let steps = [0.3, 0.5, 0.8, 0.9, 0.95, 0.96, 0.985, 0.999, 1.0];
                json!({"duplicates": {"op": "duplicates", "value": random.pick(&steps)}})
            }
            5 => json!({"uniqueness": {"op": "uniqueness", "value": random.share()}}),
            6 => {
                let op = random.pick(&["upload", "media"]);
                let ordinal = random.below(MEDIA);
                let id = match op {
                    "media" => world.ids[ordinal].as_uuid(),
                    _ => anchor(random, world),
                };
                match random.one_in(3) {
                    true => json!({"similarity": {"op": op, "value": id}}),
                    false => {
                        json!({"similarity": {"op": op, "value": id, "threshold": random.share()}})
                    }
                }
            }
            7 => {
                let text = random.pick(&TEXTS);
                match random.one_in(3) {
                    true => json!({"text": {"op": "semantic", "value": text}}),
                    false => {
                        json!({"text": {"op": "semantic", "value": text, "threshold": random.share()}})
                    }
                }
            }
            _ => {
                let words = Words::generate(random, 2);
                let written = words.written();
                self.words.insert(written.clone(), words);
                json!({"text": {"op": "fts", "value": written}})
            }
        }
    }

    fn issues(&self, random: &mut Random) -> Value {
        let names = [
            "blur",
            "dark",
            "bright",
            "outliers",
            "duplicates",
            "normal",
            "mislabels",
        ];
        let mut body = json!({"op": "issue", "value": random.pick(&names)});
        if random.one_in(2) {
            body["mode"] = json!(random.pick(&["in", "out"]));
        }
        if random.one_in(2) {
            body["confidence_min"] = json!(random.share());
        }
        if random.one_in(3) {
            body["confidence_max"] = json!(random.share());
        }
        json!({"issues": body})
    }

    /// As the program is asked.
    pub fn plan(&self, page_number: u32) -> ExplorePlan {
        let caption = self.caption.iter().map(|(text, threshold)| {
            Filter::from(Text::caption(text.clone(), *threshold).unwrap())
        });
        let mut filters: Vec<Filter> = caption.collect();
        filters.extend(vql::parse(&Value::Array(self.vql.clone()).to_string()).unwrap());
        if self.untagged {
            filters.push(Tags::Untagged.into());
        }
        ExplorePlan {
            anchor: self.anchor.map(|id| AnchorQuery {
                id,
                kind: None::<AnchorKind>,
                max_distance: None,
            }),
            filters,
            ..ExplorePlan::browse(EntityType::Images, self.level, page_number)
        }
    }
}

/// An upload, or a picture of the dataset.
fn anchor(random: &mut Random, world: &World) -> Uuid {
    if random.one_in(2) {
        random.pick(&world.uploads).0.as_uuid()
    } else {
        random.pick(&world.ids).as_uuid()
    }
}
