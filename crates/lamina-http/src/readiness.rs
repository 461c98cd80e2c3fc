//! Whether this server can serve: the database answers, the model is warm, nobody has asked it to stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lamina_store::sqlx::{self, PgPool};

/// How long a look at the database is good for, so that health checks cannot load it.
const FRESH: Duration = Duration::from_millis(500);

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shared between the server, which reports, and the health routes, which ask. Starts as not ready.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    model: Result<(), String>,
    is_stopping: bool,
    database: Option<(Instant, bool)>,
}

impl Default for Readiness {
    fn default() -> Self {
        let model = Err("the model is not loaded yet".to_owned());
        Self(Arc::new(Mutex::new(State {
            model,
            is_stopping: false,
            database: None,
        })))
    }
}

impl Readiness {
    /// The model is warm, or why it is not (a public text).
    pub fn set_model(&self, state: Result<(), String>) {
        self.with(|inner| inner.model = state);
    }

    /// From now on the server is not ready, for good.
    pub fn begin_shutdown(&self) {
        self.with(|inner| inner.is_stopping = true);
    }

    /// Whether the server has been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.with(|inner| inner.is_stopping)
    }

    /// What keeps the server from serving; empty when nothing does.
    pub async fn problems(&self, pool: &PgPool) -> Vec<String> {
        let (model, is_stopping, known) = self.with(|inner| {
            let known = inner
                .database
                .filter(|(when, _)| when.elapsed() < FRESH)
                .map(|(_, answers)| answers);
            (inner.model.clone(), inner.is_stopping, known)
        });
        let answers = match known {
            Some(answers) => answers,
            None => self.ask_database(pool).await,
        };
        let mut problems = Vec::new();
        if !answers {
            problems.push("the database is not reachable".to_owned());
        }
        problems.extend(model.err());
        if is_stopping {
            problems.push("the server is shutting down".to_owned());
        }
        problems
    }

    async fn ask_database(&self, pool: &PgPool) -> bool {
        let asked = tokio::time::timeout(PATIENCE, sqlx::query("select 1").execute(pool)).await;
        let answers = matches!(asked, Ok(Ok(_)));
        self.with(|inner| inner.database = Some((Instant::now(), answers)));
        answers
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // Nothing here can panic while holding the lock, so a poisoned one is whole.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
