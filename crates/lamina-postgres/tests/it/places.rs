//! Data directories in awkward places.

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use lamina_postgres::{PostgresError, PrivateCluster};

use crate::support::{durable, kill_9, options, server_pid, wait_for, write_and_count};

#[test]
fn a_path_too_long_for_a_socket_gets_a_short_private_directory() {
    let data = tempfile::tempdir().unwrap();
    let deep = data.path().join("d".repeat(60)).join("e".repeat(60));
    let cluster = PrivateCluster::start(&options(&deep)).unwrap();
    let sockets = cluster.socket_dir().to_owned();
    assert!(!sockets.starts_with(data.path()));
    assert_eq!(
        sockets.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(write_and_count(&sockets), 1);
    let user = PrivateCluster::connect_or_start(&options(&deep)).unwrap();
    assert_eq!(user.socket_dir(), sockets);
    drop(user);
    cluster.stop();
    assert!(
        !sockets.exists(),
        "nothing stays outside of the data directory"
    );
    assert_eq!(
        write_and_count(PrivateCluster::start(&options(&deep)).unwrap().socket_dir()),
        2
    );
}

#[test]
fn a_path_with_odd_characters_works() {
    let data = tempfile::tempdir().unwrap();
    let odd = data.path().join("my data, \"quoted\" & ünï#1?");
    let cluster = PrivateCluster::start(&options(&odd)).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
}

/// As root the server runs under another account, which cannot pass a private directory; as anybody else this is trivial.
#[test]
fn below_a_private_directory_it_starts_restarts_and_keeps_its_data() {
    let data = tempfile::tempdir().unwrap();
    let inside = data.path().join("private/data");
    fs_err::create_dir_all(&inside).unwrap();
    std::fs::set_permissions(data.path().join("private"), Permissions::from_mode(0o700)).unwrap();
    let cluster = PrivateCluster::start(&durable(&inside)).unwrap();
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
    kill_9(server_pid(&inside).unwrap());
    wait_for("the server to be back", || {
        (cluster.restarts() == 1).then_some(())
    });
    assert_eq!(write_and_count(cluster.socket_dir()), 2);
    let user = PrivateCluster::connect_or_start(&durable(&inside)).unwrap();
    assert_eq!(write_and_count(user.socket_dir()), 3);
    drop((user, cluster));
    assert_eq!(
        write_and_count(
            PrivateCluster::start(&durable(&inside))
                .unwrap()
                .socket_dir()
        ),
        4
    );
}

#[test]
fn a_cluster_of_another_version_is_refused_with_the_version_it_needs() {
    let data = tempfile::tempdir().unwrap();
    PrivateCluster::start(&options(data.path())).unwrap().stop();
    fs_err::write(data.path().join("postgres/data/PG_VERSION"), "9\n").unwrap();
    let refused = PrivateCluster::start(&options(data.path())).unwrap_err();
    assert!(
        matches!(
            refused,
            PostgresError::NoBinaries {
                wanted_major: Some(9),
                ..
            }
        ),
        "{refused}"
    );
    assert!(refused.to_string().contains("is version"), "{refused}");
}
