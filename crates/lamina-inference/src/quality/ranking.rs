//! How often the right answer is among the nearest: retrieval, zero-shot classification, nearest neighbours.

use lamina_types::Embedding;

/// How far down the ranking is looked.
const DEPTHS: [usize; 3] = [1, 5, 10];

/// Share of queries that have a right answer among the nearest candidates, and what guessing would come to.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RankingQuality {
    /// Queries that have a right answer at all; only they count.
    pub queries: usize,
    /// The nearest is right; 0..=1, like the others.
    pub at1: f64,
    /// One of the five nearest is.
    pub at5: f64,
    /// One of the ten nearest is.
    pub at10: f64,
    /// Of candidates in random order, the first is right.
    pub chance1: f64,
    /// One of the first five is.
    pub chance5: f64,
    /// One of the first ten is.
    pub chance10: f64,
}

/// Ranks the candidates for every query by distance. `is_right` says of a query and a candidate, by place, whether it is an answer;
/// `None` takes the candidate out of this query's ranking (itself, or one of which nobody knows). `None` when no query has an answer.
///
/// Among equal distances the wrong ones come first: a model that makes the same vector of everything finds nothing.
pub fn ranking_quality(
    queries: &[Embedding],
    candidates: &[Embedding],
    is_right: impl Fn(usize, usize) -> Option<bool>,
) -> Option<RankingQuality> {
    let mut count = 0_usize;
    let mut found = [0_usize; DEPTHS.len()];
    let mut chance = [0.0; DEPTHS.len()];
    for (number, query) in queries.iter().enumerate() {
        let known = candidates.iter().enumerate();
        let mut ranked: Vec<(f32, bool)> = known
            .filter_map(|(place, candidate)| {
                Some((query.cosine_distance(candidate), is_right(number, place)?))
            })
            .collect();
        let right = ranked.iter().filter(|(_, is_right)| *is_right).count();
        if right == 0 {
            continue;
        }
        count += 1;
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let first = ranked.iter().position(|(_, is_right)| *is_right);
        for ((depth, found), chance) in DEPTHS.iter().zip(&mut found).zip(&mut chance) {
            *found += usize::from(first.is_some_and(|first| first < *depth));
            *chance += by_chance(ranked.len(), right, *depth);
        }
    }
    let share = |sum: f64| sum / count as f64;
    let [at1, at5, at10] = found.map(|found| share(found as f64));
    let [chance1, chance5, chance10] = chance.map(share);
    (count > 0).then_some(RankingQuality {
        queries: count,
        at1,
        at5,
        at10,
        chance1,
        chance5,
        chance10,
    })
}

/// That one of `right` among `all` is among the first `depth` of a random order.
fn by_chance(all: usize, right: usize, depth: usize) -> f64 {
    let wrong = all - right;
    let missed: f64 = (0..depth.min(all))
        .map(|place| wrong.saturating_sub(place) as f64 / (all - place) as f64)
        .product();
    1.0 - missed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Embedding {
        let angle = degrees.to_radians();
        Embedding::new(vec![angle.cos(), angle.sin()]).unwrap()
    }

    #[test]
    fn the_place_of_the_first_right_answer_decides() {
        let candidates: Vec<Embedding> = (0..20).map(|place| at(place as f32)).collect();
        // Nearest to 0 degrees comes first, so the place of the answer is its number.
        let queries = vec![at(0.0); 4];
        let answers = [0, 4, 9, 10];
        let quality = ranking_quality(&queries, &candidates, |query, candidate| {
            Some(candidate == answers[query])
        })
        .unwrap();
        assert_eq!(quality.queries, 4);
        assert_eq!((quality.at1, quality.at5, quality.at10), (0.25, 0.5, 0.75));
        for (found, expected) in [
            (quality.chance1, 0.05),
            (quality.chance5, 0.25),
            (quality.chance10, 0.5),
        ] {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn candidates_that_do_not_count_are_left_out_and_queries_without_an_answer_too() {
        let all = [at(0.0), at(1.0), at(40.0), at(90.0)];
        let labels = ["a", "b", "a", "c"];
        // Its own vector would always be the nearest.
        let neighbours =
            |query: usize, other: usize| (query != other).then(|| labels[query] == labels[other]);
        let quality = ranking_quality(&all, &all, neighbours).unwrap();
        assert_eq!((quality.queries, quality.at1, quality.at5), (2, 0.0, 1.0));
        assert!((quality.chance1 - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(ranking_quality(&all, &all, |_, _| Some(false)), None);
        assert_eq!(ranking_quality(&[], &all, |_, _| Some(true)), None);
    }

    #[test]
    fn one_vector_for_everything_finds_nothing() {
        let all = vec![at(30.0); 12];
        let quality =
            ranking_quality(&all, &all, |query, candidate| Some(query == candidate)).unwrap();
        assert_eq!((quality.at1, quality.at10), (0.0, 0.0));
    }

    #[test]
    fn chance_counts_every_right_answer() {
        // 1 - (2/4 * 1/3): both drawn are wrong.
        assert!((by_chance(4, 2, 2) - (1.0 - 1.0 / 6.0)).abs() < 1e-12);
        assert_eq!(by_chance(3, 1, 10), 1.0);
        assert_eq!(by_chance(3, 3, 1), 1.0);
    }
}
