//! Names and passwords into sessions, slowly for those who guess.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lamina_api::ErrorCode;
use lamina_store::users::User;
use lamina_store::{Secret, accounts, passwords};
use tokio::sync::Semaphore;

use crate::ApiError;
use crate::state::AppState;

/// Passwords hashed at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;

/// Wrong passwords in a row that cost nothing but themselves.
const FREE: u32 = 5;

/// Longest wait after a wrong password.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Names that are remembered; beyond it those that need not wait any more are forgotten.
const NAMES: usize = 10_000;

/// What is known of attempts to sign in.
#[derive(Debug)]
pub(crate) struct SignIns {
    slots: Semaphore,
    wrong: Mutex<HashMap<String, Wrong>>,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    in_a_row: u32,
    until: Instant,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            slots: Semaphore::new(AT_ONCE),
            wrong: Mutex::default(),
        }
    }
}

impl SignIns {
    /// How long this name has to wait before it may be tried again.
    fn wait(&self, name: &str, now: Instant) -> Option<Duration> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let until = wrong.get(name)?.until;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    fn note(&self, name: &str, is_right: bool, now: Instant) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if is_right {
            wrong.remove(name);
            return;
        }
        if wrong.len() >= NAMES {
            wrong.retain(|_, one| one.until > now);
        }
        let one = wrong.entry(name.to_owned()).or_insert(Wrong {
            in_a_row: 0,
            until: now,
        });
        one.in_a_row += 1;
        let doublings = one.in_a_row.saturating_sub(FREE).min(6);
        if doublings > 0 {
            one.until = now + LONGEST_WAIT.min(Duration::from_secs(1 << doublings));
        }
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// No random bytes.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, ApiError> {
        let _slot = self.slots.acquire().await.map_err(ApiError::internal)?;
        let hashed = tokio::task::spawn_blocking(move || passwords::hash(&password)).await;
        Ok(hashed.map_err(ApiError::internal)??)
    }
}

/// The user of a name and a password. A wrong name, a wrong password and an account that may not enter are one and the same 401, and
/// cost the same time.
///
/// # Errors
/// 401; 429 after too many wrong passwords for one name.
pub(crate) async fn check(
    state: &AppState,
    name: &str,
    password: Secret,
) -> Result<User, ApiError> {
    let key = name.to_lowercase();
    if let Some(wait) = state.sign_ins.wait(&key, Instant::now()) {
        let refusal = ApiError::new(ErrorCode::Overloaded, "Too many wrong passwords");
        return Err(refusal.with_retry_after(wait));
    }
    let found = accounts::password_of(&state.pool, name).await?;
    let (user, hash) = match found {
        Some((user, Some(hash))) => (Some(user), hash),
        Some((_, None)) | None => (None, state.dummy_password_hash.clone()),
    };
    let slots = &state.sign_ins.slots;
    let _slot = slots.acquire().await.map_err(ApiError::internal)?;
    let is_right = tokio::task::spawn_blocking(move || passwords::is_right(&password, &hash))
        .await
        .map_err(ApiError::internal)?;
    let user = user.filter(|_| is_right);
    state.sign_ins.note(&key, user.is_some(), Instant::now());
    user.ok_or_else(|| ApiError::new(ErrorCode::Unauthenticated, "Wrong name or password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_gets_slower_and_the_right_password_ends_the_wait() {
        let (tries, start) = (SignIns::default(), Instant::now());
        for _ in 0..FREE {
            tries.note("ada", false, start);
            assert_eq!(tries.wait("ada", start), None);
        }
        let mut last = Duration::ZERO;
        for _ in 0..8 {
            tries.note("ada", false, start);
            let wait = tries.wait("ada", start).unwrap();
            assert!(wait >= last && wait <= LONGEST_WAIT);
            last = wait;
        }
        assert_eq!(last, LONGEST_WAIT);
        assert_eq!(tries.wait("bob", start), None);
        assert_eq!(tries.wait("ada", start + LONGEST_WAIT), None);
        tries.note("ada", true, start);
        assert_eq!(tries.wait("ada", start), None);
    }
}
