//! The image's own commands, run as the image runs them: without rights, in a directory that cannot be written to.
//!
//! There is no container engine on a plain machine; `setpriv` takes the rights away just as well. What is run is read from
//! the compose file and the Dockerfile, so that it cannot differ from what they say.

use std::{
    fs::Permissions,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Verdict, yaml::Yaml};
use crate::{
    programs::{self, Failure, works},
    setup::{self, Purpose, Ready},
    test::TestDatabase,
    workspace::Workspace,
};

const READY_WITHIN: Duration = Duration::from_secs(120);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn check(workspace: &Workspace) -> Verdict {
    let is_root = programs::output_of(Command::new("id").arg("-u"))?.trim() == "0";
    if is_root && !works("setpriv", &["--version"]) {
        return Ok(Some(
            "skipped: setpriv is not installed (apt-get install util-linux)".to_owned(),
        ));
    }
    let ready = setup::setup(workspace, Purpose::Testing)?;
    // The profile of the tests, which built nearly all of it.
    programs::run(&mut workspace.cargo(&["build", "--package", "lamina-server", "--locked"]))?;
    let database = TestDatabase::start(&ready)?;
    let stage = Stage::open(workspace, &ready, &database, is_root)?;
    let compose = Yaml::parse(&fs_err::read_to_string(
        workspace.root.join("docker-compose.yml"),
    )?)?;
    let service = |name: &str| {
        compose
            .at(&["services", name])
            .ok_or_else(|| Failure::new(format!("docker-compose.yml has no service {name}")))
    };

    let mut server = stage.spawn(service("server")?)?;
    let healthy = stage.wait_until_healthy(service("server")?, &mut server);
    let worked = healthy.and_then(|()| {
        let mut worker = stage.spawn(service("worker")?)?;
        stage.stays_up(&mut worker)?;
        stop(&mut worker, "worker")
    });
    let stopped = stop(&mut server, "server");
    worked.and(stopped).map(|()| None)
}

/// Where the image's commands are played: an account, a working directory, a data directory, a port.
struct Stage {
    binary: PathBuf,
    models: PathBuf,
    directory: PathBuf,
    /// The account to change to, when we have the right to.
    uid: Option<u32>,
    listen: SocketAddr,
    database_url: String,
}

