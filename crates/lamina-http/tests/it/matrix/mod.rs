//! The authorisation matrix (hardening S2): every operation of the description, as everybody, for every kind of dataset.
//!
//! What is expected comes from `tests/contract/authorisation.txt` and the few lines of [`rules`]; nothing here knows how the server
//! decides. An operation without a line fails the test.

mod calls;
mod people;
mod rules;
mod things;

use std::collections::BTreeMap;

use sqlx::PgPool;

use crate::app::TestApp;
use calls::{Operation, Seen};
use people::{Cast, Person};
use rules::{Expected, Rule};
use things::{Kind, Things};

const RULES: &str = include_str!("../../../../../tests/contract/authorisation.txt");

/// Operation id -> rule and query.
fn table() -> BTreeMap<String, (Rule, String)> {
    let lines = RULES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let (id, rule) = (words.next().unwrap(), words.next().unwrap());
            let query = words.next().unwrap_or_default().to_owned();
            (id.to_owned(), (Rule::read(rule), query))
        })
        .collect()
}

#[test]
fn every_operation_has_a_rule_and_every_rule_an_operation() {
    let described: Vec<String> = Operation::all().into_iter().map(|one| one.id).collect();
    let table = table();
    for id in &described {
        assert!(
            table.contains_key(id),
            "write a line for {id} into tests/contract/authorisation.txt"
        );
    }
    for id in table.keys() {
        assert!(described.contains(id), "there is no operation {id}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn everybody_gets_what_the_rules_say_and_nothing_leaks(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let cast = Cast::new(&app).await;
    let (table, mut wrong, mut calls) = (table(), Vec::new(), 0);
    for operation in Operation::all() {
        let (rule, query) = &table[&operation.id];
        let things = Things::new(&app, &cast).await;
        for person in Person::ALL {
            // What somebody is told about a dataset that never was: what they are not to know of must be told alike.
            let nothing = operation
                .call(&app, &cast, person, query, &things.of(Kind::Never))
                .await;
            for kind in Kind::ALL {
                let thing = things.of(kind);
                let seen = operation.call(&app, &cast, person, query, &thing).await;
                calls += 1;
                let expected = rules::expected(*rule, person, kind);
                if let Some(trouble) = judge((person, kind), expected, &seen, &nothing) {
                    wrong.push(format!(
                        "{} as {person:?} on {kind:?}: {expected:?}, but {trouble}",
                        operation.id
                    ));
                }
            }
        }
    }
    println!(
        "{calls} calls of {} operations, {} breaches",
        table.len(),
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} breaches:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What is wrong with an answer, if anything.
fn judge(case: (Person, Kind), expected: Expected, seen: &Seen, nothing: &Seen) -> Option<String> {
    let (person, kind) = case;
    let is_refused = matches!(seen.status, 401 | 403);
    let says_nothing = kind != Kind::Never && seen.status == 404 && seen.body == nothing.body;
    let is_as_expected = match expected {
        Expected::Passes => !is_refused && !says_nothing && seen.status < 500,
        Expected::Unauthenticated => seen.status == 401,
        Expected::Forbidden => seen.status == 403,
        Expected::NothingThere => seen == nothing && matches!(seen.status, 401 | 404),
    };
    if !is_as_expected {
        return Some(format!("{} {}", seen.status, seen.text()));
    }
    // Lists pass for everybody, and must not name what is others'.
    let may_know = expected == Expected::Passes && (kind == Kind::Public || !person.is_outsider());
    (!may_know && seen.text().contains(things::CANARY))
        .then(|| format!("it leaks: {}", seen.text()))
}
