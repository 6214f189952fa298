//! What the control socket can see of the daemon, at each stage of its life.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::sync::{Notify, watch};

use super::desk::{RadioDesk, Seat};
use super::status::{CloudStatus, DaemonStatus, FailingLoop, RadioStatus, SinkStatus, StageName, Status};
use super::updates::UpdatesView;
use crate::cloud::{AuthState, Client};
use crate::measurement::UtcMicros;
use crate::ota::Doing;
use crate::outbox::{Outbox, OutboxError, SinkName, SinkRow};
use crate::radio::RadioState;
use crate::sync::{ClockStatus, RecoveryCounts, WatchStatus};
use crate::upload::{self, UploadStatus};

/// How far the daemon is, and what there is to look at.
#[derive(Clone)]
pub enum Stage {
    /// Nothing is open yet.
    Starting,
    /// All loops run.
    Running(Arc<Parts>),
    /// The loops are ending.
    Stopping,
}

/// The running parts.
pub struct Parts {
    /// The store.
    pub outbox: Outbox,
    /// The radio; `None` without one.
    pub radio: Option<RadioView>,
    /// The watches that are looked after; they come and go.
    pub seats: watch::Receiver<Vec<Seat>>,
    /// Where radio matters are brought; `None` without a radio.
    pub desk: Option<RadioDesk>,
    /// This computer's clock.
    pub time: watch::Receiver<ClockStatus>,
    /// The cloud, if one is configured.
    pub cloud: Option<CloudView>,
    /// Everyone that measurements are sent to, the cloud among them.
    pub sinks: Vec<SinkView>,
    /// Said when there is something to send.
    pub arrivals: Arc<Notify>,
    /// Firmware for the watches; `None` without a radio.
    pub updates: Option<UpdatesView>,
    /// Loops that wait to be started again.
    pub failing: watch::Receiver<Vec<FailingLoop>>,
}

/// The radio as the control socket sees it.
pub struct RadioView {
    /// Whether it can be used.
    pub state: watch::Receiver<RadioState>,
    /// What was tried to get it going again.
    pub recovery: watch::Receiver<RecoveryCounts>,
}

/// The cloud as the control socket sees it.
pub struct CloudView {
    /// Where it is.
    pub base_url: String,
    /// The ledger's name of it.
    pub sink: SinkName,
    /// For questions of our own to it.
    pub client: Client,
    /// Whether we are logged in.
    pub auth: watch::Receiver<AuthState>,
    /// The upload loop.
    pub upload: watch::Receiver<UploadStatus>,
}

/// A sink as the control socket sees it.
pub struct SinkView {
    /// The ledger's name of it.
    pub name: SinkName,
    /// Where it is, for people.
    pub to: String,
    /// The upload loop.
    pub upload: watch::Receiver<UploadStatus>,
}

impl Stage {
    /// Puts the answer together.
    pub(super) async fn status(&self, started: UtcMicros) -> Result<Status, OutboxError> {
        let (name, parts) = match self {
            Self::Starting => (StageName::Starting, None),
            Self::Running(parts) => (StageName::Running, Some(parts)),
            Self::Stopping => (StageName::Stopping, None),
        };
        let daemon = DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started,
            stage: name,
            failing: parts.map(|parts| parts.failing.borrow().clone()).unwrap_or_default(),
        };
        let Some(parts) = parts else {
            return Ok(Status {
                daemon,
                clock: None,
                radio: None,
                watches: Vec::new(),
                cloud: None,
                sinks: Vec::new(),
                holders: Vec::new(),
                outbox: None,
                updates: Vec::new(),
            });
        };
        let sink = parts.cloud.as_ref().map_or_else(upload::nowatch, |cloud| cloud.sink.clone());
        let outbox = parts.outbox.summary(&sink).await?;
        let radio = parts.radio.as_ref().map(|radio| RadioStatus {
            state: radio.state.borrow().clone(),
            recovery: *radio.recovery.borrow(),
        });
        let watches = parts.seats.borrow().iter().map(|seat| seat.status.borrow().clone()).collect();
        let cloud = parts.cloud.as_ref().map(|cloud| CloudStatus {
            base_url: cloud.base_url.clone(),
            auth: cloud.auth.borrow().clone(),
            upload: cloud.upload.borrow().clone(),
        });
        let sinks = sinks(&parts.outbox, &parts.sinks).await?;
        let clock = Some(*parts.time.borrow());
        let holders = if outbox.room.is_ample() { Vec::new() } else { parts.outbox.sink_holds().await? };
        let seats = parts.seats.borrow().clone();
        let updates = match &parts.updates {
            Some(view) => view.open(&parts.outbox, &seats).await?,
            None => Vec::new(),
        };
        Ok(Status { daemon, clock, radio, watches, cloud, sinks, holders, outbox: Some(outbox), updates })
    }
}

