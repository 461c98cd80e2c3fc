//! Explore with what careless and hostile clients send, over real connections: answered or refused, never a fault.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use lamina_testkit::client::Client;
use serde_json::{Value, json};

use crate::album::Album;
use crate::support::{digest, get, installation, served};

/// Requests that are made up; `LAMINA_FUZZ_REQUESTS` asks for more.
const REQUESTS: usize = 1_200;

/// What an answer is meant to take; how many took longer is printed, because a machine that is busy with other work is no fault.
const MEANT: Duration = Duration::from_millis(50);

/// What no answer may take, at the best of three tries, in a build without optimisation.
const BOUND: Duration = Duration::from_secs(1);

/// The parameters, each with values that are right.
const PARAMETERS: [(&str, &[&str]); 15] = [
    ("entity_type", &["IMAGES", "OBJECTS", "VIDEOS"]),
    ("threshold", &["0", "4"]),
    ("page_number", &["0", "1", "1000000"]),
    ("caption", &["a red boat on a river", "sky"]),
    ("image_caption", &["a dog"]),
    ("textual_similarity_threshold", &["0.5", "2"]),
    ("labels", &[r#"["car","odd"]"#, "[car,even]", "car"]),
    ("tags", &["untagged", "[{tag}]"]),
    (
        "vql",
        &[
            r#"[{"text":{"op":"fts","value":"boat (river OR \"red boat\") -dog"}}]"#,
            r#"[{"text":{"op":"semantic","value":"a red boat","threshold":0.7}}]"#,
            r#"[{"labels":{"op":"is_not","value":["odd","car"]}},{"issues":{"op":"issue","value":"outliers","mode":"out"}}]"#,
            r#"[{"tags":{"op":"one_of","value":["{tag}"]}},{"media":{"op":"not_one_of","value":["{media}"]}}]"#,
            r#"[{"issues":{"op":"issue","value":"blur","mode":"in","confidence_min":0.8,"confidence_max":1.0}}]"#,
            r#"[{"duplicates":{"op":"duplicates","value":0.95}},{"uniqueness":{"op":"uniqueness","value":0.8}}]"#,
            r#"[{"or":[{"not":{"labels":{"op":"is","value":"car"}}},{"and":[{"uniqueness":{"op":"uniqueness","value":0}}]}]}]"#,
            r#"[{"file_name":{"op":"contains","value":["7",".jpg"]}},{"size":{"op":"area","min":1,"max":1e9}}]"#,
            r#"[{"date":{"op":"added","from":"2026-01-02","to":"2036-02-03T04:05:06Z"}}]"#,
            r#"[{"similarity":{"op":"media","value":"{media}","threshold":0.8}}]"#,
        ],
    ),
    ("anchor_media_id", &["{media}", "{upload}"]),
    ("anchor_type", &["MEDIA", "UPLOAD"]),
    ("duplicate_threshold", &["0.9"]),
    ("verbose", &["true", "False"]),
    ("allow_deleted", &["1", ""]),
    ("caption_only_filter", &["boat OR dog"]),
];

/// What is put into values.
const PIECES: [&str; 32] = [
    "'; drop table media; --",
    "' or 1=1 --",
    " union select ",
    "$1",
    "%s",
    "\\u0000",
    "\\ud800",
    "\\udfff\\ud800",
    "\u{202e}",
    "\0",
    "null",
    "NaN",
    "inf",
    "1e400",
    "-1e400",
    "1e-400",
    "-1",
    "-0",
    "99999999999999999999",
    "[",
    "]",
    "{",
    "}",
    "\"",
    ",",
    ":",
    "\"value\":[]",
    "{\"or\":[]}",
    "true",
    "\u{1F600}",
    "\\",
    "&",
];

/// What is put between parameters as it is: escapes that are none, and bytes that are no UTF-8 (a lone surrogate among them).
const RAW: [&str; 8] = [
    "%",
    "%f",
    "%zz",
    "%ff%fe",
    "%ed%a0%80",
    "%00",
    "&&=&=",
    "%c0%af",
];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => out.push(char::from(*byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}

/// A value with some of its bytes replaced, removed, doubled, or with a piece put in.
fn mutated(random: &mut Random, value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    for _ in 0..1 + random.below(2) {
        let place = random.below(bytes.len() + 1).min(bytes.len());
        match random.below(10) {
            0 => bytes.truncate(place),
            1 if place < bytes.len() => bytes[place] = random.below(256) as u8,
            2 if place < bytes.len() => {
                bytes.remove(place);
            }
            3 => {
                let end = (place + random.below(30)).min(bytes.len());
                let part = bytes[place..end].to_vec();
                bytes.splice(place..place, part);
            }
            4 => bytes = random.pick(&PIECES).as_bytes().to_vec(),
            // A letter or digit for another keeps the shape, and often the meaning.
            5..=7 if bytes.get(place).is_some_and(u8::is_ascii_alphanumeric) => {
                bytes[place] = random.pick(b"0123456789abcdefghij".as_slice());
            }
            _ => {
                bytes.splice(place..place, random.pick(&PIECES).bytes());
            }
        }
    }
    bytes
}

/// A query string of a few parameters, some of them wrong in some way.
fn query(random: &mut Random, album: &Album) -> String {
    let mut parts = Vec::new();
    for _ in 0..1 + random.below(3) {
        let (name, values) = random.pick(&PARAMETERS);
        let value = album.named(random.pick(values));
        let value = match random.below(5) {
            0 | 1 => value.into_bytes(),
            // A value of another parameter.
            2 => {
                let (_, others) = random.pick(&PARAMETERS);
                album.named(random.pick(others)).into_bytes()
            }
            _ => mutated(random, &value),
        };
        parts.push(format!("{name}={}", encoded(&value)));
    }
    if random.below(8) == 0 {
        let again = random.pick(&[0, parts.len() - 1]);
        parts.push(parts[again].clone());
    }
    if random.below(8) == 0 {
        let place = random.below(parts.len());
        parts[place].push_str(random.pick(&RAW));
    }
    parts.join("&")
}

/// Asks; the status, and the time that the best of some tries took.
fn tried(client: &Client, path: &str) -> (u16, Duration) {
    let (mut status, mut took) = (0, Duration::MAX);
    for _ in 0..3 {
        let begun = Instant::now();
        let answer = client.get(path).unwrap();
        took = took.min(begun.elapsed());
        status = answer.status;
        let body = answer.json().unwrap();
        let is_listed = match status {
            200 => body["clusters"].is_array(),
            422 => body["detail"].is_array(),
            // Anchors may be unknown ones.
            404 => body["detail"] == "Anchor media not found",
            _ => false,
        };
        assert!(is_listed, "{status}: {path:.300}: {body}");
        if took < BOUND {
            break;
        }
    }
    (status, took)
}

#[test]
fn made_up_parameters_are_answered_or_refused() {
    let home = installation();
    let (mut server, client) = served(&home);
    let album = Album::new(&home, &client);
    let before = digest(&client, &album.id);
    let explore = format!("/api/v1/explore/{}", album.id);
    // Every value that is right is answered, so that what follows differs from these by what was done to them.
    for (name, values) in PARAMETERS {
        for value in values {
            let value = encoded(album.named(value).as_bytes());
            let path = format!("{explore}?{name}={value}");
            assert_eq!(tried(&client, &path).0, 200, "{path}");
        }
    }
    let requests = std::env::var("LAMINA_FUZZ_REQUESTS");
    let requests: usize = requests.map_or(REQUESTS, |count| count.parse().unwrap());
    let random = &mut Random(20_261_123);
    let (mut answered, mut late, mut slowest) = (0, 0, (Duration::ZERO, String::new()));
    for _ in 0..requests {
        let path = format!("{explore}?{}", query(random, &album));
        let (status, took) = tried(&client, &path);
        assert!(took < BOUND, "{took:?} at best: {path:.300}");
        answered += usize::from(status == 200);
        late += usize::from(took > MEANT);
        if took > slowest.0 {
            slowest = (took, path);
        }
    }
    println!(
        "{answered} of {requests} made-up requests answered, the rest refused; {late} took more than {MEANT:?}, the slowest \
         {:?}: {:.300}",
        slowest.0, slowest.1
    );
    // Otherwise they were noise, or not mutated at all.
    assert!((requests / 20..requests * 3 / 4).contains(&answered));
    assert_eq!(digest(&client, &album.id), before, "nothing was changed");
    assert_eq!(client.get("/readyz").unwrap().status, 200);
    assert!(server.is_running().unwrap());
}

#[test]
fn huge_deep_and_broken_requests_have_the_codes_of_the_interface() {
    let home = installation();
    let (mut server, client) = served(&home);
    let album = Album::new(&home, &client);
    let explore = format!("/api/v1/explore/{}", album.id);
    let list = |count: usize, one: &str| vec![one; count].join(",");
    let vql = |document: &str| format!("vql={}", encoded(document.as_bytes()));
    let uniqueness = r#"{"uniqueness":{"op":"uniqueness","value":0}}"#;
    let nested = |depth: usize| {
        let (open, close) = ("{\"not\":".repeat(depth), "}".repeat(depth));
        vql(&format!("[{open}{uniqueness}{close}]"))
    };
    let words = |text: &str| vql(&json!([{"text": {"op": "fts", "value": text}}]).to_string());
    let table = [
        (vec![200], format!("labels=[{}]", list(1_000, "a"))),
        (vec![422], format!("labels=[{}]", list(1_001, "a"))),
        (vec![414], format!("labels=[{}]", list(100_000, "a"))),
        (vec![200], vec!["labels=a"; 1_000].join("&")),
        (vec![422], vec!["labels=a"; 1_001].join("&")),
        (vec![200], vec!["vql=%5B%5D"; 1_000].join("&")),
        (
            vec![422],
            vec![vql(&format!("[{uniqueness}]")); 33].join("&"),
        ),
        (vec![200], vec!["threshold=4"; 5_000].join("&")),
        (
            vec![422],
            format!("threshold=1&{}&threshold=5", vec!["x=y"; 5_000].join("&")),
        ),
        (vec![200], vql(&format!("[{}]", list(32, uniqueness)))),
        (vec![422], vql(&format!("[{}]", list(33, uniqueness)))),
        (vec![200], nested(3)),
        (vec![422], nested(10)),
        (vec![422], nested(1_500)),
        (vec![422], format!("vql={}", "[".repeat(10_000))),
        (
            vec![422],
            format!("vql={}{}", "[".repeat(10_000), "]".repeat(10_000)),
        ),
        (vec![414], format!("vql={}", "[".repeat(100_000))),
        (vec![422], words(&"(".repeat(8_000))),
        (vec![422], words(&"-".repeat(8_000))),
        (vec![200], words(&"a or ".repeat(60))),
        (vec![422], words(&"a or ".repeat(65))),
        (vec![422], words(&"a".repeat(9_000))),
        (vec![422], format!("caption={}", "a".repeat(60_000))),
        (
            vec![422],
            format!("caption_only_filter={}", "a+or+".repeat(1_000)),
        ),
        (vec![422], "caption=%00".to_owned()),
        (
            vec![422],
            vql(r#"[{"labels":{"op":"is","value":["\ud800"]}}]"#),
        ),
        (
            vec![422],
            vql(r#"[{"text":{"op":"fts","value":"a\u0000b"}}]"#),
        ),
        (
            vec![200, 422],
            vql(r#"[{"labels":{"op":"is","value":["a\u0000b"]}}]"#),
        ),
        // Broken UTF-8 is read as the character for it; there is no such label.
        (vec![200], "labels=%ff%fe".to_owned()),
        (vec![200], "labels=%ed%a0%80".to_owned()),
        (vec![422], "vql=%ed%a0%80".to_owned()),
        (vec![200], "%=&%zz=1&=&&&".to_owned()),
    ];
    for (codes, query) in table {
        let begun = Instant::now();
        let answer = client.get(&format!("{explore}?{query}")).unwrap();
        assert!(
            codes.contains(&answer.status),
            "{} for {query:.80}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        assert!(begun.elapsed() < BOUND * 3, "{query:.80}");
    }
    for number in [
        "NaN",
        "inf",
        "-inf",
        "-0.1",
        "1e400",
        "0x1",
        "",
        " ",
        "1,5",
        "99999999999999999999",
    ] {
        for (name, may_be_empty) in [
            ("threshold", false),
            ("page_number", false),
            ("textual_similarity_threshold", false),
            ("duplicate_threshold", true),
        ] {
            let path = format!("{explore}?{name}={}", encoded(number.as_bytes()));
            let expected = if number.is_empty() && may_be_empty {
                200
            } else {
                422
            };
            assert_eq!(client.get(&path).unwrap().status, expected, "{path}");
        }
    }
    assert_eq!(client.get("/readyz").unwrap().status, 200);
    assert!(server.is_running().unwrap());
}

/// The same filters in a body, where documents can be longer and deeper than an address: JSON in JSON.
#[test]
fn filters_in_a_body_are_no_softer_target() {
    let home = installation();
    let (mut server, client) = served(&home);
    let album = Album::new(&home, &client);
    let path = format!("/api/v1/dataset/{}/tags/{}/assign", album.id, album.tag);
    let selection = |vql: &str| {
        format!(
            r#"{{"media_selection":[{{"type":"query","payload":{{"filters":{{"vql":{vql}}}}}}}]}}"#
        )
    };
    let values = |count: usize, one: &str| {
        let list = vec![one; count].join(",");
        format!(r#"[{{"labels":{{"op":"is","value":[{list}]}}}}]"#)
    };
    let table = [
        (200, selection(&values(1, "\"nobody's\""))),
        (422, selection(&values(100_000, "\"a\""))),
        (422, selection(&values(1, "\"\\ud800\""))),
        (422, selection(&values(1, "\"\\udfff\\ud800\""))),
        (422, selection(&values(1, "1e400"))),
        (422, selection(&values(1, "NaN"))),
        (
            422,
            selection(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        ),
        (422, selection(&"[".repeat(10_000))),
        (
            422,
            selection(r#"[{"uniqueness":{"op":"uniqueness","value":"' or 1=1 --"}}]"#),
        ),
        (
            422,
            "{\"media_selection\":".to_owned() + &"{\"a\":".repeat(10_000),
        ),
        (422, "\"\\ud800\"".to_owned()),
        (422, "\0".to_owned()),
    ];
    for (code, body) in table {
        let begun = Instant::now();
        let answer = client.request("POST", &path, Some("application/json"), body.as_bytes());
        let answer = answer.unwrap();
        let said: Value = answer.json().unwrap();
        assert_eq!(answer.status, code, "{body:.120}: {said}");
        assert!(begun.elapsed() < BOUND * 3, "{body:.120}");
    }
    let broken = selection(&values(1, "\"\u{0}\""))
        .replace('\0', "\u{FFFD}")
        .into_bytes();
    let broken: Vec<u8> = broken
        .into_iter()
        .map(|byte| if byte == 0xEF { 0xFF } else { byte })
        .collect();
    let answer = client.request("POST", &path, Some("application/json"), &broken);
    assert_eq!(answer.unwrap().status, 422, "bytes that are no UTF-8");
    let tagged = get(
        &client,
        &format!("/explore/{}?tags={}", album.id, album.tag),
    );
    let members = tagged["clusters"].as_array().unwrap().iter();
    let members: u64 = members
        .map(|cluster| cluster["n_images"].as_u64().unwrap())
        .sum();
    assert_eq!(members, 1, "nothing that was refused was done");
    assert!(server.is_running().unwrap());
}
