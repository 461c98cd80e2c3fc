//! Sessions that lose their device.

use std::pin::pin;

use super::*;

#[tokio::test]
async fn a_lost_session_is_started_again_and_its_batch_repeated() {
    let (first, second) = (Scripted::default(), Scripted::default());
    let batches = [Arc::clone(&first.batches), Arc::clone(&second.batches)];
    let first = Scripted {
        steps: [Step::Fine, Step::Fine, Step::LoseDevice].into(),
        ..first
    };
    let sessions = once([first, second]);
    let pool = Pool::start(config(4, 64), 1, sessions, &[0; 4]).unwrap();
    let run = |numbers: Vec<u32>| pool.run(Lane::Interactive, numbers);
    assert_eq!(run(vec![1]).await.unwrap(), good([1]));
    assert_eq!(run(vec![2, 3]).await.unwrap(), good([2, 3]));
    assert_eq!(run(vec![4]).await.unwrap(), good([4]));
    let ran: Vec<_> = batches
        .map(|batches| batches.lock().unwrap().clone())
        .into();
    assert_eq!(ran[0], [vec![0; 4], vec![1], vec![2, 3]]);
    assert_eq!(ran[1], [vec![2, 3], vec![4]], "no second warm-up");
    let report = pool.report();
    assert!(report.is_running && report.is_last_batch_good);
    assert_eq!((report.rebuilt_sessions, report.failed_batches), (1, 0));
}

#[tokio::test]
async fn a_batch_that_loses_every_session_is_given_up_and_the_others_go_on() {
    let losing = |steps: Vec<Step>| Scripted {
        steps: steps.into(),
        ..Scripted::default()
    };
    let sessions = once([
        losing(vec![Step::Fine, Step::LoseDevice]),
        losing(vec![Step::LoseDevice]),
        losing(Vec::new()),
    ]);
    let pool = Pool::start(config(4, 64), 1, sessions, &[0]).unwrap();
    let error = pool.run(Lane::Bulk, vec![1]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    assert_eq!(pool.run(Lane::Bulk, vec![2]).await.unwrap(), good([2]));
    let report = pool.report();
    assert_eq!((report.rebuilt_sessions, report.failed_batches), (2, 1));
}

#[tokio::test]
async fn losses_without_a_good_batch_between_are_bounded() {
    let lost = || Scripted {
        steps: [Step::LoseDevice].into(),
        ..Scripted::default()
    };
    let first = Scripted {
        steps: [Step::Fine, Step::LoseDevice].into(),
        ..Scripted::default()
    };
    // More than are asked for.
    let sessions = once([first, lost(), lost(), lost(), lost(), lost()]);
    let pool = Pool::start(config(4, 64), 1, sessions, &[0]).unwrap();
    for number in [1, 2] {
        let error = pool.run(Lane::Bulk, vec![number]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    }
    for thread in pool.stop() {
        thread.join().unwrap();
    }
    assert_eq!(pool.report().rebuilt_sessions, 3);
}

#[tokio::test]
async fn a_device_that_does_not_come_back_stops_the_pool() {
    let (pool, _) = start(config(4, 64), vec![Step::LoseDevice]);
    let error = pool.run(Lane::Bulk, vec![1]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    for thread in pool.stop() {
        thread.join().unwrap();
    }
    for lane in [Lane::Bulk, Lane::Interactive] {
        assert!(matches!(
            pool.run(lane, vec![2]).await,
            Err(InferenceError::Stopped { .. })
        ));
    }
    assert!(!pool.report().is_running);
}

#[tokio::test]
async fn two_sessions_serve_one_queue_and_one_may_be_lost() {
    let (first, first_entered, let_first_go) = hold();
    let (second, second_entered, let_second_go) = hold();
    let sessions = [first, second].map(|step| Scripted {
        steps: [Step::Fine, step, Step::LoseDevice].into(),
        ..Scripted::default()
    });
    let pool = Pool::start(config(1, 64), 2, once(sessions), &[0]).unwrap();
    let mut both = pin!(pool.run(Lane::Interactive, vec![1, 2]));
    assert!(poll_once(both.as_mut()).await.is_none());
    first_entered.recv_timeout(DEADLINE).unwrap();
    second_entered.recv_timeout(DEADLINE).unwrap();
    // One goes on and is lost; the other is still held, so the pool still runs.
    let_first_go.send(()).unwrap();
    assert!(
        pool.run(Lane::Interactive, vec![3])
            .await
            .unwrap_err()
            .class()
            == ErrorClass::Unavailable
    );
    assert!(pool.report().is_running);
    let_second_go.send(()).unwrap();
    assert_eq!(both.await.unwrap(), good([1, 2]));
}
