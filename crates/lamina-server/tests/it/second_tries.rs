//! Creations that failed or were aborted, tried again by a real worker under the ids they had.

use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use serde_json::{Value, json};

use crate::support::{assert_clean, at_rest, digest, get, import, installation, served, settled};

/// The task of a dataset's creation.
fn creation(client: &Client, dataset: &str) -> Value {
    let tasks = get(
        client,
        &format!("/tasks?dataset_id={dataset}&task_type=DATASET_CREATION"),
    );
    assert_eq!(tasks["total"], 1, "{tasks}");
    tasks["tasks"][0].clone()
}

fn post(client: &Client, task: &Value, verb: &str) -> (u16, Value) {
    let id = task["task_id"].as_str().unwrap();
    let answer = client
        .post_json(&format!("/api/v1/tasks/{id}/{verb}"), &json!({}))
        .unwrap();
    (answer.status, answer.json().unwrap())
}

fn enqueue(home: &lamina_testkit::server::Installation, folder: &std::path::Path) -> String {
    let output = home
        .run(
            "import",
            &[folder.to_str().unwrap(), "--name", "Tried", "--json"],
        )
        .unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["dataset_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_creation_that_failed_is_tried_again_with_what_lies_there_now() {
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 0, 10).unwrap();
    let (server, client) = served(&home);
    let id = enqueue(&home, &folder);
    let failed = at_rest(&client, &id);
    assert_eq!(failed["status_new"], "ERROR", "{failed}");
    let task = creation(&client, &id);
    assert_eq!(task["status"], "FAILED");
    assert!(
        task["error_message"].as_str().unwrap().contains("10"),
        "{task}"
    );

    pictures::write_mixed(&folder, 20, 10).unwrap();
    let (status, again) = post(&client, &task, "retry");
    // The worker may have begun before the answer was read.
    assert_eq!(
        (status, &again["task_id"], &again["error_message"]),
        (200, &task["task_id"], &Value::Null),
        "{again}"
    );
    assert_ne!(again["status"], "FAILED", "{again}");
    let ready = at_rest(&client, &id);
    assert_eq!(
        (
            &ready["status_new"],
            &ready["n_images"],
            &ready["fatal_error_msg"]
        ),
        (&json!("READY"), &json!(20), &Value::Null),
        "{ready}"
    );
    let done = creation(&client, &id);
    assert_eq!(
        (&done["status"], &done["error_message"]),
        (&json!("COMPLETED"), &Value::Null)
    );
    assert_eq!(post(&client, &task, "retry").0, 400, "it is complete");
    let fresh = import(&home, &folder, "Fresh");
    assert_eq!(
        digest(&client, &id),
        digest(&client, fresh["dataset_id"].as_str().unwrap())
    );
    drop(server);
    assert_clean(&home);
}

#[test]
fn a_creation_that_was_aborted_is_tried_again_and_what_was_done_is_not_done_twice() {
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 30, 5).unwrap();
    // Nobody works on it: it is aborted before, and tried again while nobody works, too.
    let idle = home
        .serve(|command| {
            command.arg("--no-worker");
        })
        .unwrap();
    let client = idle.client(Some(home.token().unwrap()));
    let id = enqueue(&home, &folder);
    let (status, aborted) = post(&client, &creation(&client, &id), "abort");
    assert_eq!((status, &aborted["status"]), (200, &json!("ABORTED")));
    assert_eq!(settled(&client, &id)["status_new"], "ERROR");
    assert_eq!(post(&client, &aborted, "abort").0, 409);
    let (status, again) = post(&client, &aborted, "retry");
    assert_eq!((status, &again["status"]), (200, &json!("INITIALIZING")));
    assert_eq!(
        get(&client, &format!("/dataset/{id}"))["status_new"],
        "INDEXING"
    );
    drop(idle);

    let (server, client) = served(&home);
    let ready = at_rest(&client, &id);
    assert_eq!(
        (&ready["status_new"], &ready["n_images"]),
        (&json!("READY"), &json!(30))
    );
    assert_eq!(creation(&client, &id)["status"], "COMPLETED");
    assert_eq!(post(&client, &again, "abort").0, 409, "it is complete");
    drop(server);
    assert_clean(&home);
}
