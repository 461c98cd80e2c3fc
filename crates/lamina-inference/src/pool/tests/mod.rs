//! The pool with a scripted session: what it does when all goes well, and when it does not.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use lamina_types::{Embedding, EmbeddingError};

use super::*;
use crate::ErrorClass;
use crate::session::EncoderOutput;

mod lost;

/// Long enough for any machine, short enough to end a hanging test.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the session does with its next batch.
enum Step {
    Fine,
    Fail,
    NanFor(u32),
    NoMemoryAbove(usize),
    LoseDevice,
    Panic,
    TooFewRows,
    /// Says that it runs and waits to be let go.
    Hold(Sender<()>, Receiver<()>),
}

/// The batches that a session was asked to run.
type Batches = Arc<Mutex<Vec<Vec<u32>>>>;

/// A session that follows a script, then does well. Input `n` gives the direction of (n + 1, 1).
#[derive(Default)]
struct Scripted {
    steps: VecDeque<Step>,
    /// Stands for every batch after the script.
    memory: Option<usize>,
    batches: Batches,
}

impl ModelSession for Scripted {
    type Input = u32;
    type Output = EncoderOutput;

    fn is_unusable(output: &EncoderOutput) -> bool {
        output.is_err()
    }

    fn run(&mut self, batch: &[u32]) -> Result<Vec<EncoderOutput>, SessionError> {
        self.batches.lock().unwrap().push(batch.to_vec());
        let mut rows: Vec<_> = batch
            .iter()
            .map(|number| vec![*number as f32 + 1.0, 1.0])
            .collect();
        let step = self.steps.pop_front().unwrap_or(match self.memory {
            Some(limit) => Step::NoMemoryAbove(limit),
            None => Step::Fine,
        });
        match step {
            Step::Fine => {}
            Step::Fail => return Err(SessionError::Scripted),
            Step::NanFor(bad) => {
                for (row, _) in rows
                    .iter_mut()
                    .zip(batch)
                    .filter(|(_, number)| **number == bad)
                {
                    row[1] = f32::NAN;
                }
            }
            Step::NoMemoryAbove(limit) if batch.len() > limit => {
                return Err(SessionError::OutOfMemory(batch.len(), None));
            }
            Step::NoMemoryAbove(_) => {}
            Step::LoseDevice => return Err(SessionError::DeviceLost(None)),
            Step::Panic => panic!("scripted"),
            Step::TooFewRows => {
                rows.pop();
            }
            Step::Hold(entered, release) => {
                entered.send(()).unwrap();
                release.recv_timeout(DEADLINE).unwrap();
            }
        }
        Ok(rows.into_iter().map(Embedding::new).collect())
    }
}

/// A step that holds the session, and the two ends for the test.
fn hold() -> (Step, Receiver<()>, Sender<()>) {
    let (entered, has_entered) = channel();
    let (release, released) = channel();
    (Step::Hold(entered, released), has_entered, release)
}

fn config(max_batch: usize, capacity: usize) -> PoolConfig {
    PoolConfig {
        model: "toy@1/vision".to_owned(),
        max_batch,
        interactive_capacity: capacity,
        bulk_capacity: capacity,
        is_gpu: false,
        rebuild_pause: Duration::ZERO,
    }
}

/// A pool over one session, and the batches it ran after the warm-up.
fn start(config: PoolConfig, steps: Vec<Step>) -> (Pool<u32, EncoderOutput>, Batches) {
    start_session(
        config,
        Scripted {
            steps: steps.into(),
            ..Scripted::default()
        },
    )
}

fn start_session(config: PoolConfig, mut session: Scripted) -> (Pool<u32, EncoderOutput>, Batches) {
    // The warm-up takes the first step.
    session.steps.push_front(Step::Fine);
    let batches = Arc::clone(&session.batches);
    let worst = vec![0; config.max_batch];
    let pool = Pool::start(config, 1, once([session]), &worst).unwrap();
    batches.lock().unwrap().clear();
    (pool, batches)
}

