//! CPU time of the private Postgres: what a database does for a job is part of the job's cost.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// Ticks a second in `/proc`, whatever the kernel's own clock: a constant of the interface on all machines we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of the cluster in this data directory so far: its first process, those it started, and those of them that ended.
///
/// # Errors
/// No cluster runs there, or the machine has no `/proc`.
pub fn database_cpu(data_dir: &Path) -> anyhow::Result<Duration> {
    let file = data_dir.join("postgres/data/postmaster.pid");
    let text = fs_err::read_to_string(file)?;
    let first: u32 = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .context("postmaster.pid begins with no process id")?;
    let mut ticks = 0;
    for entry in fs_err::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Processes come and go while the folder is read.
        let Ok(stat) = fs_err::read_to_string(format!("/proc/{process}/stat")) else {
            continue;
        };
        let Some(stat) = Stat::parse(&stat) else {
            continue;
        };
        if process == first {
            ticks += stat.own + stat.ended_children;
        } else if stat.parent == first {
            ticks += stat.own;
        }
    }
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// What a line of `/proc/<pid>/stat` says, in ticks.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The name is in brackets and may hold anything, brackets too.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Of proc(5), the state being the third field: 4 parent, 14 and 15 own, 16 and 17 of children waited for.
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(14)? + ticks(15)?,
            ended_children: ticks(16)? + ticks(17)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let line = "12 (post) gres: x) S 7 12 12 0 -1 4194560 1 2 3 4 50 6 70 8 20 0 1 0 99";
        let expected = Stat {
            parent: 7,
            own: 56,
            ended_children: 78,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("12 (x) S"), None);
    }
}
