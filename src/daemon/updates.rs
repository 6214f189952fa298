//! The daemon's ground for updates: what stands in the way, the files, the history first, and the watch for the updater alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::clock::Clock;
use crate::control::Seat;
use crate::firmware::{
    self, Asked, FirmwareStore, Manifest, Memory, Now, Policy, Question, Report, Stated, Stored, TrustLevel,
};
use crate::measurement::UtcMicros;
use crate::ota::{
    About, BATTERY_WORD, Conditions, Ending, Gate, Ground, NoImage, OtaError, Protocol, Standing, Station,
    Target, WatchStation, gate,
};
use crate::outbox::{AskedBy, FirmwareTrust, Outbox, OutboxError, UpdateRow};
use crate::radio::{Central, RadioError};
use crate::sync::{Slot, Slots, WaitReason, WatchState};
use crate::watch::DriverName;
use crate::wire::bridge::DeviceId;

/// The history of a watch that was away for weeks is not fetched in a moment.
const DRAIN: Duration = Duration::from_mins(10);
/// A person's errand with the radio may take ten minutes.
const ERRAND: Duration = Duration::from_mins(11);
/// A watcher that hears of it ends its link, which takes a radio a moment.
const LET_GO: Duration = Duration::from_secs(30);
/// Other watches give their links away when they have nothing to do.
const ITS_TURN: Duration = Duration::from_mins(5);

/// Everything an update needs of this daemon. Clones are the same ground.
#[derive(Clone)]
pub struct Yard<C> {
    /// The radio.
    pub central: C,
    /// The journal, and what is remembered of each watch's firmware.
    pub outbox: Outbox,
    /// Wall time.
    pub clock: Clock,
    /// The watches.
    pub seats: watch::Receiver<Vec<Seat>>,
    /// Who may hold a link.
    pub slots: Slots,
    /// Whoever has the radio for itself.
    pub errand: Arc<Semaphore>,
    /// Files.
    pub store: FirmwareStore,
    /// How far they have to be trusted.
    pub policy: Policy,
    /// What was seen of each watch last.
    pub looks: Arc<Mutex<HashMap<DeviceId, Look>>>,
}

/// What was seen of a watch.
#[derive(Clone, Debug)]
pub struct Look {
    at: Instant,
    about: About,
    /// Its images; `None` if it has no way to tell.
    standing: Option<Standing>,
    /// Bytes that an image may have.
    room: Option<u64>,
}

impl Look {
    /// What runs on the watch.
    pub fn installed(&self) -> Option<&str> {
        let listed = self.standing.as_ref().map(|standing| standing.running.version.as_str());
        listed.or(self.about.firmware.as_deref())
    }

    /// What the watch is.
    pub fn model(&self) -> Option<&str> {
        self.about.model.as_deref()
    }
}

/// The way to a watch that everybody else keeps off.
pub struct Leased<C> {
    station: WatchStation<C>,
    _updating: Updating,
    _slot: Slot,
    _errand: OwnedSemaphorePermit,
}

/// Its watcher looks after the watch again when this is dropped.
struct Updating(watch::Sender<bool>);

impl Drop for Updating {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

impl<C: Central> Station for Leased<C> {
    type Protocol = <WatchStation<C> as Station>::Protocol;

    async fn reach(&mut self) -> Result<Self::Protocol, OtaError> {
        self.station.reach().await
    }

    async fn health(&mut self, target: &Target) -> Result<(), OtaError> {
        self.station.health(target).await
    }
}

impl<C: Central> Yard<C> {
    /// Where a watch is looked after.
    pub async fn seat(&self, device: DeviceId) -> Result<Option<Seat>, OutboxError> {
        let peers = self.outbox.peers().await?;
        let is_it = |seat: &&Seat| match seat.status.borrow().device {
            Some(told) => told == device,
            None => peers.iter().any(|peer| peer.address == seat.address && peer.device == Some(device)),
        };
        Ok(self.seats.borrow().iter().find(is_it).cloned())
    }

    /// What was seen of a watch within the last minutes.
    pub fn seen(&self, device: DeviceId) -> Option<Look> {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.get(&device).filter(|look| look.at.elapsed() < BATTERY_WORD).cloned()
    }

    /// Looks at a watch, unless that was done just now.
    pub async fn look(&self, seat: &Seat, device: DeviceId) -> Result<Look, OtaError> {
        if let Some(look) = self.seen(device) {
            return Ok(look);
        }
        let mut leased = self.take(seat, device, false).await?;
        let about = leased.station.about().await?;
        let listed = async {
            let mut protocol = leased.station.reach().await?;
            let standing = protocol.survey().await;
            let room = protocol.room();
            protocol.close().await;
            Ok::<_, OtaError>((standing?, room))
        };
        let (standing, room) = match listed.await {
            Ok((standing, room)) => (Some(standing), room),
            // Why it cannot be updated is found out, and said, by the update.
            Err(error) => {
                tracing::debug!(watch = %seat.address, %error, "The watch does not list its images.");
                (None, None)
            }
        };
        let look = Look { at: Instant::now(), about, standing, room };
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).insert(device, look.clone());
        Ok(look)
    }