/// Gives these sessions in turn, and then no more.
fn once(
    sessions: impl IntoIterator<Item = Scripted>,
) -> impl Fn(usize) -> Result<Scripted, SessionError> + Send + Sync + 'static {
    let sessions = Mutex::new(sessions.into_iter().collect::<VecDeque<_>>());
    move |_| {
        let next = sessions.lock().unwrap().pop_front();
        next.ok_or(SessionError::Scripted)
    }
}

/// One poll: enough for a request to put its items into the lane.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

fn direction(number: u32) -> Embedding {
    Embedding::new(vec![number as f32 + 1.0, 1.0]).unwrap()
}

fn good(numbers: impl IntoIterator<Item = u32>) -> Vec<EncoderOutput> {
    numbers
        .into_iter()
        .map(|number| Ok(direction(number)))
        .collect()
}

#[tokio::test]
async fn every_item_gets_its_own_vector_in_order() {
    let (pool, _) = start(config(4, 64), Vec::new());
    for lane in [Lane::Interactive, Lane::Bulk] {
        assert_eq!(
            pool.run(lane, (0..30).collect()).await.unwrap(),
            good(0..30)
        );
    }
    let report = pool.report();
    assert_eq!(
        (report.items, report.interactive.items, report.bulk.items),
        (60, 30, 30)
    );
    assert!(report.is_running && report.is_last_batch_good && report.last_error.is_none());
    assert!(pool.run(Lane::Bulk, Vec::new()).await.unwrap().is_empty());
}

