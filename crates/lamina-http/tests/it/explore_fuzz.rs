//! Every parameter of explore with values that nobody should send: answered or refused, quickly, and never our fault.

use std::time::{Duration, Instant};

use axum::body::Body;
use lamina_store::Role;
use lamina_types::DatasetStatus;
use sqlx::PgPool;

use crate::app::{TestApp, request};

/// What a request may take. Other work on the machine is not its fault: the best of some tries counts.
const BOUND: Duration = Duration::from_millis(50);
const TRIES: usize = 40;
const ROUNDS: usize = 60;

/// Each parameter with a value that is right.
const PARAMETERS: [(&str, &str); 15] = [
    ("entity_type", "OBJECTS"),
    ("threshold", "2"),
    ("page_number", "1"),
    ("caption", "cars on highway"),
    ("image_caption", "dogs"),
    ("textual_similarity_threshold", "0.5"),
    ("labels", r#"["a","b"]"#),
    ("tags", r#"["0e7c5f2a-2b4b-4f0e-9a53-6d7d3b0c1e44"]"#),
    (
        "vql",
        r#"[{"text":{"op":"fts","value":"truck (river OR \"snow\") -dog"}},{"uniqueness":{"op":"uniqueness","value":0.5}}]"#,
    ),
    ("anchor_media_id", "0e7c5f2a-2b4b-4f0e-9a53-6d7d3b0c1e44"),
    ("anchor_type", "UPLOAD"),
    ("duplicate_threshold", "0.95"),
    ("verbose", "True"),
    ("allow_deleted", "False"),
    ("caption_only_filter", "red AND \"fire truck\""),
];

/// Values in percent-encoding where it matters; the rest is encoded.
const PIECES: [&str; 28] = [
    "'; drop table media; --",
    " union select * from api_keys",
    "$1",
    "%s%n",
    "\"",
    "'",
    "\\",
    "\u{0}",
    "\\u0000",
    "\\ud800",
    "\\udfff\\ud800",
    "\u{202e}\u{1F600}",
    "null",
    "NaN",
    "inf",
    "-1",
    "1e400",
    "-0",
    "99999999999999999999999999",
    "0x10",
    "1,5",
    "[",
    "]",
    "{\"or\":[]}",
    "true",
    "untagged",
    "\u{feff}",
    "",
];

/// Marsaglia's xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

fn encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A right value with a few things done to it, in bytes that need not be text.
fn mutated(random: &mut Random, right: &str) -> Vec<u8> {
    let mut bytes = right.as_bytes().to_vec();
    for _ in 0..1 + random.below(3) {
        let place = random.below(bytes.len() + 1).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(place),
            1 if place < bytes.len() => bytes[place] = random.below(256) as u8,
            // The first bytes of a lone surrogate, an overlong NUL, a cut-off character.
            2 => {
                let broken: [&[u8]; 3] = [&[0xED, 0xA0, 0x80], &[0xC0, 0x80], &[0xF0, 0x9F]];
                bytes.splice(place..place, broken[random.below(3)].iter().copied());
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())].bytes();
                bytes.splice(place..place, piece);
            }
        }
    }
    bytes
}

/// Values that are large or deep, as large as an address can be.
fn huge() -> Vec<String> {
    let many = |count: usize, one: &str| vec![one; count].join(",");
    vec![
        "a".repeat(60_000),
        "1".repeat(60_000),
        "%5B".repeat(10_000),
        "(".repeat(10_000),
        "-".repeat(10_000),
        "%7B%22not%22:".repeat(4_000),
        format!("[{}]", many(30_000, "1")),
        format!("[{}]", many(999, "%22a%22")),
        many(30_000, "a"),
        format!(
            "[{{%22labels%22:{{%22op%22:%22is%22,%22value%22:[{}]}}}}]",
            many(8_000, "1")
        ),
        "%F0%9F%98%80".repeat(5_000),
        "a+OR+".repeat(10_000),
        "%00".repeat(10_000),
    ]
}

/// The status, and how long it took at best.
async fn tried(app: &TestApp, path: &str, bearer: &str) -> (u16, Duration) {
    let (mut best, mut status) = (Duration::MAX, 0);
    for _ in 0..TRIES {
        let mut asked = request("GET", path, None, Body::empty());
        asked
            .headers_mut()
            .insert(http::header::AUTHORIZATION, bearer.parse().unwrap());
        let started = Instant::now();
        let answer = app.send(asked).await;
        best = best.min(started.elapsed());
        status = answer.code();
        if best < BOUND {
            break;
        }
    }
    (status, best)
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_parameter_is_answered_or_refused_in_no_time(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Viewer).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let bearer = ada.bearer();
    let path = |query: &str| format!("/api/v1/explore/{id}?{query}");
    let all = PARAMETERS.map(|(name, value)| format!("{name}={}", encoded(value.as_bytes())));
    assert_eq!(tried(&app, &path(&all.join("&")), &bearer).await.0, 200);

    let mut random = Random(20_261_122);
    let (mut answered, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let mut queries = Vec::new();
    for (name, right) in PARAMETERS {
        for _ in 0..ROUNDS {
            let value = encoded(&mutated(&mut random, right));
            // Half of them come with a right neighbour, and some twice.
            let other = &all[random.below(all.len())];
            queries.push(match random.below(4) {
                0 => format!("{name}={value}&{other}"),
                1 => format!("{name}={value}&{name}={value}"),
                _ => format!("{name}={value}"),
            });
        }
        queries.extend(huge().iter().map(|value| format!("{name}={value}")));
    }
    for query in &queries {
        let (status, took) = tried(&app, &path(query), &bearer).await;
        match status {
            200 => answered += 1,
            422 => refused += 1,
            other => panic!("{other}: {query:.300}"),
        }
        slowest = slowest.max(took);
        assert!(took < BOUND, "{status} after {took:?}: {query:.300}");
    }
    println!("{answered} answered, {refused} refused, the slowest took {slowest:?}");
    // Otherwise they were not mutations but noise, or no mutations.
    assert!(answered > queries.len() / 10 && refused > queries.len() / 4);
}