    async fn take(&self, seat: &Seat, device: DeviceId, started: bool) -> Result<Leased<C>, OtaError> {
        let busy = |_| OtaError::from(RadioError::OwnErrand("what somebody asked for"));
        let errand = timeout(ERRAND, Arc::clone(&self.errand).acquire_owned()).await.map_err(busy)?;
        let errand = errand.map_err(|_| RadioError::OwnErrand("its end"))?;
        let updating = seat.updating.clone().ok_or(RadioError::Unsupported("be used: it is switched off"))?;
        updating.send_replace(true);
        let updating = Updating(updating);
        let mut status = seat.status.clone();
        let let_go = status.wait_for(|status| status.state == WatchState::Updating);
        match timeout(LET_GO, let_go).await {
            Ok(Ok(_)) => {}
            _ => return Err(RadioError::OwnErrand("a session with the watch").into()),
        }
        let turn = timeout(ITS_TURN, self.slots.turn(Duration::ZERO)).await;
        let slot = turn.map_err(|_| RadioError::OwnErrand("other watches"))?.connected();
        let station = WatchStation::new(self.central.clone(), seat.address.clone(), device, started);
        Ok(Leased { station, _updating: updating, _slot: slot, _errand: errand })
    }

    /// Judges a file for a watch.
    pub async fn judge(&self, file: &Stored, asked: &Judged<'_>) -> Result<Report, OutboxError> {
        let memory = memory(self.outbox.firmware_trust(asked.device).await?);
        let look = self.seen(asked.device);
        let seat = self.seat(asked.device).await?;
        let identity = seat.and_then(|seat| seat.status.borrow().identity.clone()).unwrap_or_default();
        let installed = look.as_ref().and_then(Look::installed).or(identity.firmware.as_deref());
        let target = firmware::Target {
            product: look.as_ref().and_then(Look::model).map(str::to_owned).or(identity.model.clone()),
            hardware: None,
            installed: installed.and_then(|version| version.trim().parse().ok()),
            device: Some(asked.device.0.to_vec()),
            slot: look.as_ref().and_then(|look| look.room),
        };
        Ok(firmware::check(&Question {
            file: &file.bytes,
            name: None,
            stated: asked.stated,
            manifest: file.papers.manifest.as_deref(),
            manifest_name: None,
            signature: file.papers.signature.as_deref(),
            target: &target,
            asked: Asked { by_hand: asked.by_hand, allow_downgrade: asked.allow_downgrade },
            policy: &self.policy,
            memory: Some(&memory),
            now: Now { at: self.clock.now(), trust: self.clock.trust() },
        }))
    }

    /// What stands in the way of a file for a watch, and looks at the watch for it if need be.
    pub async fn obstacle(
        &self,
        device: DeviceId,
        file: crate::wire::Sha256,
        by_person: bool,
    ) -> Result<(), Gate> {
        let lost = |error: OutboxError| Gate::Radio { detail: error.to_string() };
        let Some(seat) = self.seat(device).await.map_err(lost)? else {
            let detail = "the watch is not looked after here any more".to_owned();
            return Err(Gate::Radio { detail });
        };
        let mut conditions = Conditions {
            refused: self.outbox.refused_firmware(device, file).await.map_err(lost)?,
            // First what needs no look.
            charging: Some(true),
            ..Conditions::default()
        };
        match &seat.status.borrow().state {
            WatchState::Held { .. } => conditions.held = true,
            WatchState::RadioOff | WatchState::Stopped => conditions.radio = Some("it is off".to_owned()),
            WatchState::Waiting { reason: WaitReason::RadioNotReady { trouble }, .. } => {
                conditions.radio = Some(trouble.to_string());
            }
            WatchState::Waiting { reason: WaitReason::QuietHours, until } => {
                conditions.quiet = Some(until.unwrap_or(UtcMicros(i64::MAX)));
            }
            _ => {}
        }
        gate(&conditions, None, by_person)?;
        let (battery, charging) = match self.look(&seat, device).await {
            Ok(Look { at, about, .. }) => {
                (about.battery.map(|percent| (percent, at.elapsed())), about.charging)
            }
            Err(error) => {
                tracing::debug!(watch = %seat.address, %error, "The watch could not be looked at before its update.");
                (None, None)
            }
        };
        let stored = self.store.get(file).await.ok().flatten();
        let manifest = stored.and_then(|stored| Manifest::parse(&stored.papers.manifest?).ok());
        let least = manifest.and_then(|manifest| manifest.min_battery);
        gate(&Conditions { battery, charging, ..conditions }, least, by_person)
    }
}

