//! Captions of the generated dataset and the texts that are searched for.

use super::vectors::FAMILIES;

/// Captions of each group: media share them, as they share those of a captioning model.
pub const PER_GROUP: usize = 4;

const SUBJECTS: [&str; 20] = [
    "dog", "cat", "horse", "bird", "boat", "train", "bicycle", "bus", "woman", "man", "child",
    "tree", "house", "bridge", "plate", "guitar", "laptop", "clock", "flower", "mountain",
];
const KINDS: [&str; 5] = ["small", "old", "colourful", "wooden", "bright"];
/// Of one caption in ten each.
const COLOURS: [&str; 10] = [
    "red", "blue", "green", "yellow", "black", "white", "brown", "grey", "orange", "purple",
];
const PLACES: [&str; 25] = [
    "beach",
    "street",
    "kitchen",
    "garden",
    "forest",
    "station",
    "river",
    "field",
    "market",
    "museum",
    "harbour",
    "office",
    "park",
    "desert",
    "stadium",
    "church",
    "castle",
    "farm",
    "airport",
    "library",
    "playground",
    "valley",
    "bathroom",
    "bedroom",
    "garage",
];

/// The caption with this number, of all that the groups have.
pub fn caption(number: usize) -> String {
    let (group, variant) = (number / PER_GROUP, number % PER_GROUP);
    let family = group % FAMILIES;
    let start = if variant % 2 == 0 {
        "a photograph of a"
    } else {
        "a"
    };
    format!(
        "{start} {} {} {} near the {} and {} more at the {}",
        COLOURS[(group / 7 + variant) % COLOURS.len()],
        KINDS[family % KINDS.len()],
        SUBJECTS[family / KINDS.len()],
        PLACES[group / FAMILIES % PLACES.len()],
        group / FAMILIES / PLACES.len() + 2,
        PLACES[(group + variant) % PLACES.len()],
    )
}

/// Words of a family and of a place: captions with both are fewer than one in a hundred.
pub fn narrow_words(number: usize) -> String {
    let family = number % FAMILIES;
    format!(
        "{} {} {}",
        KINDS[family % KINDS.len()],
        SUBJECTS[family / KINDS.len()],
        PLACES[number / 3 % PLACES.len()],
    )
}

/// A colour: one caption in ten has it.
pub fn tenth_word(number: usize) -> String {
    COLOURS[number % COLOURS.len()].to_owned()
}

/// A text that no caption is, different for every number.
pub fn question(number: usize) -> String {
    let family = number % FAMILIES;
    format!(
        "{} {} {} seen at the {}, number {number}",
        KINDS[family % KINDS.len()],
        COLOURS[number / 3 % COLOURS.len()],
        SUBJECTS[family / KINDS.len()],
        PLACES[number % PLACES.len()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_have_their_words_as_often_as_queries_count_on() {
        let all: Vec<String> = (0..1_000 * PER_GROUP).map(caption).collect();
        let share = |words: &str| {
            let has = |text: &&String| {
                words
                    .split(' ')
                    .all(|word| text.split(' ').any(|w| w == word))
            };
            all.iter().filter(has).count() as f64 / all.len() as f64
        };
        assert!((0.4..=0.6).contains(&share("photograph")));
        assert!((0.05..=0.15).contains(&share(&tenth_word(3))));
        let narrow: Vec<f64> = (0..100)
            .map(|number| share(&narrow_words(number)))
            .collect();
        assert!(narrow.iter().all(|share| *share <= 0.01));
        assert!(narrow.iter().any(|share| *share > 0.0));
    }
}
