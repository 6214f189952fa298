//! Follows the daemon through its control socket, as any user could, until nothing is left to do.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::now;
use super::runner::Runner;
use super::scene::Scene;
use crate::control::{Client, Status};
use crate::outbox::StreamSummary;
use crate::sync::{Outcome, WatchState};
use crate::wire::bridge::LogStore;

/// How often a daemon that is starting is knocked at.
const KNOCK: Duration = Duration::from_millis(20);

/// When the daemon is to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// After a third of the blocks has been fetched.
    WhileSyncing,
    /// After a third of the samples has been uploaded.
    WhileUploading,
}

/// When the stages were over, since the demo began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Everything was in the outbox.
    pub synced: Option<Duration>,
    /// Everything was in the cloud.
    pub uploaded: Option<Duration>,
}

struct Bars {
    _all: MultiProgress,
    sync: ProgressBar,
    upload: ProgressBar,
}

/// Returns when everything on the watch is in the cloud, as far as the daemon knows.
pub async fn follow(scene: &Scene, runner: &mut Runner, mut kills: Vec<Kill>) -> anyhow::Result<Times> {
    let (bars, began) = (Bars::new(), now());
    let mut times = Times::default();
    loop {
        let client = tokio::select! {
            client = knock(scene) => client,
            ended = runner.ended() => return Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("the daemon ended"))),
        };
        let Ok(events) = client.events().await else { continue };
        let mut events = pin!(events);
        while let Some(Ok(status)) = events.next().await {
            bars.show(scene, &status);
            times.note(&status, began);
            if let Some(kill) = kills.first().copied().filter(|kill| kill.is_due(scene, &status)) {
                kills.remove(0);
                bars.sync.suspend(|| println!("   killing the daemon {} …", kill.when()));
                runner.kill_and_restart(scene).await?;
                break;
            }
            if kills.is_empty() && is_done(&status) {
                bars.finish();
                return Ok(times);
            }
        }
        tokio::time::sleep(KNOCK).await;
    }
}

async fn knock(scene: &Scene) -> Client {
    loop {
        match Client::connect(&scene.config.paths.control_socket).await {
            Ok(client) => return client,
            Err(_) => tokio::time::sleep(KNOCK).await,
        }
    }
}

fn is_synced(status: &Status) -> bool {
    status.watches.iter().all(|watch| {
        let complete = watch.last_session.as_ref().is_some_and(|last| last.outcome == Outcome::Complete);
        complete && !matches!(watch.state, WatchState::Syncing(_))
    }) && !status.watches.is_empty()
}

fn is_done(status: &Status) -> bool {
    let unsent: Option<u64> =
        status.outbox.as_ref().map(|outbox| outbox.streams.iter().map(StreamSummary::unsent).sum());
    is_synced(status) && unsent == Some(0)
}

/// Samples that the API has a kind for: stored, uploaded.
fn samples(status: &Status) -> (u64, u64) {
    let streams =
        status.outbox.iter().flat_map(|outbox| &outbox.streams).filter(|stream| stream.kind.is_some());
    streams.fold((0, 0), |(stored, uploaded), stream| (stored + stream.samples, uploaded + stream.uploaded))
}

impl Kill {
    fn is_due(self, scene: &Scene, status: &Status) -> bool {
        match self {
            Self::WhileSyncing => match status.watches.first().map(|watch| &watch.state) {
                Some(WatchState::Syncing(progress)) => progress.cursor.0 * 3 > head(scene),
                _ => is_synced(status),
            },
            Self::WhileUploading => {
                let (_, uploaded) = samples(status);
                let total: usize = scene.recording.tracks.iter().map(|track| track.samples.len()).sum();
                uploaded * 3 > total as u64
            }
        }
    }

    const fn when(self) -> &'static str {
        match self {
            Self::WhileSyncing => "while it fetches",
            Self::WhileUploading => "while it uploads",
        }
    }
}

fn head(scene: &Scene) -> u32 {
    scene.watch.with(|watch| watch.info().head.0)
}

impl Times {
    fn note(&mut self, status: &Status, began: Instant) {
        if is_synced(status) {
            self.synced.get_or_insert_with(|| began.elapsed());
        }
        if is_done(status) {
            self.uploaded.get_or_insert_with(|| began.elapsed());
        }
    }
}

impl Bars {
    fn new() -> Self {
        let style = ProgressStyle::with_template("   {msg:<18} {bar:40} {pos:>9} of {len:>9} {unit}");
        let bar = |what: &'static str| {
            let bar = ProgressBar::new(0).with_message(what);
            match &style {
                Ok(style) => bar.with_style(style.clone()),
                Err(_) => bar,
            }
        };
        let all = MultiProgress::new();
        let (sync, upload) = (all.add(bar("watch → outbox")), all.add(bar("outbox → cloud")));
        Self { _all: all, sync, upload }
    }

    fn show(&self, scene: &Scene, status: &Status) {
        let (stored, uploaded) = samples(status);
        let total: usize = scene.recording.tracks.iter().map(|track| track.samples.len()).sum();
        self.sync.set_length(total as u64);
        self.sync.set_position(stored);
        self.upload.set_length(total as u64);
        self.upload.set_position(uploaded);
    }

    fn finish(&self) {
        self.sync.finish();
        self.upload.finish();
    }
}
