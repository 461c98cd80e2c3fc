//! Answers of the program beside those of the naive evaluator.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use lamina_explore::{ClusterView, ExplorePlan, PAGE_SIZE, PREVIEWS, ScoreKind, vql};
use lamina_store::sqlx::{self, PgPool};
use lamina_types::{EntityType, SimilarityThreshold};

use crate::asked::Asked;
use crate::naive::{Group, Naive};
use crate::random::Random;
use crate::shown;
use crate::world::{Side, World};

const SEED: u64 = 20_261_120;
/// Queries of the suite; `LAMINA_SEARCH_QUERIES` asks for more.
const QUERIES: usize = 3_000;

fn queries() -> usize {
    let asked = std::env::var_os("LAMINA_SEARCH_QUERIES");
    asked.map_or(QUERIES, |count| {
        let count = count.to_str().and_then(|count| count.parse().ok());
        count.expect("a number of queries")
    })
}

/// All pages of a request, after the last of which comes an empty one.
async fn pages(world: &World, asked: &Asked) -> Vec<ClusterView> {
    let mut clusters = Vec::new();
    for number in 0.. {
        let plan = asked.plan(number);
        let page = world.explorer.explore(&world.access, &plan).await.unwrap();
        let is_last = page.total_pages <= number;
        assert_eq!(is_last, page.clusters.is_empty(), "page {number} is no gap");
        if is_last {
            break;
        }
        assert!(page.clusters.len() == PAGE_SIZE || page.total_pages == number + 1);
        clusters.extend(page.clusters);
        if page.total_pages == number + 1 && number > 0 {
            break;
        }
    }
    clusters
}

fn assert_same(side: &Side, found: &[ClusterView], expected: &[Group], what: &str) {
    assert_eq!(found.len(), expected.len(), "number of clusters: {what}");
    let mut ids = HashSet::new();
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(ids.insert(found.cluster_id), "a cluster came twice: {what}");
        let members = found.n_images + found.n_objects;
        assert_eq!(members, expected.len() as u64, "{place}: {what}");
        assert_eq!(found.relevance_score, expected[0].1, "{place}: {what}");
        let previews = found.previews.iter();
        let previews: Vec<_> = previews
            .map(|view| (view.media_id, view.relevance_score))
            .collect();
        let members = expected.iter().take(PREVIEWS);
        let members: Vec<_> = members
            .map(|(ordinal, score)| (side.ids[*ordinal], *score))
            .collect();
        assert_eq!(previews, members, "{place}: {what}");
        for (view, (ordinal, _)) in found.previews.iter().zip(expected) {
            shown::assert_shown(view, &side.items[*ordinal], what);
        }
    }
}

/// The members of one cluster of the answer, over all its pages.
async fn assert_members(world: &World, asked: &Asked, cluster: &ClusterView, expected: &Group) {
    let (mut found, side) = (Vec::new(), world.side(asked.entity));
    for number in 0.. {
        let plan = asked.plan(number);
        let page = world
            .explorer
            .cluster_page(&world.access, cluster.cluster_id, &plan)
            .await
            .unwrap()
            .expect("the id came from an answer");
        if page.is_empty() {
            break;
        }
        found.extend(
            page.iter()
                .map(|view| (view.media_id, view.relevance_score)),
        );
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|(ordinal, score)| (side.ids[*ordinal], *score))
        .collect();
    assert_eq!(found, expected);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn generated_queries_equal_a_naive_evaluator_page_by_page(pool: PgPool) {
    let world = World::new(pool, SEED).await;
    let random = &mut Random(SEED);
    let (mut hits, mut empty, mut several_pages, mut whole) = (0, 0, 0, 0);
    let queries = queries();
    for number in 0..queries {
        let asked = Asked::generate(random, &world);
        let what = format!(
            "query {number}: {} {} anchor {:?} caption {:?} untagged {}",
            asked.entity,
            serde_json::Value::Array(asked.vql.clone()),
            asked.anchor,
            asked.caption,
            asked.untagged
        );
        let expected = Naive::new(&world, &asked).await.answer();
        let found = pages(&world, &asked).await;
        let side = world.side(asked.entity);
        assert_same(side, &found, &expected, &what);
        if let Some(place) = (!found.is_empty()).then(|| random.below(found.len())) {
            assert_members(&world, &asked, &found[place], &expected[place]).await;
        }
        let members: usize = expected.iter().map(Vec::len).sum();
        hits += members;
        empty += usize::from(members == 0);
        whole += usize::from(members == side.items.len());
        several_pages += usize::from(found.len() > PAGE_SIZE);
    }
    println!(
        "{queries} queries: {hits} members, {empty} empty, {whole} whole, {several_pages} of several pages"
    );
    // Otherwise the comparison would say little.
    assert!(empty < queries / 2 && whole < queries / 4 && several_pages > queries / 50);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn hostile_searches_are_answered_or_refused_quickly(pool: PgPool) {
    let world = World::new(pool, 7).await;
    let filler = "a ".repeat(4_000);
    let texts = [
        "'; drop table captions; --",
        "a:* & !b | <-> c",
        "\\",
        "'",
        "\"",
        "(((((((((",
        "-----",
        "the",
        "-the or of",
        "%_",
        "\u{202e}\u{0301}\u{1F600}",
        "$1 $2 {} %s",
        &filler,
    ];
    for op in ["fts", "semantic"] {
        for text in texts {
            let document = serde_json::json!([{"text": {"op": op, "value": text}}]).to_string();
            let started = Instant::now();
            if let Ok(filters) = vql::parse(&document) {
                let plan = ExplorePlan {
                    filters,
                    ..ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, 0)
                };
                let kind = plan.score_kind();
                let page = world.explorer.explore(&world.access, &plan).await;
                page.unwrap_or_else(|error| panic!("{op} {text:.40}: {error}"));
                let is_words = op == "fts";
                assert_eq!(is_words, kind == Some(ScoreKind::TextRank));
            }
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{op} {text:.40}"
            );
        }
    }
    let captions: i64 = sqlx::query_scalar("select count(*) from captions")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(captions > 0);
}
