//! Passwords: Argon2id with the parameters its crate recommends (19 MiB, 2 passes), as PHC strings. Slow on purpose: call these
//! on a thread that may take its time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::{Secret, StoreError};

/// Shortest password, in characters.
pub const MIN_CHARACTERS: usize = 8;

/// Longest password, in bytes.
pub const MAX_BYTES: usize = 1_024;

/// The hash of a password under a salt of its own.
///
/// # Errors
/// No random bytes, or a password longer than any that are accepted.
pub fn hash(password: &Secret) -> Result<String, StoreError> {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|_| StoreError::Malformed("the password could not be hashed"))
}

/// Whether a hash is that of this password. What is no hash is nobody's.
pub fn is_right(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.expose().as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_for_its_own_hash_only() {
        let (right, wrong) = (
            Secret::new("correct horse".to_owned()),
            Secret::new("correct Horse".to_owned()),
        );
        let stored = hash(&right).unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert_ne!(stored, hash(&right).unwrap(), "each has its own salt");
        assert!(is_right(&right, &stored));
        assert!(!is_right(&wrong, &stored));
        for broken in [
            "",
            "correct horse",
            "$argon2id$",
            "$argon2id$v=19$m=1,t=1,p=1$x$y",
        ] {
            assert!(!is_right(&right, broken), "{broken}");
        }
    }
}
