//! The soak: twenty-four hours of the whole daemon, its crew of loops, its control socket, its HTTP client and its files, in simulated
//! time. The radio drops and damages, the cloud fails, lies and hangs up in the middle of a byte, the disk has no room for others'
//! sake, the clock is set wrong, the watch and the daemon start anew. At its end the cloud holds exactly what was measured in the boots
//! that a clock could date.
//!
//! `NOWBRIDGE_SEEDS=200` lives so many days (`NOWBRIDGE_SLOW=1` as many), `NOWBRIDGE_SEED=123` that one alone.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use nowbridge::clock::{Clock, Synchrony};
use nowbridge::cloud::{Api, BaseUrl, Client, ClientConfig, MeasurementQuery, Sort};
use nowbridge::config::{FirmwareConfig, LinksConfig, OutboxConfig, Paths};
use nowbridge::control;
use nowbridge::daemon::{self, Cloud, DaemonError, Notifier, Wiring};
use nowbridge::firmware::Policy;
use nowbridge::measurement::{Day, Kind, Quality, UtcMicros};
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::{AirCentral, Faults, LinkModel};
use nowbridge::sim::cloud::{Fault, FaultPlan, PrivateCloud};
use nowbridge::sync::{Mode, WatcherConfig};
use nowbridge::upload::{self, UploadState, UploaderConfig};
use nowbridge::wire::bridge::TimeSource;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::night::{HOUR, HOUR_US, MINUTE, Night};
use crate::support::cut_wire::{CutWire, Way};
use crate::support::private_cloud::{EMAIL, PASSWORD};
use crate::support::served_cloud::somebody;
use crate::support::stage::at_length;
use crate::support::sync::address;
use crate::support::upload::Held;
use crate::support::watch::START;

const SEEDS: u64 = 2;
const SEEDS_AT_LENGTH: u64 = 200;
const DAY: Duration = Duration::from_hours(24);
/// More than any disk has: whatever is left is for others.
const NO_ROOM: u64 = 1 << 60;

/// A daemon that runs.
struct Running {
    cancel: CancellationToken,
    task: JoinHandle<Result<(), DaemonError>>,
}

/// A private cloud at the end of a wire, and its faults.
struct Far {
    faults: nowbridge::sim::cloud::Faults,
    wire: CutWire,
    _data: TempDir,
}

impl Far {
    async fn open(seed: u64) -> Self {
        let (data, faults) = (TempDir::new().unwrap(), nowbridge::sim::cloud::Faults::seeded(seed));
        let cloud =
            PrivateCloud::open(data.path(), Clock::simulated(START)).unwrap().with_faults(faults.clone());
        cloud.add_user(EMAIL, PASSWORD.into(), "Some", "One").await.unwrap();
        cloud.set_consent(EMAIL, true).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server: SocketAddr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, cloud.router()).await.unwrap() });
        Self { faults, wire: CutWire::to(server).await, _data: data }
    }

    fn client(&self, clock: Clock, tokens: Option<std::path::PathBuf>) -> Client {
        let base_url: BaseUrl = format!("http://{}", self.wire.address).parse().unwrap();
        let config = ClientConfig {
            credentials: Some(somebody(PASSWORD)),
            token_file: tokens,
            ..ClientConfig::new(base_url)
        };
        Client::new(config, clock).unwrap()
    }

    async fn held(&self) -> Held {
        let client = self.client(Clock::simulated(START), None);
        let first = START.seconds().day().number() - 40;
        let days = (0..8).map(|week| Day::from_number(first + 7 * week));
        let mut held = Held::new();
        for (from, kind) in days.flat_map(|day| Kind::ALL.map(|kind| (day, kind))) {
            let to = Day::from_number(from.number() + 6);
            let query = MeasurementQuery { kind, from, to, sort: Sort::Ascending };
            let days = loop {
                // The wire is real, the time is not: on a busy machine a deadline may pass before an answer does.
                match client.measurements(query).await {
                    Err(error) if error.is_transient() => tokio::time::sleep(MINUTE).await,
                    days => break days.unwrap(),
                }
            };
            for day in days {
                held.extend(day.readings.into_iter().map(|reading| {
                    let value = (reading.value.to_string(), reading.quality.map(Quality::get));
                    ((kind, reading.at.0), value)
                }));
            }
        }
        held
    }
}

