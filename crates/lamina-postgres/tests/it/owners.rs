//! Who owns the cluster, and what the others do.

use lamina_postgres::{Health, PostgresError, PrivateCluster, current_owner};

use crate::support::{
    OWNER_VARIABLE, OtherProcess, be_the_other_process, durable, is_alive, options, query,
    server_pid, wait_for, write_and_count,
};

/// Not a test by itself: the other tests run this binary again with the variable set.
#[test]
fn owner_process() {
    if let Some(order) = std::env::var_os(OWNER_VARIABLE) {
        be_the_other_process(order.to_str().unwrap());
    }
}

#[test]
fn a_first_start_makes_a_private_cluster_and_a_second_one_keeps_it() {
    let data = tempfile::tempdir().unwrap();
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    assert!(cluster.is_owner());
    assert_eq!(cluster.health(), Health::Up);
    assert_eq!(write_and_count(cluster.socket_dir()), 1);
    assert_eq!(
        query(cluster.socket_dir(), "show listen_addresses").unwrap(),
        [""]
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(cluster.socket_dir())
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
    assert!(
        cluster
            .url()
            .starts_with("postgres://lamina@localhost/lamina?host=/"),
        "{}",
        cluster.url()
    );
    let pid = server_pid(data.path()).unwrap();
    cluster.stop();
    assert!(!is_alive(pid));

    let began = std::time::Instant::now();
    let cluster = PrivateCluster::start(&options(data.path())).unwrap();
    println!("second start took {:?}", began.elapsed());
    assert_eq!(write_and_count(cluster.socket_dir()), 2);
}

#[test]
fn a_second_owner_is_refused_with_the_first_ones_process_id() {
    let data = tempfile::tempdir().unwrap();
    let first = OtherProcess::begin(data.path(), "start");
    assert!(current_owner(data.path()).is_some());
    let refused = PrivateCluster::start(&options(data.path())).unwrap_err();
    assert!(
        matches!(refused, PostgresError::InUse { pid: Some(_), .. }),
        "{refused}"
    );
    first.finish();
    assert_eq!(current_owner(data.path()), None);
}

#[test]
fn others_attach_to_the_owners_server() {
    let data = tempfile::tempdir().unwrap();
    let owner = PrivateCluster::start(&options(data.path())).unwrap();
    let user = PrivateCluster::connect_or_start(&options(data.path())).unwrap();
    assert!(!user.is_owner());
    assert_eq!(user.url(), owner.url());
    assert_eq!(user.health(), Health::Up);
    let pid = server_pid(data.path()).unwrap();
    user.stop();
    assert!(is_alive(pid), "a user must not stop the owner's server");
    owner.stop();
    assert!(!is_alive(pid));
}

#[test]
fn of_two_processes_that_start_at_once_one_owns_and_one_attaches() {
    let data = tempfile::tempdir().unwrap();
    let starting = [0, 1].map(|_| OtherProcess::spawn(data.path(), "connect"));
    let both = starting.map(crate::support::Starting::connected);
    assert_ne!(both[0].is_owner, both[1].is_owner);
    assert_eq!(write_and_count(&both[0].socket_dir), 1);
    assert_eq!(write_and_count(&both[1].socket_dir), 2);
    // All are told first: the owner waits for the other one.
    let told = both.map(|mut process| {
        process.ask_to_finish();
        process
    });
    told.into_iter().for_each(OtherProcess::finish);
}

#[test]
fn a_short_lived_owner_outlasts_those_who_attached_to_it() {
    let data = tempfile::tempdir().unwrap();
    let mut owner = OtherProcess::begin(data.path(), "connect");
    let user = PrivateCluster::connect_or_start(&durable(data.path())).unwrap();
    assert!(owner.is_owner && !user.is_owner());
    owner.ask_to_finish();
    // The owner is told to go, but stays for us: the statement takes longer than an unhindered shutdown would.
    assert!(query(user.socket_dir(), "select pg_sleep(1)").is_ok());
    assert!(!owner.has_ended());
    user.stop();
    wait_for("the short-lived owner to end", || {
        owner.has_ended().then_some(())
    });
    assert_eq!(server_pid(data.path()), None);
}