/// Holds the session with bulk item 0, queues the given items behind it, lets go, and gives the batches.
async fn batches_behind_a_held_one(
    config: PoolConfig,
    bulk: &[u32],
    interactive: &[u32],
) -> Vec<Vec<u32>> {
    let (step, entered, release) = hold();
    let (pool, batches) = start(config, vec![step]);
    let mut first = pin!(pool.run(Lane::Bulk, vec![0]));
    assert!(poll_once(first.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut bulk = pin!(pool.run(Lane::Bulk, bulk.to_vec()));
    let mut interactive = pin!(pool.run(Lane::Interactive, interactive.to_vec()));
    assert!(poll_once(bulk.as_mut()).await.is_none());
    assert!(poll_once(interactive.as_mut()).await.is_none());
    release.send(()).unwrap();
    let (first, bulk, interactive) = tokio::join!(first, bulk, interactive);
    assert!(first.is_ok() && bulk.is_ok() && interactive.is_ok());
    let batches = batches.lock().unwrap().clone();
    assert_eq!(batches[0], [0]);
    batches[1..].to_vec()
}

#[tokio::test]
async fn interactive_items_overtake_bulk_items() {
    let batches = batches_behind_a_held_one(config(4, 64), &[1, 2, 3, 4, 5], &[10, 11]).await;
    assert_eq!(batches, [vec![10, 11], vec![1, 2, 3, 4], vec![5]]);
}

#[tokio::test]
async fn bulk_items_fill_up_where_that_costs_little() {
    let on_gpu = PoolConfig {
        is_gpu: true,
        ..config(4, 64)
    };
    let batches = batches_behind_a_held_one(on_gpu, &[1, 2, 3, 4, 5], &[10, 11]).await;
    assert_eq!(batches, [vec![10, 11, 1, 2], vec![3, 4, 5]]);
}

#[tokio::test]
async fn bulk_items_never_stand_still() {
    let batches = batches_behind_a_held_one(config(2, 64), &[1, 2, 3], &[10, 11, 12, 13, 14]).await;
    assert_eq!(
        batches,
        [vec![10, 11], vec![12, 1], vec![13, 14], vec![2, 3]]
    );
}

#[tokio::test]
async fn a_full_interactive_lane_refuses_with_a_time() {
    let (step, entered, release) = hold();
    let (pool, _) = start(config(4, 2), vec![step]);
    let mut first = pin!(pool.run(Lane::Interactive, vec![0]));
    assert!(poll_once(first.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut kept = pin!(pool.run(Lane::Interactive, vec![1]));
    assert!(poll_once(kept.as_mut()).await.is_none());
    {
        let mut given_up = pin!(pool.run(Lane::Interactive, vec![2]));
        assert!(poll_once(given_up.as_mut()).await.is_none());
        let error = pool.run(Lane::Interactive, vec![3]).await.unwrap_err();
        let ErrorClass::Overloaded { retry_after } = error.class() else {
            panic!("{error}")
        };
        assert!((Duration::from_secs(1)..=Duration::from_secs(30)).contains(&retry_after));
    }
    // Who gave up makes room.
    let mut late = pin!(pool.run(Lane::Interactive, vec![4]));
    assert!(poll_once(late.as_mut()).await.is_none());
    let error = pool
        .run(Lane::Interactive, vec![5, 6, 7])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidInput, "{error}");
    release.send(()).unwrap();
    let (first, kept, late) = tokio::join!(first, kept, late);
    assert_eq!(
        (first.unwrap(), kept.unwrap(), late.unwrap()),
        (good([0]), good([1]), good([4]))
    );
    assert_eq!(pool.report().overloaded_requests, 1);
}

#[tokio::test]
async fn a_full_bulk_lane_makes_its_senders_wait() {
    let (step, entered, release) = hold();
    let (pool, _) = start(config(4, 2), vec![step]);
    let mut first = pin!(pool.run(Lane::Bulk, vec![0]));
    assert!(poll_once(first.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut rest = pin!(pool.run(Lane::Bulk, (1..10).collect()));
    assert!(poll_once(rest.as_mut()).await.is_none());
    assert_eq!(pool.report().bulk.waiting, 2);
    release.send(()).unwrap();
    let (first, rest) = tokio::join!(first, rest);
    assert_eq!((first.unwrap(), rest.unwrap()), (good([0]), good(1..10)));
}

#[tokio::test]
async fn items_whose_caller_has_gone_are_not_run() {
    let (step, entered, release) = hold();
    let (pool, batches) = start(config(4, 64), vec![step]);
    let mut first = pin!(pool.run(Lane::Bulk, vec![0]));
    assert!(poll_once(first.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut kept = pin!(pool.run(Lane::Bulk, vec![3]));
    {
        let mut gone = pin!(pool.run(Lane::Bulk, vec![1, 2]));
        assert!(poll_once(gone.as_mut()).await.is_none());
        assert!(poll_once(kept.as_mut()).await.is_none());
    }
    release.send(()).unwrap();
    let (first, kept) = tokio::join!(first, kept);
    assert!(first.is_ok() && kept.is_ok());
    assert_eq!(*batches.lock().unwrap(), [vec![0], vec![3]]);
    assert_eq!(pool.report().abandoned_items, 2);
    assert_eq!(
        pool.places.available_permits(),
        64,
        "their places are free again"
    );
}

#[tokio::test]
async fn out_of_memory_halves_the_batch_until_it_fits() {
    let (step, entered, release) = hold();
    let session = Scripted {
        steps: vec![step].into(),
        memory: Some(1),
        ..Scripted::default()
    };
    let (pool, batches) = start_session(config(4, 64), session);
    let mut first = pin!(pool.run(Lane::Bulk, vec![0]));
    assert!(poll_once(first.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut rest = pin!(pool.run(Lane::Bulk, (1..7).collect()));
    assert!(poll_once(rest.as_mut()).await.is_none());
    release.send(()).unwrap();
    let (first, rest) = tokio::join!(first, rest);
    assert_eq!((first.unwrap(), rest.unwrap()), (good([0]), good(1..7)));
    let seen = batches.lock().unwrap().clone();
    // Halves of the first batch, and then no more than what fitted.
    assert_eq!(
        seen,
        [
            vec![0],
            vec![1, 2, 3, 4],
            vec![1, 2],
            vec![1],
            vec![2],
            vec![3, 4],
            vec![3],
            vec![4],
            vec![5],
            vec![6]
        ]
    );
    let report = pool.report();
    assert_eq!((report.halved_batches, report.failed_batches), (3, 0));
}

#[tokio::test]
async fn the_batch_grows_again_when_memory_is_back() {
    let (step, entered, release) = hold();
    let (pool, batches) = start(config(4, 512), vec![step, Step::NoMemoryAbove(1)]);
    let mut first = pin!(pool.run(Lane::Bulk, vec![0]));
    assert!(poll_once(first.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut rest = pin!(pool.run(Lane::Bulk, (1..400).collect()));
    assert!(poll_once(rest.as_mut()).await.is_none());
    release.send(()).unwrap();
    let (first, rest) = tokio::join!(first, rest);
    assert!(first.is_ok() && rest.is_ok());
    let sizes: Vec<usize> = batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes[..5], [1, 4, 2, 2, 2]);
    assert_eq!(sizes.iter().rev().nth(1), Some(&4), "{sizes:?}");
}

#[tokio::test]
async fn one_item_that_does_not_fit_fails_alone() {
    let (pool, _) = start(config(4, 64), vec![Step::NoMemoryAbove(0)]);
    let error = pool.run(Lane::Bulk, vec![1]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Internal);
    assert_eq!(pool.run(Lane::Bulk, vec![2]).await.unwrap(), good([2]));
}

#[tokio::test]
async fn a_failed_batch_fails_alone_and_is_reported() {
    for step in [Step::Fail, Step::Panic, Step::TooFewRows] {
        let (pool, _) = start(config(4, 64), vec![step]);
        let error = pool.run(Lane::Interactive, vec![1, 2]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Internal);
        let report = pool.report();
        assert!(report.is_running && !report.is_last_batch_good && report.last_error.is_some());
        assert_eq!(report.failed_batches, 1);
        assert_eq!(
            pool.run(Lane::Interactive, vec![3]).await.unwrap(),
            good([3])
        );
        assert!(pool.report().is_last_batch_good);
    }
}

#[tokio::test]
async fn a_bad_vector_is_the_fault_of_its_item_only() {
    let (pool, _) = start(config(4, 64), vec![Step::NanFor(2)]);
    let answers = pool.run(Lane::Interactive, vec![1, 2, 3]).await.unwrap();
    assert_eq!(
        answers,
        [
            Ok(direction(1)),
            Err(EmbeddingError::NotFinite(1)),
            Ok(direction(3))
        ]
    );
    assert_eq!(pool.report().bad_vectors, 1);
}

#[tokio::test]
async fn stopping_ends_the_running_batch_and_refuses_the_rest() {
    let (step, entered, release) = hold();
    let (pool, batches) = start(config(4, 2), vec![step]);
    let mut running = pin!(pool.run(Lane::Interactive, vec![0]));
    assert!(poll_once(running.as_mut()).await.is_none());
    entered.recv_timeout(DEADLINE).unwrap();
    let mut waiting = pin!(pool.run(Lane::Interactive, vec![1]));
    assert!(poll_once(waiting.as_mut()).await.is_none());
    let mut sending = pin!(pool.run(Lane::Bulk, vec![2, 3, 4]));
    assert!(poll_once(sending.as_mut()).await.is_none());
    let threads = pool.stop();
    assert!(matches!(waiting.await, Err(InferenceError::Stopped { .. })));
    assert!(matches!(sending.await, Err(InferenceError::Stopped { .. })));
    assert!(matches!(
        pool.run(Lane::Bulk, vec![5]).await,
        Err(InferenceError::Stopped { .. })
    ));
    release.send(()).unwrap();
    assert_eq!(running.await.unwrap(), good([0]));
    assert_eq!(threads.len(), 1);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*batches.lock().unwrap(), [vec![0]]);
    assert!(!pool.report().is_running);
}

#[test]
fn warm_up_finds_the_size_that_fits() {
    let session = Scripted {
        memory: Some(3),
        ..Scripted::default()
    };
    let batches = Arc::clone(&session.batches);
    let pool = Pool::start(config(8, 64), 1, once([session]), &[0; 8]).unwrap();
    assert_eq!(
        batches
            .lock()
            .unwrap()
            .iter()
            .map(Vec::len)
            .collect::<Vec<_>>(),
        [8, 4, 2]
    );
    assert_eq!(pool.report().batches, 0, "the warm-up is not counted");
}

#[test]
fn a_model_that_fails_its_warm_up_does_not_start() {
    for step in [Step::Fail, Step::NoMemoryAbove(0)] {
        let session = Scripted {
            steps: vec![step].into(),
            ..Scripted::default()
        };
        assert!(matches!(
            Pool::start(config(1, 64), 1, once([session]), &[0]),
            Err(InferenceError::Start { .. })
        ));
    }
}
