use super::*;
use crate::filters::{Duplicates, ScoreKind, score_of};

fn kind(document: &str) -> &'static str {
    match parse(document) {
        Ok(_) => "ok",
        Err(error) => error.kind,
    }
}

#[test]
fn the_examples_of_the_contract_are_read() {
    let examples = [
        r#"[{"text":{"op":"fts","value":"highway night"}}]"#,
        r#"[{"text":{"op":"semantic","value":"cars on highway","threshold":0.7}}]"#,
        r#"[{"text":{"op":"semantic","value":"car on highway"}},{"labels":{"op":"one_of","value":["vehicle","car"]}}]"#,
        r#"[{"tags":{"op":"is","value":["0e7c5f2a-2b4b-4f0e-9a53-6d7d3b0c1e44"]}}]"#,
        r#"[{"issues":{"op":"issue","value":"blur","mode":"in","confidence_min":0.8,"confidence_max":1.0}}]"#,
        r#"[{"issues":{"op":"issue","value":"dark","mode":"out"}}]"#,
        r#"[{"duplicates":{"op":"duplicates","value":0.95}}]"#,
        r#"[{"uniqueness":{"op":"uniqueness","value":0.8}}]"#,
        r#"[{"id":"similarity_search","similarity":{"op":"upload","value":"f0a4d1b8-3d95-11f1-9d70-0242ac120003","threshold":0.8}}]"#,
        r#"[{"id":"a1","labels":{"op":"is_not","value":["cat","dog"]}},{"issues":{"op":"issue","value":"outliers","mode":"out"}}]"#,
        r#"[{"labels":{"op":"not_one_of","value":"cat","anything":[{}]},"id":7}]"#,
        r#"[{"and":[{"or":[{"uniqueness":{"op":"uniqueness","value":0}},{"not":{"duplicates":{"op":"duplicates","value":1}}}]}]}]"#,
        "[]",
        " ",
    ];
    for example in examples {
        assert_eq!(kind(example), "ok", "{example}: {:?}", parse(example));
    }
    assert_eq!(parse("[]"), Ok(Vec::new()));
    let numbers = parse(r#"[{"duplicates":{"op":"duplicates","value":0.5}}]"#);
    assert_eq!(numbers, Ok(vec![Duplicates { similarity: 0.5 }.into()]));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let table = [
        ("{}", "list_type", "vql"),
        ("[1]", "dict_type", "vql[0]"),
        ("[", "json_invalid", "vql"),
        ("nonsense", "json_invalid", "vql"),
        ("[{}]", "missing", "vql[0]"),
        (r#"[{"id":"a"}]"#, "missing", "vql[0]"),
        (
            r#"[{"labels":{"op":"is","value":["a"]},"tags":{}}]"#,
            "value_error",
            "vql[0]",
        ),
        (
            r#"[{"folder":{"op":"is"}}]"#,
            "extra_forbidden",
            "vql[0].folder",
        ),
        (r#"[[],{"labels":1}]"#, "dict_type", "vql[0]"),
        (r#"[{"labels":1}]"#, "dict_type", "vql[0].labels"),
        (
            r#"[{"labels":{"value":["a"]}}]"#,
            "missing",
            "vql[0].labels.op",
        ),
        (
            r#"[{"labels":{"op":"in","value":["a"]}}]"#,
            "enum",
            "vql[0].labels.op",
        ),
        (
            r#"[{"labels":{"op":"is","value":[1]}}]"#,
            "string_type",
            "vql[0].labels.value",
        ),
        (
            r#"[{"labels":{"op":"is","value":{}}}]"#,
            "string_type",
            "vql[0].labels.value",
        ),
        (
            r#"[{"labels":{"op":"is","value":[]}}]"#,
            "too_short",
            "vql[0].labels.value",
        ),
        (
            r#"[{"tags":{"op":"is","value":["x"]}}]"#,
            "uuid_parsing",
            "vql[0].tags.value",
        ),
        (
            r#"[{"issues":{"op":"issue","value":"class_outlier"}}]"#,
            "enum",
            "vql[0].issues.value",
        ),
        (
            r#"[{"issues":{"op":"issue","value":"blur","mode":"IN"}}]"#,
            "enum",
            "vql[0].issues.mode",
        ),
        (
            r#"[{"issues":{"op":"issue","value":"blur","confidence_min":-0.1}}]"#,
            "value_error",
            "vql[0].issues.confidence_min",
        ),
        (
            r#"[{"duplicates":{"op":"duplicates","value":1.5}}]"#,
            "value_error",
            "vql[0].duplicates.value",
        ),
        (
            r#"[{"duplicates":{"op":"duplicates","value":"1"}}]"#,
            "float_type",
            "vql[0].duplicates.value",
        ),
        (
            r#"[{"uniqueness":{"op":"uniqueness"}}]"#,
            "missing",
            "vql[0].uniqueness.value",
        ),
        (
            r#"[{"uniqueness":{"op":"uniqueness","value":NaN}}]"#,
            "json_invalid",
            "vql",
        ),
        (
            r#"[{"uniqueness":{"op":"uniqueness","value":1e400}}]"#,
            "json_invalid",
            "vql",
        ),
        (
            r#"[{"text":{"op":"fts","value":" "}}]"#,
            "string_too_short",
            "vql[0].text.value",
        ),
        (
            r#"[{"text":{"op":"fts","value":"a\u0000b"}}]"#,
            "string_type",
            "vql[0].text.value",
        ),
        (
            r#"[{"text":{"op":"semantic","value":"\ud800"}}]"#,
            "json_invalid",
            "vql",
        ),
        (
            r#"[{"text":{"op":"semantic","value":"a","threshold":2.1}}]"#,
            "value_error",
            "vql[0].text.threshold",
        ),
        (
            r#"[{"similarity":{"op":"upload","value":"7"}}]"#,
            "uuid_parsing",
            "vql[0].similarity.value",
        ),
        (r#"[{"or":[]}]"#, "too_short", "vql[0].or"),
        (r#"[{"or":{}}]"#, "list_type", "vql[0].or"),
        (r#"[{"not":[]}]"#, "dict_type", "vql[0].not"),
    ];
    for (document, kind, place) in table {
        let error = parse(document).expect_err(document);
        assert_eq!(
            (error.kind, error.place.as_str()),
            (kind, place),
            "{document}"
        );
    }
}

#[test]
fn limits_hold() {
    let leaf = r#"{"uniqueness":{"op":"uniqueness","value":0.5}}"#;
    let many = |count: usize| format!("[{}]", vec![leaf; count].join(","));
    assert_eq!((kind(&many(32)), kind(&many(33))), ("ok", "too_long"));
    let nested = |depth: usize| {
        format!(
            "[{}{leaf}{}]",
            r#"{"not":"#.repeat(depth),
            "}".repeat(depth)
        )
    };
    assert_eq!((kind(&nested(4)), kind(&nested(5))), ("ok", "too_deep"));
    let values = |count: usize| {
        format!(
            r#"[{{"labels":{{"op":"is","value":{:?}}}}}]"#,
            vec!["a"; count]
        )
    };
    assert_eq!(
        (kind(&values(1_000)), kind(&values(1_001))),
        ("ok", "too_long")
    );
    assert_eq!(kind(&values(100_000)), "string_too_long");
    assert_eq!(kind(&"[".repeat(10_000)), "json_invalid");
    assert_eq!(kind(&r#"[{"and":"#.repeat(5_000)), "json_invalid");
}

/// Every cut and every one-byte change of a document is read or refused, quickly and without a panic.
#[test]
fn damaged_documents_are_refused_quickly() {
    let whole = r#"[{"and":[{"text":{"op":"semantic","value":"caf\u00e9 \"x\"","threshold":7e-1}},{"not":{"tags":{"op":"is","value":["0e7c5f2a-2b4b-4f0e-9a53-6d7d3b0c1e44"]}}}]},{"issues":{"op":"issue","value":"blur","mode":"in","confidence_min":0.8}}]"#;
    let started = std::time::Instant::now();
    for cut in 0..whole.len() {
        assert_ne!(
            kind(&whole[..cut]),
            if cut == 0 { "" } else { "ok" },
            "{cut}"
        );
    }
    let mut read = 0_u32;
    for place in 0..whole.len() {
        for byte in *b"\0\"[]{}:,-0e\\n'; drop" {
            let mut bytes = whole.as_bytes().to_vec();
            bytes[place] = byte;
            read += u32::from(parse(&String::from_utf8_lossy(&bytes)).is_ok());
        }
    }
    assert!(read > 0 && started.elapsed().as_secs() < 10);
}

#[test]
fn an_answer_is_ranked_by_vectors_before_words() {
    let words = r#"{"text":{"op":"fts","value":"a"}}"#;
    let meaning = r#"{"text":{"op":"semantic","value":"a"}}"#;
    let kind = |document: String| score_of(parse(&document).unwrap().iter());
    assert_eq!(
        kind(format!("[{words},{meaning}]")),
        Some(ScoreKind::CosineDistance)
    );
    assert_eq!(
        kind(format!("[{{\"and\":[{words}]}}]")),
        Some(ScoreKind::TextRank)
    );
    assert_eq!(
        kind(format!("[{{\"or\":[{words}]}},{{\"not\":{meaning}}}]")),
        None
    );
}
