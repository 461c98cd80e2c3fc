//! How near written captions come to those of people: BLEU-4 and CIDEr-D.
//!
//! Both as the scorers of the COCO caption evaluation compute them (BLEU: Papineni and others, 2002, over the whole set, with the
//! closest reference's length; CIDEr-D: Vedantam and others, 2015, with document frequencies of the set's own references). Words are
//! runs of letters and digits in lower case, which is what is left of its tokenizer without Java.

use std::collections::{HashMap, HashSet};

/// Longest sequence of words that is compared.
const ORDERS: usize = 4;
/// Deviation, in words, of the penalty for another length.
const SIGMA: f64 = 6.0;
/// Keep the quotients of a set without any match above zero, as the reference does.
const TINY: f64 = 1e-15;
const SMALL: f64 = 1e-9;

/// A written caption, and what people say of the same picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionPair {
    /// By the model.
    pub written: String,
    /// By people; a picture without any counts for nothing.
    pub references: Vec<String>,
}

/// How near the captions of a set come to those of people.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CaptionQuality {
    /// Pictures that counted.
    pub pictures: usize,
    /// 0..=1.
    pub bleu4: f64,
    /// From 0, rarely above 3; 10 for a single reference that is met word by word. Needs several pictures: of one alone it is 0, for no
    /// word is rarer than another.
    pub cider_d: f64,
}

/// Compares the captions of a set.
pub fn caption_quality(pairs: &[CaptionPair]) -> CaptionQuality {
    let cooked: Vec<Cooked> = pairs
        .iter()
        .filter(|pair| !pair.references.is_empty())
        .map(Cooked::new)
        .collect();
    CaptionQuality {
        pictures: cooked.len(),
        bleu4: bleu(&cooked),
        cider_d: cider(&cooked),
    }
}

/// How often each sequence of 1 to [`ORDERS`] words occurs, and how many words there are.
struct Counts {
    of: HashMap<Vec<String>, usize>,
    words: usize,
}

struct Cooked {
    written: Counts,
    references: Vec<Counts>,
}

impl Cooked {
    fn new(pair: &CaptionPair) -> Self {
        let references = pair.references.iter();
        Self {
            written: Counts::new(&pair.written),
            references: references.map(|text| Counts::new(text)).collect(),
        }
    }
}

impl Counts {
    fn new(text: &str) -> Self {
        let words: Vec<String> = text
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let mut of = HashMap::new();
        for order in 1..=ORDERS {
            for sequence in words.windows(order) {
                *of.entry(sequence.to_vec()).or_insert(0) += 1;
            }
        }
        Self {
            of,
            words: words.len(),
        }
    }

    fn of(&self, sequence: &[String]) -> usize {
        self.of.get(sequence).copied().unwrap_or_default()
    }
}

fn bleu(pictures: &[Cooked]) -> f64 {
    let mut correct = [0_usize; ORDERS];
    let mut guessed = [0_usize; ORDERS];
    let (mut written, mut reference) = (0, 0);
    for picture in pictures {
        let words = picture.written.words;
        written += words;
        let lengths = picture.references.iter().map(|reference| reference.words);
        reference += lengths
            .min_by_key(|length| (length.abs_diff(words), *length))
            .unwrap_or_default();
        for (order, guessed) in (1..).zip(&mut guessed) {
            *guessed += (words + 1).saturating_sub(order);
        }
        for (sequence, count) in &picture.written.of {
            let most = picture
                .references
                .iter()
                .map(|text| text.of(sequence))
                .max();
            if let Some(correct) = correct.get_mut(sequence.len() - 1) {
                *correct += (*count).min(most.unwrap_or_default());
            }
        }
    }
    let quotients = correct.iter().zip(&guessed);
    let product: f64 = quotients
        .map(|(correct, guessed)| (*correct as f64 + TINY) / (*guessed as f64 + SMALL))
        .product();
    let ratio = (written as f64 + TINY) / (reference as f64 + SMALL);
    let brevity = if ratio < 1.0 {
        (1.0 - 1.0 / ratio).exp()
    } else {
        1.0
    };
    product.powf(1.0 / ORDERS as f64) * brevity
}

/// Sequences weighed by how rare they are, one map for each length of sequence.
struct Weighed<'a> {
    of: [HashMap<&'a [String], f64>; ORDERS],
    norms: [f64; ORDERS],
    /// Pairs of words: what the reference takes for the length.
    length: f64,
}

fn cider(pictures: &[Cooked]) -> f64 {
    let mut frequencies: HashMap<&[String], f64> = HashMap::new();
    for picture in pictures {
        let all = picture.references.iter().flat_map(|text| text.of.keys());
        for sequence in all.collect::<HashSet<_>>() {
            *frequencies.entry(sequence).or_insert(0.0) += 1.0;
        }
    }
    let documents = (pictures.len() as f64).ln();
    let score = |picture: &Cooked| {
        let written = weigh(&picture.written, &frequencies, documents);
        let all = picture.references.iter().map(|text| {
            let reference = weigh(text, &frequencies, documents);
            similarity(&written, &reference)
        });
        10.0 * all.sum::<f64>() / picture.references.len() as f64
    };
    let sum: f64 = pictures.iter().map(score).sum();
    sum / pictures.len().max(1) as f64
}