struct Soak {
    night: Night,
    far: Far,
    home: TempDir,
    daemon: Option<Running>,
    rng: Rng,
    mode: Mode,
    /// By how much the host's clock is off now.
    off_us: i64,
    has_room: bool,
}

impl Soak {
    async fn begin(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let model = if rng.bool() { LinkModel::fast_2m_15ms() } else { LinkModel::slow_1m_30ms() };
        let night = Night::over(model, 0, Synchrony::Synchronised, rng.u64(..)).await;
        let (far, home) = (Far::open(rng.u64(..)).await, TempDir::new().unwrap());
        let mode = if rng.bool() { Mode::Release } else { Mode::Stay };
        let mut soak = Self { night, far, home, daemon: None, rng, mode, off_us: 0, has_room: true };
        soak.start();
        soak
    }

    fn paths(&self) -> Paths {
        let path = |name: &str| self.home.path().join(name);
        Paths { state_dir: path("state"), runtime_dir: path("run"), control_socket: path("run/control.sock") }
    }

    fn start(&mut self) {
        let (clock, paths) = (self.night.scene.clock, self.paths());
        let uploader = UploaderConfig {
            sink: upload::nowatch(),
            max_samples: 2_000,
            takes_synthetic: true,
            seed: self.rng.u64(..),
        };
        let watch = WatcherConfig {
            address: address(),
            name: None,
            mode: self.mode,
            every: HOUR,
            quiet: None,
            seed: self.rng.u64(..),
        };
        let client = self.far.client(clock, Some(paths.session()));
        let limits = OutboxConfig::default();
        let wiring = Wiring {
            paths,
            socket_mode: 0o600,
            central: Some(AirCentral::new(self.night.scene.air.clone())),
            links: LinksConfig { most: 4, power_cycle: false },
            watches: vec![watch],
            cloud: Some(Cloud { client, uploader, consent_check_every: HOUR }),
            sinks: Vec::new(),
            firmware: FirmwareConfig::default(),
            firmware_policy: Policy::default(),
            limits: if self.has_room { limits } else { OutboxConfig { keep_free: NO_ROOM, ..limits } },
            clock,
        };
        let cancel = CancellationToken::new();
        let task = tokio::spawn(daemon::run(wiring, Notifier::default(), cancel.clone()));
        self.daemon = Some(Running { cancel, task });
    }

    async fn stop(&mut self) {
        let Running { cancel, task } = self.daemon.take().expect("it runs");
        cancel.cancel();
        task.await.unwrap().unwrap();
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.start();
    }

    async fn pass(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < DAY {
            let (rest, wear) = (self.rng.u64(0..40), self.rng.u64(60..600));
            self.night.rest(MINUTE * u32::try_from(rest).unwrap()).await;
            self.night.wear(Duration::from_secs(wear)).await;
            if !self.has_room {
                self.fill_disk(false).await;
            }
            match self.rng.u8(..20) {
                0..=4 => self.disturb_radio(),
                5 => self.reboot(),
                6 => self.restart().await,
                7 | 8 => self.fill_disk(true).await,
                9..=11 => self.disturb_cloud(),
                12 | 13 => self.cut(),
                14..=16 => self.disturb_clock(),
                17 => self.mend_clock(),
                _ => self.mend(),
            }
        }
    }

    fn disturb_radio(&mut self) {
        let mut chance = |most: f64| if self.rng.bool() { 0.0 } else { self.rng.f64() * most };
        let faults = Faults {
            drop_link: chance(0.02),
            lose_notification: chance(0.05),
            corrupt_notification: chance(0.05),
            connect_fails: chance(0.2),
            hang: chance(0.02),
            seed: self.rng.u64(..),
        };
        self.night.scene.air.set_faults(faults);
    }

    /// The watch starts anew; a phone may tell it the time before anything else happens, right or wrong.
    fn reboot(&mut self) {
        self.night.reboot();
        match self.rng.u8(..3) {
            0 => self.night.set_watch(self.night.truth(), TimeSource::Network),
            1 => self.night.set_watch(UtcMicros(946_684_800_000_000), TimeSource::Manual),
            _ => {}
        }
    }

    /// What is left of the disk is for others from now on, or no longer.
    async fn fill_disk(&mut self, is_full: bool) {
        self.has_room = !is_full;
        self.restart().await;
    }