/// For whom a file is judged.
pub struct Judged<'a> {
    /// The watch.
    pub device: DeviceId,
    /// What was said of the file where it is from.
    pub stated: &'a Stated,
    /// Whether somebody wants this very file.
    pub by_hand: bool,
    /// Whether it may be older.
    pub allow_downgrade: bool,
}

impl<C: Central> Ground for Yard<C> {
    type Station = Leased<C>;

    async fn gate(&self, update: &UpdateRow) -> Result<(), Gate> {
        self.obstacle(update.device, update.file, update.asked_by == AskedBy::Person).await
    }

    async fn image(&self, update: &UpdateRow) -> Result<Bytes, NoImage> {
        let later = |error: &dyn std::fmt::Display| NoImage { detail: error.to_string(), passing: true };
        let stored = self.store.get(update.file).await.map_err(|error| later(&error))?;
        let stored = stored.ok_or_else(|| NoImage {
            detail: "the file is gone from the firmware store; ask for the update again".to_owned(),
            passing: false,
        })?;
        let stated = Stated { sha256: Some(update.file), ..Stated::default() };
        let judged = Judged {
            device: update.device,
            stated: &stated,
            by_hand: update.asked_by == AskedBy::Person,
            allow_downgrade: update.allow_downgrade,
        };
        let report = self.judge(&stored, &judged).await.map_err(|error| later(&error))?;
        // A watch on its way is seen through, whatever is thought of the file by now.
        if let Some(problem) = report.problems().next().filter(|_| !update.started) {
            return Err(NoImage { detail: problem.to_string(), passing: false });
        }
        let image = report
            .image
            .ok_or_else(|| NoImage { detail: "the file is no firmware image".to_owned(), passing: false })?;
        Ok(stored.bytes.slice_ref(image.without_padding(&stored.bytes)))
    }

    async fn drain(&self, update: &UpdateRow) -> Result<(), String> {
        let seat = self.seat(update.device).await.map_err(|error| error.to_string())?;
        let seat = seat.ok_or("the watch is not looked after here any more")?;
        let mut status = seat.status.clone();
        // What keeps nothing has nothing to give.
        if status.borrow().driver == Some(DriverName::Sensor) {
            return Ok(());
        }
        let begun = self.clock.now();
        if let Some(sync_now) = &seat.sync_now {
            sync_now.notify_one();
        }
        let complete = status.wait_for(|status| status.complete_at.is_some_and(|at| at >= begun));
        match timeout(DRAIN, complete).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err("nobody looks after the watch any more".to_owned()),
            Err(_) => Err(format!("no session was complete within {} min", DRAIN.as_secs() / 60)),
        }
    }

    async fn lease(&self, update: &UpdateRow) -> Result<Leased<C>, OtaError> {
        let seat = self.seat(update.device).await?;
        let seat = seat.ok_or(RadioError::Unsupported("reach a watch that is not looked after here"))?;
        self.take(&seat, update.device, update.started).await
    }

    async fn ended(&self, update: &UpdateRow, ending: Ending) -> Result<(), OutboxError> {
        // Another version runs, or another trial is over: what was seen is old.
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).remove(&update.device);
        if ending != Ending::Done {
            return Ok(());
        }
        let Ok(Some(stored)) = self.store.get(update.file).await else {
            tracing::warn!(update = %update.key, "The file is gone; how far it was trusted is not remembered.");
            return Ok(());
        };
        let stated = Stated { sha256: Some(update.file), ..Stated::default() };
        let judged = Judged { device: update.device, stated: &stated, by_hand: true, allow_downgrade: true };
        let report = self.judge(&stored, &judged).await?;
        let counter = report.image.as_ref().and_then(crate::wire::mcuboot::Image::security_counter);
        self.outbox.raise_firmware_trust(update.device, trust(report.memory.confirmed(counter))).await
    }
}

fn memory(trust: FirmwareTrust) -> Memory {
    let FirmwareTrust { level, sequence, security_counter, latest } = trust;
    Memory {
        // A level that this version does not know is more than any that it does.
        level: TrustLevel::of_number(level).unwrap_or(TrustLevel::Manifest),
        sequence: Some(sequence).filter(|sequence| *sequence > 0),
        security_counter: Some(security_counter).filter(|counter| *counter > 0),
        trusted_time: Some(latest).filter(|latest| latest.0 > 0),
    }
}

fn trust(memory: Memory) -> FirmwareTrust {
    FirmwareTrust {
        level: memory.level.number(),
        sequence: memory.sequence.unwrap_or_default(),
        security_counter: memory.security_counter.unwrap_or_default(),
        latest: memory.trusted_time.unwrap_or_default(),
    }
}
