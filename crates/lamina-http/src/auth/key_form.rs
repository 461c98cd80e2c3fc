//! The form of a key id: checked before it is used for anything.

/// `^[A-Za-z0-9_-]{16,64}$`: nothing that means something to SQL, a file system or a log.
pub(super) fn is_key_id(text: &str) -> bool {
    (16..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_pass() {
        assert!(is_key_id("abcdefghijklmnop") && is_key_id(&"Z_-9".repeat(16)));
        let too_long = "a".repeat(65);
        let wrong = [
            "",
            "short",
            "abcdefghijklmno",
            &too_long,
            "abcdefghijklmno'",
            "../../../dev/null",
            "abcdefghijklmno\0",
            "äbcdefghijklmnop",
        ];
        for text in wrong {
            assert!(!is_key_id(text), "{text:?}");
        }
    }
}