impl Stage {
    fn open(
        workspace: &Workspace,
        ready: &Ready,
        database: &TestDatabase,
        is_root: bool,
    ) -> Result<Self, Failure> {
        // The account that owns the database's socket: any other could not reach it.
        let uid = match database.socket_dir() {
            Some(sockets) if is_root => {
                database.let_accounts_through()?;
                Some(fs_err::metadata(sockets)?.uid())
            }
            _ if is_root => Some(65534),
            _ => None,
        };
        let directory = std::env::temp_dir().join(format!("lamina-image-{}", std::process::id()));
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let stage = Self {
            binary: directory.join("lamina"),
            models: directory.join("models"),
            directory,
            uid,
            listen: free,
            database_url: database.url().to_owned(),
        };
        fs_err::create_dir_all(stage.data())?;
        fs_err::create_dir_all(stage.working_directory())?;
        // Copies, because the account may not be able to reach the checkout.
        fs_err::copy(workspace.target()?.join("debug/lamina"), &stage.binary)?;
        fs_err::copy(&ready.onnxruntime, stage.library())?;
        // The databases of tests trust who reaches them; that the file is read is what counts.
        fs_err::write(stage.secret(), "unused")?;
        copy_packages(&workspace.root.join("models"), &stage.models)?;
        fs_err::set_permissions(&stage.directory, Permissions::from_mode(0o755))?;
        fs_err::set_permissions(stage.working_directory(), Permissions::from_mode(0o555))?;
        fs_err::set_permissions(stage.data(), Permissions::from_mode(0o700))?;
        if let Some(uid) = uid {
            fs_err::os::unix::fs::chown(stage.data(), Some(uid), Some(uid))?;
        }
        Ok(stage)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn working_directory(&self) -> PathBuf {
        self.directory.join("work")
    }

    fn library(&self) -> PathBuf {
        self.directory.join("libonnxruntime.so")
    }

    fn secret(&self) -> PathBuf {
        self.directory.join("secret")
    }

    /// A command with the variables of the Dockerfile and of the service, translated to this machine.
    fn command(&self, service: &Yaml, arguments: &[&str]) -> Command {
        let mut command = match self.uid {
            Some(uid) => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={uid}"), format!("--regid={uid}")])
                    .args([
                        "--clear-groups",
                        "--no-new-privs",
                        "--inh-caps=-all",
                        "--bounding-set=-all",
                    ])
                    .arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command
            .args(arguments)
            .current_dir(self.working_directory())
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        for (name, value) in service
            .get("environment")
            .map(Yaml::entries)
            .unwrap_or_default()
        {
            if name.ends_with("_FILE") {
                command.env(name, self.secret());
            } else {
                command.env(name, value.text().unwrap_or_default());
            }
        }
        command
            .env("LAMINA_DATABASE_URL", &self.database_url)
            .env("LAMINA_DATA_DIR", self.data())
            .env("LAMINA_LISTEN", self.listen.to_string())
            .env("LAMINA_MODELS_DIR", &self.models)
            .env("LAMINA_ONNXRUNTIME", self.library());
        command
    }

    fn spawn(&self, service: &Yaml) -> Result<Running, Failure> {
        let arguments = service.get("command").map(Yaml::texts).unwrap_or_default();
        let account = self
            .uid
            .map_or("ourselves".to_owned(), |uid| format!("user {uid}"));
        println!("lamina {} as {account}", arguments.join(" "));
        let mut command = self.command(service, &arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().map(|stderr| {
            thread::spawn(move || {
                BufReader::new(stderr)
                    .lines()
                    .map_while(Result::ok)
                    .collect::<Vec<_>>()
            })
        });
        Ok(Running { child, log })
    }

    /// Asks as the image's health check does.
    fn wait_until_healthy(&self, service: &Yaml, server: &mut Running) -> Result<(), Failure> {
        let began = Instant::now();
        let mut check = self.command(service, &["health"]);
        check.stdout(Stdio::null()).stderr(Stdio::null());
        while began.elapsed() < READY_WITHIN {
            if let Some(status) = server.child.try_wait()? {
                return Err(server.failure(&format!("the server ended ({status})")));
            }
            if check.status()?.success() {
                println!("healthy after {:.1} s", began.elapsed().as_secs_f32());
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Err(server.failure("the server was not healthy in time"))
    }

    /// A worker has nothing to ask; one that cannot work ends soon.
    fn stays_up(&self, worker: &mut Running) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            if let Some(status) = worker.child.try_wait()? {
                return Err(worker.failure(&format!("the worker ended ({status})")));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs_err::remove_dir_all(&self.directory) {
            eprintln!("left behind: {error}");
        }
    }
}

/// A process that does not outlive the check.
struct Running {
    child: Child,
    log: Option<thread::JoinHandle<Vec<String>>>,
}

impl Running {
    /// Ends the process and puts the end of its log into the failure.
    fn failure(&mut self, what: &str) -> Failure {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let lines = self
            .log
            .take()
            .and_then(|log| log.join().ok())
            .unwrap_or_default();
        let tail = lines
            .iter()
            .skip(lines.len().saturating_sub(15))
            .map(|line| format!("\n  {line}"))
            .collect::<String>();
        Failure::new(format!("{what}; the end of its log:{tail}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only when something failed is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As the engine stops a container: SIGTERM, and a clean end soon after.
fn stop(running: &mut Running, name: &str) -> Result<(), Failure> {
    if running.child.try_wait()?.is_none() {
        programs::run(Command::new("kill").args(["-TERM", &running.child.id().to_string()]))?;
    }
    let began = Instant::now();
    while began.elapsed() < STOPPED_WITHIN {
        if let Some(status) = running.child.try_wait()? {
            return if status.success() {
                Ok(())
            } else {
                Err(running.failure(&unclean(name, status)))
            };
        }
        thread::sleep(POLL);
    }
    Err(running.failure(&format!(
        "the {name} did not end within {} s of SIGTERM",
        STOPPED_WITHIN.as_secs()
    )))
}

fn unclean(name: &str, status: ExitStatus) -> String {
    format!("the {name} ended uncleanly after SIGTERM ({status})")
}

/// Copies the packages without their training material, as `.dockerignore` does.
fn copy_packages(from: &Path, to: &Path) -> Result<(), Failure> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "training" && name != "__pycache__" {
                copy_packages(&entry.path(), &to.join(name))?;
            }
        } else {
            fs_err::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
