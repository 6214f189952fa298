//! A spell is one row however often the same thing fails, names its reason, and outlives the process.

use std::path::Path;
use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::control::Seat;
use nowbridge::daemon::Spells;
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::{Outbox, OutboxError, SpellRow};
use nowbridge::radio::{PeerAddress, RadioState, RadioTrouble};
use nowbridge::sync::{ClockStatus, WaitReason, WatchCounts, WatchState, WatchStatus};
use nowbridge::upload::{HoldReason, UploadState, UploadStatus, nowatch};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::outbox::NOON;

const ADDRESS: &str = "E7:12:0A:00:00:01";

struct Day {
    outbox: Outbox,
    radio: watch::Sender<RadioState>,
    watch: watch::Sender<WatchStatus>,
    sink: watch::Sender<UploadStatus>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), OutboxError>>,
    _seats: watch::Sender<Vec<Seat>>,
}

impl Day {
    async fn begin(dir: &Path, clock: Clock) -> Self {
        let outbox = Outbox::open(dir, clock).await.unwrap();
        let (radio, watch) = (watch::Sender::new(RadioState::Ready), watch::Sender::new(status(scheduled())));
        let sink = watch::Sender::new(UploadStatus::default());
        let seat = Seat {
            address: PeerAddress(ADDRESS.to_owned()),
            name: None,
            status: watch.subscribe(),
            sync_now: None,
            updating: None,
        };
        let seats = watch::Sender::new(vec![seat]);
        let spells = Spells {
            outbox: outbox.clone(),
            clock,
            radio: Some(radio.subscribe()),
            seats: seats.subscribe(),
            time: watch::channel(ClockStatus::default()).1,
            sinks: vec![(nowatch(), sink.subscribe())],
        };
        let cancel = CancellationToken::new();
        let task = tokio::spawn(spells.run(cancel.clone()));
        // Until it has looked once.
        minutes(1).await;
        Self { outbox, radio, watch, sink, cancel, task, _seats: seats }
    }

    fn upload(&self, state: UploadState) {
        self.sink.send_modify(|status| status.state = state);
    }

    async fn spells(&self) -> Vec<SpellRow> {
        self.outbox.spells(UtcMicros(0), 100).await.unwrap()
    }

    /// Subject, reason, and the minutes from noon at which it began and ended.
    async fn told(&self) -> Vec<(String, String, i64, Option<i64>)> {
        let minute = |at: UtcMicros| at.since(NOON) / 60_000_000;
        let tell = |row: SpellRow| (row.subject, row.reason, minute(row.began), row.ended.map(minute));
        self.spells().await.into_iter().map(tell).collect()
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
        self.outbox.close().await.unwrap();
    }
}

async fn minutes(minutes: u64) {
    sleep(Duration::from_mins(minutes)).await;
}

fn status(state: WatchState) -> WatchStatus {
    WatchStatus {
        address: PeerAddress(ADDRESS.to_owned()),
        name: None,
        device: None,
        driver: None,
        identity: None,
        state,
        complete_at: None,
        last_session: None,
        counts: WatchCounts::default(),
    }
}

fn scheduled() -> WatchState {
    WatchState::Waiting { reason: WaitReason::Scheduled, until: None }
}

fn away() -> WatchState {
    WatchState::Waiting { reason: WaitReason::Away, until: None }
}

fn unavailable(failures: u32) -> UploadState {
    let detail = format!("no answer, {failures} times");
    UploadState::Holding { reason: HoldReason::Unavailable { detail, failures }, until: NOON }
}

fn row(subject: &str, reason: &str, began: i64, ended: Option<i64>) -> (String, String, i64, Option<i64>) {
    (subject.to_owned(), reason.to_owned(), began, ended)
}

#[tokio::test(start_paused = true)]
async fn once_for_a_week_of_failures_and_again_when_the_reason_changes() {
    let dir = TempDir::new().unwrap();
    let day = Day::begin(dir.path(), Clock::simulated(NOON)).await;
    for failures in 1..200 {
        day.upload(unavailable(failures));
        minutes(5).await;
        day.upload(UploadState::Uploading { kind: nowbridge::measurement::Kind::HeartRate, rows: 1 });
        minutes(1).await;
    }
    assert_eq!(day.told().await, [row("sink nowatch", "unavailable", 1, None)]);
    let reason = HoldReason::NeedsLogin { detail: "the password was refused".to_owned() };
    day.upload(UploadState::Holding { reason, until: NOON });
    minutes(10).await;
    day.upload(UploadState::Idle);
    minutes(1).await;
    let (changed, over) = (1 + 199 * 6, 1 + 199 * 6 + 10);
    assert_eq!(
        day.told().await,
        [
            row("sink nowatch", "unavailable", 1, Some(changed)),
            row("sink nowatch", "needs_login", changed, Some(over)),
        ]
    );
    day.stop().await;
}

#[tokio::test(start_paused = true)]
async fn but_not_a_walk_around_the_block() {
    let dir = TempDir::new().unwrap();
    let day = Day::begin(dir.path(), Clock::simulated(NOON)).await;
    day.watch.send_replace(status(away()));
    minutes(9).await;
    day.watch.send_replace(status(scheduled()));
    minutes(20).await;
    assert_eq!(day.told().await, []);
    day.watch.send_replace(status(away()));
    for _ in 0..5 {
        // Each attempt to connect is none of its return.
        minutes(3).await;
        day.watch.send_replace(status(WatchState::Connecting));
        minutes(1).await;
        day.watch.send_replace(status(away()));
    }
    day.watch.send_replace(status(scheduled()));
    minutes(1).await;
    assert_eq!(day.told().await, [row(&format!("watch {ADDRESS}"), "away", 30, Some(50))]);
    day.stop().await;
}

#[tokio::test(start_paused = true)]
async fn across_a_crash_and_a_stop() {
    let dir = TempDir::new().unwrap();
    let clock = Clock::simulated(NOON);
    let day = Day::begin(dir.path(), clock).await;
    day.radio.send_replace(RadioState::NotReady(RadioTrouble::AdapterOff));
    minutes(5).await;
    // It is killed: nothing is written any more.
    day.task.abort();
    day.outbox.close().await.unwrap();

    let day = Day::begin(dir.path(), clock).await;
    let first = &day.spells().await[0];
    assert_eq!(
        (first.subject.as_str(), first.reason.as_str(), first.interrupted),
        ("radio", "adapter_off", true)
    );
    assert_eq!(first.ended.map(|at| at.since(NOON) / 60_000_000), Some(6));
    day.stop().await;
    minutes(60).await;

    let day = Day::begin(dir.path(), clock).await;
    let stopped = day.spells().await.pop().unwrap();
    assert_eq!((stopped.subject.as_str(), stopped.interrupted), ("nowbridge", false));
    assert_eq!(stopped.ended.unwrap().since(stopped.began) / 60_000_000, 60);
    assert_eq!(day.spells().await.len(), 2);
    day.stop().await;
}

#[tokio::test(start_paused = true)]
async fn for_ninety_days() {
    let dir = TempDir::new().unwrap();
    let day = Day::begin(dir.path(), Clock::simulated(NOON)).await;
    day.upload(unavailable(1));
    minutes(1).await;
    day.upload(UploadState::Idle);
    minutes(91 * 24 * 60).await;
    assert_eq!(day.spells().await.len(), 1, "nothing has happened since");
    day.upload(unavailable(1));
    minutes(1).await;
    assert_eq!(day.told().await.len(), 1);
    assert_eq!(day.told().await[0].3, None);
    day.stop().await;
}
