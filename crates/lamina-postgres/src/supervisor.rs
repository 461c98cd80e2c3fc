//! The thread that spawns the server, watches it and starts it again.
//!
//! One thread for the whole life of the cluster, because the kernel ends the server when the thread that spawned it ends.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    account::RunAs,
    binaries::Binaries,
    error::{PostgresError, WireError},
    init::MISLEADING_VARIABLES,
    layout::{Layout, ServerView},
    leftovers,
    sys::{self, Signal},
    wire::{Connection, DATABASE, MAINTENANCE_DATABASE},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const KNOCK_EVERY: Duration = Duration::from_millis(10);
const SAY_SO_EVERY: Duration = Duration::from_secs(3);
/// For a server that does not answer at all.
const SILENT_LIMIT: Duration = Duration::from_secs(60);
/// For a server that says it is recovering.
const RECOVERY_LIMIT: Duration = Duration::from_secs(1800);
const FAST_STOP: Duration = Duration::from_secs(5);
const IMMEDIATE_STOP: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// For the tables that the pages of a million media are read from, which the default of 128 MB does not hold; memory that is not
/// needed is not taken. Queries are short and indexes small, so no program is compiled for any and no seek is dreaded.
const ROOMY: [&str; 4] = [
    "shared_buffers=512MB",
    "effective_cache_size=2GB",
    "random_page_cost=1.1",
    "jit=off",
];

/// How the server is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It takes connections.
    Up,
    /// It ended, or does not answer; it is being started again by its owner.
    Down {
        /// What happened last, for people.
        reason: String,
    },
    /// It was told to end.
    Stopped,
}

/// Everything needed to start the server any number of times.
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    pub(crate) view: ServerView,
    pub(crate) run_as: RunAs,
    pub(crate) binaries: Binaries,
    pub(crate) durable: bool,
}

#[derive(Debug)]
struct State {
    health: Health,
    restarts: u64,
}

/// The running thread; dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Supervisor {
    state: Arc<Mutex<State>>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the server and returns when it takes connections to our database.
    pub(crate) fn start(plan: Plan) -> Result<Self, PostgresError> {
        let state = Arc::new(Mutex::new(State {
            health: Health::Stopped,
            restarts: 0,
        }));
        let (stop, stopped) = mpsc::sync_channel(1);
        let (report, first_start) = mpsc::sync_channel(1);
        let watched = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("postgres-owner".to_owned())
            .spawn(move || {
                let server = match plan.launch(&stopped) {
                    Ok(server) => server,
                    Err(error) => {
                        // The receiver waits for exactly this message.
                        let _ = report.send(Err(error));
                        return;
                    }
                };
                set_health(&watched, Health::Up);
                let _ = report.send(Ok(()));
                plan.watch(server, &stopped, &watched);
            })?;
        let supervisor = Self {
            state,
            stop: Some(stop),
            thread: Some(thread),
        };
        first_start.recv().unwrap_or(Err(PostgresError::Stopped))?;
        Ok(supervisor)
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.state).health.clone()
    }

    pub(crate) fn restarts(&self) -> u64 {
        lock(&self.state).restarts
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Closing the channel is the order to stop.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panicked thread took the server with it (the kernel's doing); there is nothing left to do.
            let _ = thread.join();
        }
    }
}

impl Plan {
    /// Spawns the server and waits until it takes connections.
    fn launch(&self, stopped: &Receiver<()>) -> Result<Child, PostgresError> {
        let mut server = self.spawn()?;
        match self
            .wait_until_ready(&mut server, stopped)
            .and_then(|()| self.ensure_database())
        {
            Ok(()) => Ok(server),
            Err(error) => {
                end(&mut server);
                Err(error)
            }
        }
    }

