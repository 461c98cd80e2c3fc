//! What happens when processes are killed.

use std::{path::Path, process::Command, time::Instant};

use lamina_postgres::{Health, PrivateCluster};

use crate::support::{
    OtherProcess, durable, is_alive, kill_9, options, query, server_pid, wait_for, write_and_count,
};

#[test]
fn the_server_ends_with_a_killed_owner_and_the_next_one_has_the_data() {
    let data = tempfile::tempdir().unwrap();
    let owner = OtherProcess::begin(data.path(), "start");
    assert_eq!(write_and_count(&owner.socket_dir), 1);
    let first_server = server_pid(data.path()).unwrap();
    owner.kill_9();
    // At once: the old server may still be writing its last checkpoint.
    let cluster = PrivateCluster::start(&durable(data.path())).unwrap();
    assert!(!is_alive(first_server), "two servers at once");
    assert_ne!(server_pid(data.path()), Some(first_server));
    assert_eq!(write_and_count(cluster.socket_dir()), 2);
}

#[test]
fn a_killed_server_is_started_again_with_its_data() {
    let data = tempfile::tempdir().unwrap();
    let cluster = PrivateCluster::start(&durable(data.path())).unwrap();
    for round in 1..=3 {
        assert_eq!(write_and_count(cluster.socket_dir()), round);
        kill_9(server_pid(data.path()).unwrap());
        let began = Instant::now();
        wait_for("the server to be back", || {
            (cluster.restarts() == round as u64 && cluster.health() == Health::Up).then_some(())
        });
        println!("back after {:?}", began.elapsed());
    }
    assert_eq!(write_and_count(cluster.socket_dir()), 4);
}

#[test]
fn a_killed_child_of_the_server_is_the_servers_own_affair() {
    let data = tempfile::tempdir().unwrap();
    let cluster = PrivateCluster::start(&durable(data.path())).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
    let child: i32 = query(
        cluster.socket_dir(),
        "select pid from pg_stat_activity where backend_type = 'checkpointer'",
    )
    .unwrap()[0]
        .parse()
        .unwrap();
    kill_9(child);
    wait_for("the recovery", || {
        let pid = query(
            cluster.socket_dir(),
            "select pid from pg_stat_activity where backend_type = 'checkpointer'",
        )
        .ok()?;
        (pid.first()? != &child.to_string()).then_some(())
    });
    assert_eq!(cluster.restarts(), 0);
    assert_eq!(write_and_count(cluster.socket_dir()), 2);
}

#[test]
fn an_interrupted_first_start_repairs_itself() {
    let data = tempfile::tempdir().unwrap();
    let half_made = data.path().join("postgres/data.init.77/base");
    fs_err::create_dir_all(&half_made).unwrap();
    fs_err::write(half_made.join("1"), "half a file").unwrap();
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
    assert!(!data.path().join("postgres/data.init.77").exists());
}

#[test]
fn a_start_killed_at_any_moment_leaves_nothing_that_hinders_the_next() {
    let data = tempfile::tempdir().unwrap();
    for mark in [
        "data.init.*/PG_VERSION",
        "data.init.*/base",
        "data.init.*/global/pg_control",
        "data",
        "data/postmaster.pid",
    ] {
        let starting = OtherProcess::spawn(data.path(), "start");
        wait_for(mark, || {
            appeared(&data.path().join("postgres"), mark, starting.id()).then_some(())
        });
        starting.kill_9();
    }
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
}

#[test]
fn a_server_without_an_owner_is_ended_not_doubled() {
    let data = tempfile::tempdir().unwrap();
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
    cluster.stop();
    let orphan = start_without_owner(data.path());
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    assert!(!is_alive(orphan));
    assert_eq!(write_and_count(cluster.socket_dir()), 2);
}

#[test]
fn a_pid_file_that_names_another_program_is_stale() {
    let data = tempfile::tempdir().unwrap();
    PrivateCluster::start(&options(data.path())).unwrap().stop();
    // Our own number: alive, and certainly not a Postgres server.
    let text = format!(
        "{}\n{}\n1700000000\n5432\n",
        std::process::id(),
        data.path().join("postgres/data").display()
    );
    fs_err::write(data.path().join("postgres/data/postmaster.pid"), text).unwrap();
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
}

/// `*` in the mark is the process that makes the cluster.
fn appeared(root: &Path, mark: &str, process: u32) -> bool {
    root.join(mark.replace('*', &process.to_string())).exists()
}

/// A server as somebody might start it by hand, tied to nobody.
fn start_without_owner(data_dir: &Path) -> i32 {
    use std::os::unix::{fs::MetadataExt, process::CommandExt};
    let binaries = lamina_postgres::find_binaries(None, data_dir, None).unwrap();
    let data = data_dir.join("postgres/data");
    let owner = std::fs::metadata(&data).unwrap();
    let mut command = Command::new(binaries.program("postgres"));
    command
        .arg("-D")
        .arg(&data)
        .args([
            "-c",
            "listen_addresses=",
            "-c",
            &format!("unix_socket_directories={}", data.display()),
        ])
        .current_dir("/");
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    if owner.uid() != std::fs::metadata("/proc/self").unwrap().uid() {
        for directory in [data_dir.to_owned(), data_dir.join("postgres")] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            std::fs::set_permissions(directory, open).unwrap();
        }
        command.uid(owner.uid()).gid(owner.gid());
    }
    let mut child = command.spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    wait_for("the server without an owner", || {
        assert_eq!(child.try_wait().unwrap(), None);
        let ready = fs_err::read_to_string(data.join("postmaster.pid"))
            .is_ok_and(|text| text.contains("ready"));
        ready.then_some(())
    });
    // It is this test's child and must be reaped to be gone.
    std::thread::spawn(move || child.wait());
    pid
}
