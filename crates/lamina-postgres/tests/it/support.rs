//! What the tests share: a client made of the server's own protocol, a second process, waiting with a deadline.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lamina_postgres::{ClusterOptions, PrivateCluster};

/// The variable that turns `owners::owner_process` into another Lamina process.
pub const OWNER_VARIABLE: &str = "LAMINA_TEST_OWNER_OF";

pub fn options(data_dir: &Path) -> ClusterOptions {
    ClusterOptions {
        data_dir: data_dir.to_owned(),
        bin_dir: None,
        durable: false,
    }
}

/// Crash tests are about what reached the disk.
pub fn durable(data_dir: &Path) -> ClusterOptions {
    ClusterOptions {
        durable: true,
        ..options(data_dir)
    }
}

pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs statements over the socket and answers the text values of all rows.
pub fn query(socket_dir: &Path, sql: &str) -> std::io::Result<Vec<String>> {
    let mut stream = UnixStream::connect(socket_dir.join(".s.PGSQL.5432"))?;
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend(b"user\0lamina\0database\0lamina\0\0");
    stream.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes())?;
    stream.write_all(&body)?;
    read_until_ready(&mut stream)?;
    stream.write_all(b"Q")?;
    stream.write_all(&u32::try_from(sql.len() + 5).unwrap().to_be_bytes())?;
    stream.write_all(sql.as_bytes())?;
    stream.write_all(&[0])?;
    read_until_ready(&mut stream)
}

fn read_until_ready(stream: &mut UnixStream) -> std::io::Result<Vec<String>> {
    let mut values = Vec::new();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return Ok(values),
            b'E' => {
                return Err(std::io::Error::other(
                    String::from_utf8_lossy(&body).into_owned(),
                ));
            }
            // One column is all the tests ask for: count (2 bytes), length (4 bytes), text.
            b'D' => values.push(String::from_utf8(body[6..].to_vec()).unwrap()),
            _ => {}
        }
    }
}

pub fn write_and_count(socket_dir: &Path) -> usize {
    let sql = "create table if not exists kept (n int); insert into kept values (1); select count(*) from kept";
    query(socket_dir, sql).unwrap()[0].parse().unwrap()
}

pub fn server_pid(data_dir: &Path) -> Option<i32> {
    fs_err::read_to_string(data_dir.join("postgres/data/postmaster.pid"))
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

pub fn is_alive(pid: i32) -> bool {
    // A zombie is dead; only its parent has not looked yet.
    fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    })
}

pub fn kill_9(pid: i32) {
    assert!(pid > 1);
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Another process that owns, or uses, the cluster until it is killed or told to finish.
pub struct OtherProcess {
    child: Child,
    finish: Option<ChildStdin>,
    pub socket_dir: PathBuf,
    pub is_owner: bool,
}

impl OtherProcess {
    /// `verb` is `start` or `connect`. Returns when that process is connected.
    pub fn begin(data_dir: &Path, verb: &str) -> Self {
        Self::spawn(data_dir, verb).connected()
    }

    pub fn spawn(data_dir: &Path, verb: &str) -> Starting {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "owners::owner_process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(OWNER_VARIABLE, format!("{verb}:{}", data_dir.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let finish = child.stdin.take();
        Starting { child, finish }
    }

    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn ask_to_finish(&mut self) {
        drop(self.finish.take());
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn finish(mut self) {
        self.ask_to_finish();
        assert!(self.child.wait().unwrap().success());
    }
}

pub struct Starting {
    child: Child,
    finish: Option<ChildStdin>,
}

impl Starting {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn connected(mut self) -> OtherProcess {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        // The test runner in that process writes lines of its own.
        let line = lines
            .find_map(|line| {
                line.unwrap()
                    .split_once("connected ")
                    .map(|(_, rest)| rest.to_owned())
            })
            .unwrap();
        let (is_owner, socket_dir) = line.split_once(' ').unwrap();
        // Keep reading, or that process could block on a full pipe.
        thread::spawn(move || lines.for_each(drop));
        OtherProcess {
            child: self.child,
            finish: self.finish,
            socket_dir: socket_dir.into(),
            is_owner: is_owner == "true",
        }
    }
}

/// The body of that other process.
pub fn be_the_other_process(order: &str) {
    let (verb, data_dir) = order.split_once(':').unwrap();
    let options = durable(Path::new(data_dir));
    let cluster = match verb {
        "start" => PrivateCluster::start(&options),
        _ => PrivateCluster::connect_or_start(&options),
    }
    .unwrap();
    println!(
        "connected {} {}",
        cluster.is_owner(),
        cluster.socket_dir().display()
    );
    // Ends when the test closes the pipe, or dies.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    cluster.stop();
}