/// Those that are configured, and those that are remembered although they are not: what waits for them stays.
async fn sinks(outbox: &Outbox, views: &[SinkView]) -> Result<Vec<SinkStatus>, OutboxError> {
    let known = outbox.sinks().await?;
    let is_configured = |row: &&SinkRow| views.iter().any(|view| view.name == row.name);
    let mut sinks = Vec::with_capacity(views.len());
    for view in views {
        let row = known.iter().find(|row| row.name == view.name);
        sinks.push(SinkStatus {
            name: view.name.clone(),
            to: Some(view.to.clone()),
            since: row.and_then(|row| row.since),
            paused: row.and_then(|row| row.paused),
            counts: outbox.sink_counts(&view.name).await?,
            upload: Some(view.upload.borrow().clone()),
        });
    }
    for SinkRow { name, since, paused, .. } in known.iter().filter(|row| !is_configured(row)).cloned() {
        let counts = outbox.sink_counts(&name).await?;
        sinks.push(SinkStatus { name, to: None, since, paused, counts, upload: None });
    }
    Ok(sinks)
}

/// Hears of everything that a status tells, from the moment it was made.
#[derive(Default)]
pub(super) struct Changes {
    radio: Option<watch::Receiver<RadioState>>,
    recovery: Option<watch::Receiver<RecoveryCounts>>,
    seats: Option<watch::Receiver<Vec<Seat>>>,
    watches: Vec<watch::Receiver<WatchStatus>>,
    uploads: Vec<watch::Receiver<UploadStatus>>,
    auth: Option<watch::Receiver<AuthState>>,
    time: Option<watch::Receiver<ClockStatus>>,
    failing: Option<watch::Receiver<Vec<FailingLoop>>>,
    updates: Option<watch::Receiver<Doing>>,
}

impl Stage {
    /// To be made before the status is put together: then no change falls between the two.
    pub(super) fn changes(&self) -> Changes {
        let Self::Running(parts) = self else { return Changes::default() };
        let cloud = parts.cloud.as_ref();
        // Before the watches themselves, so that none comes between the two unheard.
        let seats = from_now_on(&parts.seats);
        let watches = seats.borrow().iter().map(|seat| from_now_on(&seat.status)).collect();
        Changes {
            radio: parts.radio.as_ref().map(|radio| from_now_on(&radio.state)),
            recovery: parts.radio.as_ref().map(|radio| from_now_on(&radio.recovery)),
            seats: Some(seats),
            watches,
            uploads: parts.sinks.iter().map(|sink| from_now_on(&sink.upload)).collect(),
            auth: cloud.map(|cloud| from_now_on(&cloud.auth)),
            time: Some(from_now_on(&parts.time)),
            failing: Some(from_now_on(&parts.failing)),
            updates: parts.updates.as_ref().map(|updates| from_now_on(&updates.doing)),
        }
    }
}

impl Changes {
    /// Waits for the first.
    pub(super) async fn next(&mut self) {
        let radio = self.radio.iter_mut().map(|radio| changed(radio).boxed());
        let recovery = self.recovery.iter_mut().map(|recovery| changed(recovery).boxed());
        let seats = self.seats.iter_mut().map(|seats| changed(seats).boxed());
        let watches = self.watches.iter_mut().map(|watch| changed(watch).boxed());
        let upload = self.uploads.iter_mut().map(|upload| changed(upload).boxed());
        let auth = self.auth.iter_mut().map(|auth| changed(auth).boxed());
        let time = self.time.iter_mut().map(|time| changed(time).boxed());
        let failing = self.failing.iter_mut().map(|failing| changed(failing).boxed());
        let updates = self.updates.iter_mut().map(|updates| changed(updates).boxed());
        // One that is always there, as there must be something to wait for.
        let never = std::iter::once(std::future::pending().boxed());
        let radio = radio.chain(recovery).chain(seats).chain(watches);
        select_all(radio.chain(upload).chain(auth).chain(time).chain(failing).chain(updates).chain(never))
            .await;
    }
}

fn from_now_on<T>(seen: &watch::Receiver<T>) -> watch::Receiver<T> {
    let mut seen = seen.clone();
    seen.mark_unchanged();
    seen
}

/// A loop that has ended changes nothing any more.
async fn changed<T>(seen: &mut watch::Receiver<T>) {
    if seen.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