    fn spawn(&self) -> Result<Child, PostgresError> {
        let program = self.binaries.program("postgres");
        let socket_dir = self.view.of(&self.layout.socket_dir()?);
        let log = self.layout.open_log()?;
        let mut command = Command::new(&program);
        command
            .arg("-D")
            .arg(self.view.of(&self.layout.data()))
            .args(["-p", "5432"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?.into_file())
            .stderr(log.into_file())
            .env("LC_ALL", "C")
            // A group of its own: Ctrl-C in a terminal goes to Lamina alone, which then ends the server in its own time.
            .process_group(0);
        for name in MISLEADING_VARIABLES {
            command.env_remove(name);
        }
        for setting in self.settings(&socket_dir.to_string_lossy()) {
            command.arg("-c").arg(setting);
        }
        self.run_as.apply(&mut command);
        sys::tie_to_this_thread(&mut command, self.view.inherited());
        command
            .spawn()
            .map_err(|source| PostgresError::Spawn { program, source })
    }

    fn settings(&self, socket_dir: &str) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=".to_owned(),
            // A list separated by commas: quoted, so that a comma in the path is not one.
            format!(
                "unix_socket_directories=\"{}\"",
                socket_dir.replace('"', "\"\"")
            ),
            "unix_socket_permissions=0700".to_owned(),
            format!("cluster_name={}", self.layout.tag()),
            "max_connections=200".to_owned(),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
            "logging_collector=off".to_owned(),
            "log_line_prefix=%m [%p] ".to_owned(),
        ];
        if self.durable {
            settings.extend(ROOMY.map(str::to_owned));
        } else {
            settings.extend(
                [
                    "fsync=off",
                    "synchronous_commit=off",
                    "full_page_writes=off",
                ]
                .map(str::to_owned),
            );
        }
        settings
    }

    fn wait_until_ready(
        &self,
        server: &mut Child,
        stopped: &Receiver<()>,
    ) -> Result<(), PostgresError> {
        let socket_dir = self.layout.socket_dir()?;
        let began = Instant::now();
        let mut last_words = Instant::now();
        loop {
            let last = match Connection::open(&socket_dir, MAINTENANCE_DATABASE) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if let Some(status) = server.try_wait()? {
                let (log, tail) = (self.layout.log(), self.layout.log_tail());
                return Err(PostgresError::EndedWhileStarting { status, log, tail });
            }
            let limit = if last.is_not_ready_yet() {
                RECOVERY_LIMIT
            } else {
                SILENT_LIMIT
            };
            let waited = began.elapsed();
            if waited > limit {
                let (log, tail) = (self.layout.log(), self.layout.log_tail());
                return Err(PostgresError::NotReady {
                    waited,
                    log,
                    tail,
                    last,
                });
            }
            if last_words.elapsed() >= SAY_SO_EVERY {
                last_words = Instant::now();
                tracing::info!(waited_s = waited.as_secs(), state = %last, "waiting for the private Postgres");
            }
            match stopped.recv_timeout(KNOCK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Err(PostgresError::Stopped),
            }
        }
    }

    /// Creates our database if the cluster has none yet: a first start may have been interrupted before this.
    fn ensure_database(&self) -> Result<(), PostgresError> {
        let socket_dir = self.layout.socket_dir()?;
        match Connection::open(&socket_dir, DATABASE) {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing_database() => {
                Connection::open(&socket_dir, MAINTENANCE_DATABASE)
                    .and_then(|mut connection| {
                        connection.run(&format!("create database {DATABASE}"))
                    })
                    .map_err(PostgresError::Database)
            }
            Err(error) => Err(PostgresError::Database(error)),
        }
    }

    /// Until told to stop: looks after the server, and starts it again whenever it ends.
    fn watch(&self, mut server: Child, stopped: &Receiver<()>, state: &Mutex<State>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK_EVERY) {
            let reason = match server.try_wait() {
                Ok(None) => continue,
                Ok(Some(status)) => ended_text(status),
                Err(error) => format!("its state could not be read: {error}"),
            };
            tracing::warn!(
                reason,
                "the private Postgres ended unexpectedly; starting it again"
            );
            set_health(state, Health::Down { reason });
            let Some(again) = self.start_again(stopped, state) else {
                break;
            };
            server = again;
            lock(state).restarts += 1;
            set_health(state, Health::Up);
            tracing::info!("the private Postgres is back");
        }
        end(&mut server);
        set_health(state, Health::Stopped);
    }

    /// Tries until it works or we are told to stop, with growing pauses: the cause may be a full disk, say, that somebody
    /// is about to clear.
    fn start_again(&self, stopped: &Receiver<()>, state: &Mutex<State>) -> Option<Child> {
        let mut pause = FIRST_PAUSE;
        loop {
            match leftovers::settle(&self.layout, &self.run_as).and_then(|()| self.launch(stopped))
            {
                Ok(server) => return Some(server),
                Err(PostgresError::Stopped) => return None,
                Err(error) => {
                    tracing::error!(%error, retry_in_ms = pause.as_millis(), "the private Postgres does not start");
                    set_health(
                        state,
                        Health::Down {
                            reason: error.to_string(),
                        },
                    );
                }
            }
            match stopped.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(LONGEST_PAUSE),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// Ends the server: cleanly, then at once, then by force. Safe at every step, the log of writes sees to that.
fn end(server: &mut Child) {
    for (signal, patience) in [
        (Signal::Interrupt, FAST_STOP),
        (Signal::Quit, IMMEDIATE_STOP),
        (Signal::Kill, IMMEDIATE_STOP),
    ] {
        if ends_within(server, signal, patience).unwrap_or(false) {
            return;
        }
        tracing::warn!(?signal, "the private Postgres did not end in time");
    }
}

fn ends_within(server: &mut Child, signal: Signal, patience: Duration) -> io::Result<bool> {
    // Not reaped yet, so the number is still this child's.
    if server.try_wait()?.is_some() {
        return Ok(true);
    }
    if let Ok(pid) = i32::try_from(server.id()) {
        sys::send(pid, signal)?;
    }
    let began = Instant::now();
    while began.elapsed() < patience {
        if server.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(KNOCK_EVERY);
    }
    Ok(false)
}

fn ended_text(status: ExitStatus) -> String {
    format!("it ended with {status}")
}

fn set_health(state: &Mutex<State>, health: Health) {
    lock(state).health = health;
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a server looks from outside: one knock.
pub(crate) fn knock(layout: &Layout) -> Result<(), WireError> {
    Connection::open(&layout.socket_dir()?, DATABASE).map(drop)
}
