//! ID tokens by table: whatever is not a good token is refused, and for the right reason.

use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents,
};
use serde_json::json;

use super::*;

const ISSUER: &str = "https://id.example/realms/a";
const CLIENT: &str = "lamina";
const NONCE: &str = "the-nonce-of-this-sign-in";

/// Made for tests, and used nowhere else.
const RSA: &[u8] = include_bytes!("../../../tests/it/oidc/key-of-tests.pk8");

/// A provider with a key of each kind.
struct Signer {
    rsa: RsaKeyPair,
    curve: EcdsaKeyPair,
    random: SystemRandom,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let curve = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let curve = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            curve.unwrap().as_ref(),
            &random,
        );
        Self {
            rsa: RsaKeyPair::from_pkcs8(RSA).unwrap(),
            curve: curve.unwrap(),
            random,
        }
    }

    fn jwks(&self) -> Value {
        let rsa: RsaPublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        let (x, y) = self.curve.public_key().as_ref()[1..].split_at(32);
        json!({"keys": [
            {"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": encode(&rsa.n), "e": encode(&rsa.e)},
            {"kty": "EC", "kid": "c", "crv": "P-256", "x": encode(x), "y": encode(y)},
            {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": encode([7; 32])},
            {"kty": 7}, "nonsense",
        ]})
    }

    /// The documents as they are, signed as `alg` says.
    fn sign(&self, alg: &str, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = match alg {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let signed = self.rsa.sign(
                    &RSA_PKCS1_SHA256,
                    &self.random,
                    message.as_bytes(),
                    &mut signature,
                );
                signed.unwrap();
                signature
            }
            "ES256" => {
                let signed = self.curve.sign(&self.random, message.as_bytes());
                signed.unwrap().as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", encode(signature))
    }
}

fn claims() -> Value {
    let now = unix_seconds();
    json!({"iss": ISSUER, "sub": "7", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": NONCE,
           "email": "ada@example.com", "email_verified": true, "preferred_username": "ada"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn verdict(token: &str, jwks: &Value) -> Result<Person, IdTokenError> {
    let keys = Keys::read(jwks.to_string().as_bytes()).unwrap();
    let expected = Expected {
        issuer: ISSUER,
        client_id: CLIENT,
        nonce: NONCE,
    };
    check(token, &keys, &expected)
}

fn rs256() -> Value {
    json!({"alg": "RS256", "kid": "r", "typ": "JWT"})
}

#[test]
fn what_the_provider_signed_for_us_is_believed() {
    let signer = Signer::new();
    let jwks = signer.jwks();
    let person = verdict(&signer.sign("RS256", &rs256(), &claims()), &jwks).unwrap();
    assert_eq!(person.subject, "7");
    assert_eq!(person.email.as_deref(), Some("ada@example.com"));
    assert_eq!(person.preferred_name.as_deref(), Some("ada"));
    let header = json!({"alg": "ES256", "kid": "c"});
    assert!(verdict(&signer.sign("ES256", &header, &claims()), &jwks).is_ok());
    // Without an id the one key of the kind is meant.
    let header = json!({"alg": "RS256"});
    assert!(verdict(&signer.sign("RS256", &header, &claims()), &jwks).is_ok());
    for good in [
        with("aud", json!([CLIENT])),
        json!({"azp": CLIENT, "aud": ["another", CLIENT]}),
        with("exp", json!(unix_seconds() - 30)),
        with("iat", json!(unix_seconds() + 30)),
    ] {
        let mut claims = claims();
        for (name, value) in good.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let found = verdict(&signer.sign("RS256", &rs256(), &claims), &jwks);
        assert!(found.is_ok(), "{claims}: {found:?}");
    }
}

#[test]
fn a_mail_address_counts_only_if_the_provider_vouches_for_it() {
    let signer = Signer::new();
    let email = |value: Option<Value>| {
        let claims = match value {
            Some(value) => with("email_verified", value),
            None => without("email_verified"),
        };
        let token = signer.sign("RS256", &rs256(), &claims);
        verdict(&token, &signer.jwks()).unwrap().email.is_some()
    };
    assert!(email(Some(json!(true))) && email(Some(json!("true"))));
    for not in [
        json!(false),
        json!("false"),
        json!(1),
        json!(null),
        json!([true]),
    ] {
        assert!(!email(Some(not)));
    }
    assert!(!email(None));
}

#[test]
fn what_is_not_said_for_us_now_and_here_is_refused() {
    use IdTokenError::{OtherClient, OtherSignIn, Refused};
    let signer = Signer::new();
    let now = unix_seconds();
    for (claims, reason) in [
        (with("iss", json!("https://evil.test")), Refused),
        (with("iss", json!([ISSUER, "https://evil.test"])), Refused),
        (with("iss", json!(format!("{ISSUER}/"))), Refused),
        (without("iss"), Refused),
        (with("aud", json!("another")), Refused),
        (with("aud", json!([])), Refused),
        (without("aud"), Refused),
        (with("aud", json!([CLIENT, "another"])), OtherClient),
        (with("azp", json!("another")), OtherClient),
        (with("exp", json!(now - 120)), Refused),
        (with("exp", json!("never")), Refused),
        (without("exp"), Refused),
        (with("iat", json!(now + 120)), Refused),
        (without("iat"), Refused),
        (with("nbf", json!(now + 120)), Refused),
        (with("nonce", json!("of another")), OtherSignIn),
        (with("nonce", json!("")), OtherSignIn),
        (without("nonce"), OtherSignIn),
        (with("sub", json!("")), Refused),
        (with("sub", json!("s".repeat(256))), Refused),
        (without("sub"), Refused),
    ] {
        let found = verdict(&signer.sign("RS256", &rs256(), &claims), &signer.jwks());
        let found = found.map(|person| person.subject);
        assert_eq!(found, Err(reason), "{claims}");
    }
}

#[test]
fn what_the_provider_did_not_sign_is_refused() {
    use IdTokenError::{Algorithm as Alg, Malformed, Refused, UnknownKey};
    let signer = Signer::new();
    let jwks = signer.jwks();
    let good = signer.sign("RS256", &rs256(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let forged = encode(with("sub", json!("8")).to_string());
    let unsigned = |alg: &str| encode(json!({"alg": alg}).to_string());
    let by = |header: Value| signer.sign("RS256", &header, &claims());
    for (token, reason) in [
        (String::new(), Malformed),
        ("a.b.c".to_owned(), Malformed),
        (format!("{}.{}", parts[0], parts[1]), Malformed),
        (format!("{}.{}.", parts[0], parts[1]), Malformed),
        (format!("{good}.x"), Malformed),
        ("x".repeat(MAX_TOKEN_BYTES + 1), Malformed),
        (format!("{}.{}.x", unsigned("none"), parts[1]), Alg),
        (format!("{}.{}.x", unsigned("None"), parts[1]), Alg),
        (by(json!({"alg": "HS256", "kid": "r"})), Alg),
        (by(json!({"alg": "RS512", "kid": "r"})), Alg),
        (
            by(json!({"alg": "RS256", "kid": "r", "crit": ["b64"]})),
            Alg,
        ),
        (by(json!({"alg": "RS256", "kid": "new"})), UnknownKey),
        (by(json!({"alg": "RS256", "kid": "c"})), UnknownKey),
        (by(json!({"alg": "ES256", "kid": "r"})), UnknownKey),
        (by(json!({"alg": "ES256", "kid": "c"})), Refused),
        (format!("{}.{forged}.{}", parts[0], parts[2]), Refused),
        (
            format!("{}.{}.{}", parts[0], parts[1], encode([0; 256])),
            Refused,
        ),
        (
            format!("{}.{}.{}", parts[0], parts[1], &parts[2][..300]),
            Refused,
        ),
    ] {
        let found = verdict(&token, &jwks).map(|person| person.subject);
        assert_eq!(found, Err(reason), "{}", &token[..token.len().min(200)]);
    }
    // Keys for other uses, and two that could be meant.
    let mut other = jwks.clone();
    other["keys"][0]["use"] = json!("enc");
    assert_eq!(verdict(&good, &other).unwrap_err(), UnknownKey);
    let mut other = jwks.clone();
    other["keys"][0]["alg"] = json!("RS512");
    assert_eq!(verdict(&good, &other).unwrap_err(), UnknownKey);
    let mut twice = jwks.clone();
    let second = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(second);
    let token = by(json!({"alg": "RS256"}));
    assert_eq!(verdict(&token, &twice).unwrap_err(), UnknownKey);
    assert!(Keys::read(b"[]").is_err() && Keys::read(b"{}").is_err());
}
