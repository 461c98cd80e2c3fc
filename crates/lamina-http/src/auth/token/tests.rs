//! Tokens by table (hardening S1): whatever is not a good token is refused.

use serde_json::{Value, json};

use super::*;

const KEY: &str = "key_0123456789abcdef";
const SECRET: &str = "the-secret-of-the-first-key-0123456789abcdef";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs two documents as they are, valid or not.
fn sign_text(header: &str, payload: &str, secret: &str) -> String {
    provider::install();
    let message = format!("{}.{}", encode(header), encode(payload));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "kid": KEY})
}

fn claims() -> Value {
    let now = unix_now();
    json!({"sub": KEY, "iss": "sdk", "iat": now, "exp": now + 600})
}

/// A signed token with one member of the header changed (`Value::Null` as text "absent" is spelt by `without`).
fn with_header(name: &str, value: Value) -> String {
    let mut header = header();
    header[name] = value;
    sign_text(&header.to_string(), &claims().to_string(), SECRET)
}

fn with_claim(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    sign_text(&header().to_string(), &claims.to_string(), SECRET)
}

fn without(mut document: Value, name: &str) -> Value {
    document.as_object_mut().unwrap().remove(name);
    document
}

fn with_payload(payload: &str) -> String {
    sign_text(&header().to_string(), payload, SECRET)
}

/// What the server does with a token, for the one known key.
fn accepts(token: &str) -> bool {
    let kid = key_of(token);
    kid.is_some_and(|kid| kid == KEY && verify(token, &kid, SECRET.as_bytes()))
}

#[test]
fn good_tokens_are_accepted() {
    let now = unix_now();
    assert!(accepts(
        &issue_token(KEY, SECRET, Duration::from_secs(600)).unwrap()
    ));
    assert!(accepts(&sign_text(
        &header().to_string(),
        &claims().to_string(),
        SECRET
    )));
    // A day, and more: the contract forbids a maximum below 24 hours.
    assert!(accepts(&with_claim("exp", json!(now + 7 * 86_400))));
    // Late or early by less than the leeway.
    assert!(accepts(&with_claim("exp", json!(now - 55))));
    assert!(accepts(&with_claim("iat", json!(now + 55))));
    assert!(accepts(&with_claim("nbf", json!(now + 55))));
    // Parts that are not asked for.
    assert!(accepts(&sign_text(
        &without(header(), "typ").to_string(),
        &claims().to_string(),
        SECRET
    )));
    assert!(accepts(&with_payload(
        &without(claims(), "iat").to_string()
    )));
    assert!(accepts(&with_claim("aud", json!("anybody"))));
    assert!(accepts(&with_claim("custom", json!({"a": [1]}))));
}