    fn disturb_cloud(&mut self) {
        let share = self.rng.f64() * 0.6;
        let odds = Fault::ALL.map(|fault| (fault, share / Fault::ALL.len() as f64)).to_vec();
        let retry_after = Duration::from_secs(self.rng.u64(0..900));
        self.far.faults.set(FaultPlan { odds, only: None, retry_after });
    }

    fn cut(&mut self) {
        let way = if self.rng.bool() { Way::There } else { Way::Back };
        self.far.wire.cut(way, self.rng.usize(0..1_500));
    }

    /// The clock is set wrong, and the system knows that it is not synchronised; or it is right, and nobody knows.
    fn disturb_clock(&mut self) {
        self.mend_clock();
        if self.rng.u8(..3) == 0 {
            self.night.host.say(Synchrony::Unknown);
            return;
        }
        self.night.host.say(Synchrony::Unsynchronised);
        self.off_us = match self.rng.u8(..3) {
            0 => -self.night.scene.clock.now().0 + 5_000_000,
            1 => -self.rng.i64(1..14 * 24) * HOUR_US,
            _ => self.rng.i64(1..30) * HOUR_US / 2,
        };
        self.night.host.step(self.off_us);
    }

    fn mend_clock(&mut self) {
        self.night.host.step(-std::mem::take(&mut self.off_us));
        self.night.host.say(Synchrony::Synchronised);
    }

    fn mend(&self) {
        self.far.faults.set(FaultPlan::default());
        self.night.scene.air.set_faults(Faults::default());
    }

    /// Everything is well at last, and the reckoning.
    async fn end(mut self) {
        self.mend_clock();
        self.mend();
        self.has_room = true;
        // Longer than any call to the radio, and than any wait that the cloud has earned.
        self.night.rest(20 * MINUTE).await;
        self.restart().await;
        self.until_done().await;
        self.stop().await;
        let expected = self.dated().await;
        assert!(expected.len() > 1_000, "this day was too quiet: {}", expected.len());
        super::night::differs(&self.far.held().await, &expected);
    }

    /// Waits until the watch has nothing left to give, and the cloud nothing left to take.
    async fn until_done(&self) {
        let socket = self.paths().control_socket;
        let mut last = None;
        for _ in 0..6 * 60 {
            tokio::time::sleep(MINUTE).await;
            let Ok(client) = control::Client::connect(&socket).await else { continue };
            let Ok(status) = client.status().await else { continue };
            let is_fetched = status.watches.iter().all(|watch| watch.complete_at.is_some());
            let is_sent = status.cloud.iter().all(|cloud| cloud.upload.state == UploadState::Idle);
            let waits = status.outbox.iter().flat_map(|outbox| &outbox.streams).any(|it| it.unsent() > 0);
            if is_fetched && is_sent && !waits {
                return;
            }
            last = Some(status);
        }
        panic!("six hours without faults are not enough: {last:#?}");
    }

    /// What was measured in the boots that a clock could date.
    async fn dated(&self) -> Held {
        let outbox = Outbox::open(&self.paths().state_dir, self.night.scene.clock).await.unwrap();
        let mut boots = Vec::new();
        for log in outbox.logs().await.unwrap() {
            boots.extend(outbox.anchors(log.key, None).await.unwrap().iter().map(|(_, anchor)| anchor.boot));
        }
        let dated = self.night.by_boot.iter().filter(|(boot, _)| boots.contains(boot));
        dated.flat_map(|(_, rows)| rows.clone()).collect()
    }
}

/// Tells how to repeat a day that ended badly.
struct Epitaph(u64);

impl Drop for Epitaph {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("This was day {seed}; NOWBRIDGE_SEED={seed} repeats it.", seed = self.0);
        }
    }
}

fn live(seed: u64) {
    let _epitaph = Epitaph(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut soak = Soak::begin(seed).await;
        soak.pass().await;
        soak.end().await;
    });
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect("a number"))
}

/// Lives half of the days.
fn live_half(half: u64) {
    if let Some(seed) = number("NOWBRIDGE_SEED") {
        return live(seed);
    }
    let seeds = number("NOWBRIDGE_SEEDS").unwrap_or(if at_length() { SEEDS_AT_LENGTH } else { SEEDS });
    eprintln!("{seeds} days, of which these are every second one from {half} on");
    (half..seeds).step_by(2).for_each(live);
}

#[test]
fn on_even_days() {
    live_half(0);
}

#[test]
fn on_odd_days() {
    live_half(1);
}
