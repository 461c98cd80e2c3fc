//! Making the cluster.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    process::{Command, Stdio},
};

use fs_err::File;

use crate::{
    account::RunAs,
    binaries::Binaries,
    error::PostgresError,
    layout::{Layout, ServerView},
    sys,
    wire::ROLE,
};

/// Variables that would make a server or `initdb` do something else than what it is told on its command line.
pub(crate) const MISLEADING_VARIABLES: [&str; 8] = [
    "PGDATA",
    "PGPORT",
    "PGHOST",
    "PGUSER",
    "PGDATABASE",
    "PGOPTIONS",
    "PGTZ",
    "PGDATESTYLE",
];

/// Makes the cluster beside its place and moves it there when it is complete: an interrupted first start leaves only
/// `data.init.<process>` behind, which the next one throws away.
pub(crate) fn make_cluster(
    layout: &Layout,
    view: &ServerView,
    run_as: &RunAs,
    binaries: &Binaries,
    durable: bool,
) -> Result<(), PostgresError> {
    for abandoned in layout.abandoned_data()? {
        tracing::info!("a first start was interrupted; making the Postgres cluster again");
        if let Err(error) = fs_err::remove_dir_all(&abandoned) {
            // Its `initdb` may be tidying up at the same moment; what stays is removed by the next first start, if any.
            tracing::warn!(%error, "an unfinished cluster could not be removed");
        }
    }
    tracing::info!(version = %binaries.version, "making the private Postgres cluster");
    let unfinished = layout.unfinished_data();
    DirBuilder::new().mode(0o700).create(&unfinished)?;
    if let RunAs::Other(account) = run_as {
        fs_err::os::unix::fs::lchown(&unfinished, Some(account.uid), Some(account.gid))?;
    }

    let program = binaries.program("initdb");
    let mut command = Command::new(&program);
    command
        .arg("-D")
        .arg(view.of(&unfinished))
        .args([
            "-U",
            ROLE,
            "--auth-local=trust",
            "--auth-host=reject",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
        ])
        .current_dir("/")
        .stdin(Stdio::null())
        .env("LC_ALL", "C");
    for name in MISLEADING_VARIABLES {
        command.env_remove(name);
    }
    if !durable {
        command.arg("--no-sync");
    }
    run_as.apply(&mut command);
    sys::tie_to_this_thread(&mut command, view.inherited());
    let output = command
        .output()
        .map_err(|source| PostgresError::Spawn { program, source })?;
    if !output.status.success() {
        let output_text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        return Err(PostgresError::Init {
            status: output.status,
            output: output_text.trim_end().to_owned(),
        });
    }
    fs_err::rename(&unfinished, layout.data())?;
    if durable && let Some(parent) = layout.data().parent() {
        // The rename itself must survive a power cut.
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}