fn weigh<'a>(
    text: &'a Counts,
    frequencies: &HashMap<&[String], f64>,
    documents: f64,
) -> Weighed<'a> {
    let mut weighed = Weighed {
        of: Default::default(),
        norms: [0.0; ORDERS],
        length: text.words.saturating_sub(1) as f64,
    };
    for (sequence, count) in &text.of {
        let frequency = frequencies.get(sequence.as_slice()).copied();
        let rarity = documents - frequency.unwrap_or_default().max(1.0).ln();
        let weight = *count as f64 * rarity;
        let order = sequence.len() - 1;
        if let (Some(of), Some(norm)) = (weighed.of.get_mut(order), weighed.norms.get_mut(order)) {
            of.insert(sequence, weight);
            *norm += weight * weight;
        }
    }
    weighed.norms = weighed.norms.map(f64::sqrt);
    weighed
}

fn similarity(written: &Weighed<'_>, reference: &Weighed<'_>) -> f64 {
    let delta = written.length - reference.length;
    let penalty = (-(delta * delta) / (2.0 * SIGMA * SIGMA)).exp();
    let orders = written.of.iter().zip(&reference.of);
    let norms = written.norms.iter().zip(&reference.norms);
    let sum: f64 = orders
        .zip(norms)
        .map(|((written, reference), (left, right))| {
            let common = written.iter().filter_map(|(sequence, weight)| {
                let other = reference.get(sequence)?;
                // Repeating a word gains nothing.
                Some(weight.min(*other) * other)
            });
            let common: f64 = common.sum();
            let norm = left * right;
            if norm > 0.0 { common / norm } else { common }
        })
        .sum();
    sum / ORDERS as f64 * penalty
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Vec<CaptionPair> {
        let pair = |written: &str, references: &[&str]| CaptionPair {
            written: written.to_owned(),
            references: references.iter().map(|text| (*text).to_owned()).collect(),
        };
        vec![
            pair(
                "A dog runs on the beach.",
                &[
                    "a brown dog runs along the beach",
                    "a dog is running on the sand",
                    "the dog plays on the beach",
                ],
            ),
            pair(
                "two people sit at a table",
                &[
                    "two people are sitting at a small table",
                    "a couple sits at a table in a kitchen",
                ],
            ),
            pair(
                "a man riding a bike down the street",
                &[
                    "a man rides a bike down a street",
                    "a man riding a bicycle down the road, near a bus",
                    "man on a bike in the street",
                ],
            ),
            pair(
                "a cat",
                &[
                    "a cat sleeps on a blue sofa beside a window",
                    "the cat is asleep on the couch",
                ],
            ),
            pair("", &["a woman holds an umbrella in the rain"]),
            pair(
                "a plate of food food food food with rice and beans on a table in a room",
                &[
                    "a plate of food with rice and green beans",
                    "rice and beans on a plate",
                ],
            ),
        ]
    }

    #[track_caller]
    fn assert_quality(pairs: &[CaptionPair], bleu4: f64, cider_d: f64) {
        let found = caption_quality(pairs);
        assert!((found.bleu4 - bleu4).abs() < 1e-9, "{found:?}");
        assert!((found.cider_d - cider_d).abs() < 1e-9, "{found:?}");
    }

    /// The numbers are those of `BleuScorer` (closest) and `CiderScorer` of the package pycocoevalcap 1.2 for the same words.
    #[test]
    fn the_scores_are_those_of_the_reference() {
        let pairs = pairs();
        assert_quality(&pairs, 0.384_769_166_366_114_13, 1.634_516_072_622_721);
        assert_quality(&pairs[..3], 0.361_229_784_920_146, 2.630_945_760_498_986_5);
        assert_quality(&pairs[..1], 9.036_020_032_446_394e-5, 0.0);
        let met = pairs.into_iter().map(|pair| CaptionPair {
            written: pair.references[0].clone(),
            ..pair
        });
        let met: Vec<_> = met.collect();
        assert_quality(&met, 0.999_999_999_954_926_8, 5.922_646_184_100_182);
    }

    #[test]
    fn pictures_without_references_do_not_count() {
        let mut pairs = pairs();
        let before = caption_quality(&pairs);
        pairs.push(CaptionPair {
            written: "a dog".to_owned(),
            references: Vec::new(),
        });
        assert_eq!(caption_quality(&pairs), before);
        let nothing = caption_quality(&[]);
        assert_eq!((nothing.pictures, nothing.cider_d), (0, 0.0));
        assert!(nothing.bleu4.is_finite());
    }
}
