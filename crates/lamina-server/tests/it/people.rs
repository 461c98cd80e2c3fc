//! `lamina users`, and what an account made there can do over HTTP; what an admin changes while the server runs.

use std::io::{Read as _, Write as _};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use lamina_testkit::client::{Answer, Client};
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, Server, until};
use serde_json::json;

use crate::support::{PATIENCE, get, installation, served};

/// Runs `lamina users` with a standard input.
fn users(home: &Installation, args: &[&str], input: &str) -> Output {
    let mut command = home.command("users");
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that needs no input may have ended by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What it printed when it did as it was told.
fn done(home: &Installation, args: &[&str], input: &str) -> String {
    let output = users(home, args, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it said when it refused; it never repeats what it was given as a password.
fn refused(home: &Installation, args: &[&str], input: &str) -> String {
    let output = users(home, args, input);
    assert!(!output.status.success(), "{args:?} was accepted");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(input.trim().is_empty() || !said.contains(input.trim()));
    said
}

fn sign_in(server: &Server, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    server
        .client(None)
        .post_json("/api/v1/auth", &body)
        .unwrap()
}

fn signed_in(server: &Server, name: &str, password: &str) -> Client {
    let answer = sign_in(server, name, password);
    assert_eq!(answer.status, 200, "{name}");
    let token = answer.json().unwrap()["access_token"]
        .as_str()
        .map(str::to_owned);
    server.client(token)
}

fn status(client: &Client, path: &str) -> u16 {
    client.get(&format!("/api/v1{path}")).unwrap().status
}

#[test]
fn accounts_of_the_command_line_sign_in_over_http() {
    let home = installation();
    let (server, admin) = served(&home);
    let ada = ["create", "ada", "--email", "ada@example.com", "--password"];
    let made = done(&home, &ada, "correct horse\nnot read\n");
    for part in ["ada", "editor", "enabled", "ada@example.com"] {
        assert!(made.contains(part), "{made}");
    }
    done(&home, &["create", "bob", "--role", "viewer"], "");
    let list = done(&home, &["list"], "");
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["ada", "admin", "bob"]);
    assert!(
        !list.contains("horse") && !list.contains("argon2"),
        "{list}"
    );

    // By name and by address; without a password there is no way in.
    let session = signed_in(&server, "ada", "correct horse");
    assert_eq!(status(&session, "/datasets"), 200);
    signed_in(&server, "ADA@example.com", "correct horse");
    assert_eq!(sign_in(&server, "ada", "not read").status, 401);
    assert_eq!(sign_in(&server, "bob", "").status, 401);

    // A new password ends the sessions of the old one.
    done(&home, &["password", "ada"], "battery staple");
    assert_eq!(status(&session, "/datasets"), 401);
    assert_eq!(sign_in(&server, "ada", "correct horse").status, 401);
    let session = signed_in(&server, "ada", "battery staple");

    // Kept out, and let in again.
    assert!(done(&home, &["disable", "ada"], "").contains("disabled"));
    assert_eq!(status(&session, "/datasets"), 401);
    assert_eq!(sign_in(&server, "ada", "battery staple").status, 401);
    done(&home, &["enable", "ada"], "");
    assert_eq!(status(&session, "/datasets"), 200);

    // Whoever is removed is gone at once, and what they had is the admin's.
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 3, 0).unwrap();
    let path = folder.to_str().unwrap();
    let args = [path, "--name", "hers", "--user", "ada", "--wait", "--json"];
    let output = home.run("import", &args).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let dataset = format!("/dataset/{}", summary["dataset_id"].as_str().unwrap());
    assert_eq!(status(&session, &dataset), 200);
    assert_eq!(status(&admin, &dataset), 404, "an admin does not see it");
    assert!(done(&home, &["remove", "ada"], "").contains("went to admin"));
    assert_eq!(status(&session, "/datasets"), 401);
    assert_eq!(sign_in(&server, "ada", "battery staple").status, 401);
    assert_eq!(get(&admin, &dataset)["display_name"], "hers");
    assert!(!done(&home, &["list"], "").contains("ada"));
}

#[test]
fn there_is_always_one_admin_whoever_it_is() {
    let home = installation();
    let (server, first) = served(&home);
    done(&home, &["create", "ada", "--password"], "correct horse");
    let ada = signed_in(&server, "ada", "correct horse");
    let roles = || -> Vec<String> {
        let list = done(&home, &["list"], "");
        let columns = list.lines().map(|line| {
            let mut words = line.split_whitespace();
            format!("{} {}", words.next().unwrap(), words.next().unwrap())
        });
        columns.collect()
    };
    assert_eq!(roles(), ["ada editor", "admin admin"]);
    let accounts = "/keycloak/admin/users";
    assert_eq!(status(&ada, accounts), 403);
    done(&home, &["role", "ada", "admin"], "");
    assert_eq!(roles(), ["ada admin", "admin editor"]);
    assert_eq!(
        (status(&ada, accounts), status(&first, accounts)),
        (200, 403)
    );
    for role in ["viewer", "editor"] {
        assert!(refused(&home, &["role", "ada", role], "").contains("last admin"));
    }
    done(&home, &["role", "ada", "admin"], "");
    done(&home, &["role", "admin", "viewer"], "");
    assert_eq!(roles(), ["ada admin", "admin viewer"]);
}

#[test]
fn what_cannot_be_an_account_is_refused_and_nothing_is_changed() {
    let home = installation();
    let (server, _) = served(&home);
    let create = ["create", "ada", "--email", "ada@example.com", "--password"];
    done(&home, &create, "correct horse\n");
    let before = done(&home, &["list"], "");
    let long = "long".repeat(300);
    let cases: [(&[&str], &str, &str); 20] = [
        (&["create", "ada"], "", "could not be made"),
        (
            &["create", "eve", "--email", "ADA@example.com"],
            "",
            "could not be made",
        ),
        (
            &["create", "eve", "--email", "nowhere"],
            "",
            "no mail address",
        ),
        (&["create", ""], "", "no name"),
        (&["create", "al"], "", "no name"),
        (&["create", "a b c"], "", "no name"),
        (&["create", "eve", "--role", "king"], "", "king"),
        (&["create", "eve", "--password"], "", "at least 8"),
        (&["create", "eve", "--password"], "1234567\n", "at least 8"),
        (&["password", "ada"], "7 seven\n", "at least 8"),
        (&["password", "ada"], &long, "1024"),
        (&["password", "nobody"], "long enough\n", "no user named"),
        (&["disable", "nobody"], "", "no user named"),
        (&["enable", "nobody"], "", "no user named"),
        (&["remove", "nobody"], "", "no user named"),
        (&["role", "nobody", "viewer"], "", "no user named"),
        (&["role", "ada", "king"], "", "king"),
        (&["disable", "admin"], "", "last admin"),
        (&["remove", "admin"], "", "first admin"),
        (&["crown", "ada"], "", "crown"),
    ];
    for (args, input, reason) in cases {
        let said = refused(&home, args, input);
        assert!(said.contains(reason), "{args:?}: {said}");
    }
    assert_eq!(done(&home, &["list"], ""), before);
    signed_in(&server, "ada", "correct horse");
}

#[test]
fn the_log_level_is_changed_while_the_server_runs() {
    let home = installation();
    let log = Arc::new(Mutex::new(String::new()));
    let (ours, theirs) = std::io::pipe().unwrap();
    let server = home
        .serve(|command| {
            command.stderr(theirs);
        })
        .unwrap();
    let written = Arc::clone(&log);
    let reader = std::thread::spawn(move || {
        let (mut ours, mut bytes) = (ours, [0; 4_096]);
        while let Ok(count @ 1..) = ours.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]);
            written.lock().unwrap().push_str(&text);
        }
    });
    let admin = server.client(Some(home.token().unwrap()));
    let setting = "/admin/settings?key=LOG_LEVEL";
    assert_eq!(get(&admin, setting), json!({"value": "INFO"}));
    assert_eq!(status(&admin, "/datasets"), 200);
    let set = |value: &str| {
        let body = json!({"key": "LOG-LEVEL", "value": value});
        admin.post_json("/api/v1/admin/settings", &body).unwrap()
    };
    // Every request is said at DEBUG, and none at INFO.
    let answered = || log.lock().unwrap().matches("answered").count();
    assert_eq!(answered(), 0, "{}", log.lock().unwrap());
    assert_eq!(set("loud").status, 400);
    assert_eq!(set("debug").json().unwrap(), json!({"value": "DEBUG"}));
    until(PATIENCE, "requests to be logged", || {
        assert_eq!(status(&admin, "/datasets"), 200);
        Ok((answered() > 0).then_some(()))
    })
    .unwrap();
    assert_eq!(get(&admin, setting), json!({"value": "DEBUG"}));

    assert_eq!(set("WARNING").status, 200);
    let changed = "log_level=\"WARNING\"";
    until(PATIENCE, "the level to be changed", || {
        Ok(log.lock().unwrap().contains(changed).then_some(()))
    })
    .unwrap();
    for _ in 0..20 {
        assert_eq!(status(&admin, "/datasets"), 200);
    }
    server.terminate(PATIENCE).unwrap();
    reader.join().unwrap();
    let log = log.lock().unwrap();
    let (_, after) = log.split_once(changed).unwrap();
    // The message comes right before the change.
    assert!(after.matches("answered").count() <= 1, "{after}");
    assert!(
        !log.contains(admin.token.as_deref().unwrap()),
        "a token was logged"
    );
}
