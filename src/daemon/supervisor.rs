//! Looking after loops: each runs in a task of its own, is started again when it fails, and answers when asked whether it
//! still lives.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::control::FailingLoop;
use crate::measurement::UtcMicros;

const RESTART_FLOOR: Duration = Duration::from_secs(1);
const RESTART_CEILING: Duration = Duration::from_mins(5);

/// Starts loops and knows which of them live. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    tasks: TaskTracker,
    cancel: CancellationToken,
    question: watch::Sender<u64>,
    answers: Arc<Mutex<BTreeMap<String, u64>>>,
    failing: watch::Sender<Vec<FailingLoop>>,
    clock: Clock,
}

/// A hand on a loop that was started.
#[derive(Debug)]
pub struct Looper {
    cancel: CancellationToken,
    over: CancellationToken,
}

impl Looper {
    /// Ends the loop and waits until it has ended.
    pub async fn end(self) {
        self.cancel.cancel();
        self.over.cancelled().await;
    }
}

impl Supervisor {
    /// Nothing runs yet; `cancel` ends what will.
    pub fn new(cancel: CancellationToken, clock: Clock) -> Self {
        Self {
            tasks: TaskTracker::new(),
            cancel,
            question: watch::channel(0).0,
            answers: Arc::default(),
            failing: watch::Sender::default(),
            clock,
        }
    }

    /// The loops that wait to be started again.
    pub fn failing(&self) -> watch::Receiver<Vec<FailingLoop>> {
        self.failing.subscribe()
    }

    /// Runs the loop that `make` makes, and makes it again whenever it fails or panics, until cancelled or ended.
    pub fn start<F, T, E>(&self, name: String, make: F) -> Looper
    where
        F: Fn(CancellationToken) -> T + Send + 'static,
        T: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        lock(&self.answers).insert(name.clone(), 0);
        let (cancel, question) = (self.cancel.child_token(), self.question.subscribe());
        let looper = Looper { cancel: cancel.clone(), over: CancellationToken::new() };
        let over = looper.over.clone().drop_guard();
        let (answers, failing, clock) = (Arc::clone(&self.answers), self.failing.clone(), self.clock);
        let mut backoff = Backoff::new(RESTART_FLOOR, RESTART_CEILING, fastrand::Rng::new());
        self.tasks.spawn(async move {
            while !cancel.is_cancelled() {
                // A task of its own, so that a panic ends the loop and not its supervisor; it is awaited right here.
                let watched =
                    answering(name.clone(), make(cancel.clone()), question.clone(), Arc::clone(&answers));
                let started = Instant::now();
                let ended = tokio::spawn(watched).await;
                let Some(reason) = failure(ended) else { break };
                if started.elapsed() >= RESTART_CEILING {
                    backoff.succeeded();
                }
                let wait = backoff.failed(Duration::ZERO);
                tracing::error!(name, %reason, ?wait, "A loop failed and will be started again.");
                // No wait is longer than the ceiling.
                let until = UtcMicros(clock.now().0 + wait.as_micros() as i64);
                failing.send_modify(|all| all.push(FailingLoop { name: name.clone(), reason, until }));
                lock(&answers).insert(name.clone(), u64::MAX);
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
                failing.send_modify(|all| all.retain(|failing| failing.name != name));
            }
            lock(&answers).remove(&name);
            drop(over);
        });
        looper
    }

    /// Asks every loop, and says who had not answered the question before.
    pub fn ask(&self) -> Vec<String> {
        let asked = *self.question.borrow();
        let silent = lock(&self.answers)
            .iter()
            .filter(|(_, answered)| **answered < asked)
            .map(|(name, _)| name.clone())
            .collect();
        self.question.send_replace(asked + 1);
        silent
    }

    /// Waits until all loops have ended; `false` if they take longer than `grace`.
    pub async fn ended(&self, grace: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
}

/// Runs a loop and, in the same task, answers the question whether it lives: a loop that blocks its task stays silent.
async fn answering<T: Future>(
    name: String,
    watched: T,
    mut question: watch::Receiver<u64>,
    answers: Arc<Mutex<BTreeMap<String, u64>>>,
) -> T::Output {
    tokio::pin!(watched);
    lock(&answers).insert(name.clone(), *question.borrow_and_update());
    loop {
        tokio::select! {
            ended = &mut watched => return ended,
            Ok(()) = question.changed() => {
                let asked = *question.borrow_and_update();
                lock(&answers).insert(name.clone(), asked);
            }
        }
    }
}

fn failure<E: Display>(ended: Result<Result<(), E>, JoinError>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(panicked) => Some(panicked.to_string()),
    }
}

/// No code panics while it holds the lock; a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_fails_or_panics_is_started_again() {
        let (cancel, starts) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let supervisor = Supervisor::new(cancel.clone(), Clock::System);
        let counted = Arc::clone(&starts);
        supervisor.start("test".to_owned(), move |cancel| {
            let start = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match start {
                    0 => Err("broken"),
                    1 => panic!("worse"),
                    _ => {
                        cancel.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        let mut failing = supervisor.failing();
        for reason in ["broken", "worse"] {
            let told = |all: &Vec<FailingLoop>| all.iter().any(|failing| failing.reason.contains(reason));
            failing.wait_for(told).await.unwrap();
        }
        failing.wait_for(Vec::is_empty).await.unwrap();
        while starts.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
        assert!(supervisor.ended(RESTART_CEILING).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_loop_can_be_ended_alone_and_nobody_waits_for_its_answers() {
        let cancel = CancellationToken::new();
        let supervisor = Supervisor::new(cancel.clone(), Clock::System);
        let until_cancelled = |cancel: CancellationToken| async move {
            cancel.cancelled().await;
            Ok::<(), String>(())
        };
        let one = supervisor.start("one".to_owned(), until_cancelled);
        let _other = supervisor.start("other".to_owned(), until_cancelled);
        one.end().await;
        assert_eq!(lock(&supervisor.answers).keys().collect::<Vec<_>>(), ["other"]);
        assert!(!supervisor.ended(RESTART_FLOOR).await, "the other one runs on");
        cancel.cancel();
        assert!(supervisor.ended(RESTART_CEILING).await);
    }

    #[tokio::test]
    async fn a_live_loop_answers_and_the_next_question_finds_nobody_silent() {
        let cancel = CancellationToken::new();
        let supervisor = Supervisor::new(cancel.clone(), Clock::System);
        supervisor.start("live".to_owned(), |cancel| async move {
            cancel.cancelled().await;
            Ok::<(), String>(())
        });
        supervisor.ask();
        while !lock(&supervisor.answers).values().all(|answered| *answered == 1) {
            tokio::task::yield_now().await;
        }
        assert!(supervisor.ask().is_empty());
        // Nobody has run since that question, so the next one finds it unanswered.
        assert_eq!(supervisor.ask(), ["live"]);
        cancel.cancel();
        assert!(supervisor.ended(RESTART_CEILING).await);
    }
}
