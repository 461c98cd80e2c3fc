//! Generated requests.

use std::collections::HashMap;

use lamina_explore::{AnchorKind, AnchorQuery, ExplorePlan, Filter, Tags, Text, vql};
use lamina_types::{EntityType, SimilarityThreshold};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::random::Random;
use crate::words::Words;
use crate::world::{LABELS, TEXTS, World};

/// A request in forms that the naive evaluator and the program read.
pub struct Asked {
    pub entity: EntityType,
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
        let entity = match random.one_in(3) {
            true => EntityType::Objects,
            false => EntityType::Images,
        };
        let mut asked = Self {
            entity,
            vql: Vec::new(),
            words: HashMap::new(),
            anchor: None,
            caption: None,
            untagged: random.one_in(15),
            level: SimilarityThreshold::new(random.below(5) as i64).unwrap(),
        };
        if random.one_in(8) {
            asked.anchor = Some(asked.some_anchor(random, world));
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
        match random.below(13) {
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
                let id = match op {
                    "media" => random.pick(&world.side(self.entity).ids),
                    _ => self.some_anchor(random, world),
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
            8 => {
                let count = 1 + random.below(40);
                let ids: Vec<Uuid> = (0..count)
                    .map(|_| random.pick(&world.pictures.ids))
                    .collect();
                json!({"media": {"op": random.pick(&["one_of", "not_one_of"]), "value": ids}})
            }
            9 => {
                let op = random.pick(&["one_of", "contains", "starts_with", "ends_with"]);
                let texts = [
                    "7",
                    "img_",
                    ".JPG",
                    "größe 1",
                    "GRÖSSE",
                    "12.jpg",
                    "%",
                    "_3",
                ];
                json!({"file_name": {"op": op, "value": [random.pick(&texts), random.pick(&texts)]}})
            }
            10 => {
                let op = random.pick(&["width", "height", "area"]);
                let bound =
                    |random: &mut Random| random.pick(&[1_u32, 64, 300, 640, 900, 307_200, 4_000]);
                let mut body = json!({"op": op, "min": bound(random)});
                if random.one_in(2) {
                    body = json!({"op": op, "max": bound(random)});
                }
                json!({"size": body})
            }
            11 => {
                let day = |random: &mut Random| {
                    format!("2026-0{}-{:02}", 1 + random.below(2), 1 + random.below(28))
                };
                let mut body = json!({"op": "added", "from": day(random)});
                if random.one_in(2) {
                    body["to"] = json!(day(random));
                }
                json!({"date": body})
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
            "label_outlier",
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
            ..ExplorePlan::browse(self.entity, self.level, page_number)
        }
    }

    /// An upload, or an item of the dataset: an object can be searched for among pictures, and a picture among objects.
    fn some_anchor(&self, random: &mut Random, world: &World) -> Uuid {
        match random.below(5) {
            0 | 1 => random.pick(&world.uploads).0.as_uuid(),
            2 => random.pick(&world.pictures.ids),
            3 => random.pick(&world.objects.ids),
            _ => random.pick(&world.side(self.entity).ids),
        }
    }
}
