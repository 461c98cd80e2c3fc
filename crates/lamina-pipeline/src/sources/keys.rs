//! Paths as text that keeps every byte: a file name on disk is any bytes but `/` and NUL, a column is valid UTF-8.

use std::fmt::Write as _;

/// Longest key in bytes. Keys stand in a unique index, and Postgres refuses index entries of more than about 2,700.
pub(super) const MAX_KEY_BYTES: usize = 2_000;

/// Writes a path so that [`decode`] gives it back: `%`, ASCII control characters and bytes that are not UTF-8 become
/// `%XX`, everything else stays as it is.
pub(super) fn encode(path: &[u8]) -> String {
    let mut key = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' || character.is_ascii_control() {
                push_escaped(&mut key, character as u8);
            } else {
                key.push(character);
            }
        }
        for byte in chunk.invalid() {
            push_escaped(&mut key, *byte);
        }
    }
    key
}

fn push_escaped(key: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(key, "%{byte:02X}");
}

/// The bytes of an encoded path; `None` for text that [`encode`] never makes.
pub(super) fn decode(key: &str) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits)
                .ok()
                .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            path.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail;
        } else {
            path.push(byte);
            rest = tail;
        }
    }
    Some(path)
}

/// A key for something that will never be fetched and whose own key is too long: its beginning and its place in the
/// listing. `%#` is no escape, so it is nobody's real key.
pub(super) fn shortened(key: &str, place: u64) -> String {
    const KEPT_BYTES: usize = 1_900;
    format!("{}%#{place}", &key[..key.floor_char_boundary(KEPT_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_through_a_key() {
        let all: Vec<u8> = (0..=255).collect();
        for path in [
            &all[..],
            b"a/b.jpg",
            "Fläche/猫\u{202e}.jpg".as_bytes(),
            b"100%.jpg",
            b"%41",
            b"\xff\n\xf0\x9f",
        ] {
            let key = encode(path);
            assert_eq!(decode(&key).as_deref(), Some(path), "{key}");
            assert!(!key.bytes().any(|b| b.is_ascii_control()), "{key:?}");
        }
    }

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(
            encode("holiday 2024/Straße.jpg".as_bytes()),
            "holiday 2024/Straße.jpg"
        );
        assert_eq!(encode(b"50%\n\xff.jpg"), "50%25%0A%FF.jpg");
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        for text in ["%", "%4", "%zz", "%+1", "a%#3"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn shortened_keys_differ_and_fit() {
        let key = "ü".repeat(3_000);
        let (first, second) = (shortened(&key, 1), shortened(&key, 2));
        assert_ne!(first, second);
        assert!(first.len() <= MAX_KEY_BYTES);
        assert_eq!(decode(&first), None);
    }
}