#[test]
fn wrong_headers_are_refused() {
    for alg in [
        "none", "None", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "hs256", "HS256 ",
    ] {
        assert!(!accepts(&with_header("alg", json!(alg))), "alg {alg:?}");
    }
    assert!(!accepts(&with_header("alg", json!(["HS256"]))), "array alg");
    assert!(!accepts(&with_header("alg", Value::Null)), "null alg");
    assert!(
        !accepts(&sign_text(
            &without(header(), "alg").to_string(),
            &claims().to_string(),
            SECRET
        )),
        "no alg"
    );
    let doubled = format!(r#"{{"alg":"HS256","alg":"HS256","kid":"{KEY}"}}"#);
    assert!(
        !accepts(&sign_text(&doubled, &claims().to_string(), SECRET)),
        "doubled alg"
    );
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.test/keys")),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("x5u", json!("https://evil.test/cert")),
        ("x5c", json!(["MIIB"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
    ] {
        assert!(!accepts(&with_header(name, value)), "header {name}");
    }
    assert!(!accepts(&with_header("typ", json!("JWE"))), "typ");
}

#[test]
fn wrong_key_ids_are_refused() {
    let long = "k".repeat(10_000);
    for kid in [
        json!(""),
        json!(7),
        json!([KEY]),
        Value::Null,
        json!(long),
        json!("'; drop table api_keys; --"),
        json!("../../../../dev/null"),
        json!(format!("{KEY}\u{0}")),
        json!(format!(" {KEY}")),
        json!("another_key_0123456789"),
    ] {
        assert!(!accepts(&with_header("kid", kid.clone())), "kid {kid}");
    }
    assert!(
        !accepts(&sign_text(
            &without(header(), "kid").to_string(),
            &claims().to_string(),
            SECRET
        )),
        "no kid"
    );
}

#[test]
fn wrong_signatures_are_refused() {
    let good = issue_token(KEY, SECRET, Duration::from_secs(600)).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut flipped = bytes.clone();
    flipped[31] ^= 1;
    let padded = format!("{message}.{signature}=");
    let longer = [bytes.as_slice(), &[0]].concat();
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD.encode([0xfb; 32]);
    for (what, token) in [
        ("empty", format!("{message}.")),
        ("missing", message.to_owned()),
        ("truncated", format!("{message}.{}", encode(&bytes[..31]))),
        ("one bit", format!("{message}.{}", encode(&flipped))),
        ("padded", padded),
        ("standard alphabet", format!("{message}.{standard}")),
        ("trailing byte", format!("{message}.{}", encode(longer))),
        ("trailing text", format!("{good}x")),
        ("four segments", format!("{good}.{signature}")),
        ("five segments", format!("{good}.a.b")),
        ("leading space", format!(" {good}")),
        ("trailing space", format!("{good} ")),
        ("newline", format!("{good}\n")),
        (
            "other secret",
            sign_text(
                &header().to_string(),
                &claims().to_string(),
                "another secret",
            ),
        ),
        (
            "empty secret",
            sign_text(&header().to_string(), &claims().to_string(), ""),
        ),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ] {
        assert!(!accepts(&token), "{what}");
    }
}

#[test]
fn wrong_claims_are_refused() {
    let now = unix_now();
    for exp in [
        Value::Null,
        json!("never"),
        json!((now + 600).to_string()),
        json!(1e308),
        json!(now as f64 + 600.5),
        json!(-1),
        json!(0),
        json!(now - 65),
        json!(9_223_372_036_854_775_808_u64),
        json!(true),
        json!([now + 600]),
    ] {
        assert!(!accepts(&with_claim("exp", exp.clone())), "exp {exp}");
    }
    assert!(
        !accepts(&with_payload(&without(claims(), "exp").to_string())),
        "no exp"
    );
    for iat in [
        json!(now + 3_600),
        json!("now"),
        json!(-1),
        json!(i64::MAX),
        json!(1.5),
    ] {
        assert!(!accepts(&with_claim("iat", iat.clone())), "iat {iat}");
    }
    for nbf in [
        json!("later"),
        json!(now + 120),
        json!(i64::MAX),
        json!([0]),
    ] {
        assert!(!accepts(&with_claim("nbf", nbf.clone())), "nbf {nbf}");
    }
    for sub in [
        json!("another_key_0123456789"),
        json!(7),
        Value::Null,
        json!(""),
        json!([KEY]),
    ] {
        assert!(!accepts(&with_claim("sub", sub.clone())), "sub {sub}");
    }
    assert!(
        !accepts(&with_payload(&without(claims(), "sub").to_string())),
        "no sub"
    );
    for iss in [
        json!("SDK"),
        json!("sdk "),
        json!(["sdk"]),
        Value::Null,
        json!(""),
    ] {
        assert!(!accepts(&with_claim("iss", iss.clone())), "iss {iss}");
    }
    assert!(
        !accepts(&with_payload(&without(claims(), "iss").to_string())),
        "no iss"
    );
}

#[test]
fn payloads_that_are_no_claims_are_refused() {
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let doubled = format!(
        r#"{{"sub":"{KEY}","iss":"sdk","exp":1,"exp":{}}}"#,
        unix_now() + 600
    );
    let large = claims()
        .to_string()
        .replace('}', &format!(r#","x":"{}"}}"#, "y".repeat(1_000_000)));
    for payload in [
        "[]", "not json", "", "\"text\"", "null", &deep, &doubled, &large,
    ] {
        assert!(
            !accepts(&with_payload(payload)),
            "{}",
            &payload[..payload.len().min(40)]
        );
    }
}

#[test]
fn no_single_changed_byte_is_accepted() {
    let good = issue_token(KEY, SECRET, Duration::from_secs(600)).unwrap();
    for place in 0..good.len() {
        for replacement in [b'A', b'z', b'-', b'.', b'=', b'0'] {
            let mut bytes = good.clone().into_bytes();
            if bytes[place] != replacement {
                bytes[place] = replacement;
                assert!(
                    !accepts(&String::from_utf8(bytes).unwrap()),
                    "byte {place} as {replacement}"
                );
            }
        }
    }
}
