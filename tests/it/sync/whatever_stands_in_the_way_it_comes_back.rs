//! Random lives of a watcher: adapters that are switched off, watches that are carried away or hang up, connects that break off,
//! people who hold the watch, and quiet hours, several at a time. When the last of them is over, the watch is connected and syncing
//! within ten seconds; in the end nothing is missing, and at no time was more tried than makes sense.
//!
//! `NOWBRIDGE_SEED=123` lives that life alone.

use std::time::Duration;

use fastrand::Rng;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::Hold;
use nowbridge::radio::RadioError;
use nowbridge::sync::{Mode, QuietHours, WatchState, WatcherConfig};
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::sync::{Scene, address, worn_for};
use crate::support::watcher::{AtWork, BACK_WITHIN, HOUR, MINUTE, Radio, SECOND, alone, config};

const LIVES: u64 = 24;
/// Storms in a life.
const STORMS: usize = 8;
/// A link that lasted so long clears the record of a watch that hangs up.
const STEADY: Duration = Duration::from_secs(65);

/// What can be in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    AdapterOff,
    OutOfRange,
    Aborts,
    HangUp,
    Held,
    HeldUntil,
}

/// What is in the way, and when.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    cause: Cause,
    from: Instant,
    to: Instant,
}

struct Life {
    rng: Rng,
    scene: Scene,
    at_work: AtWork,
    quiet: Option<QuietHours>,
    /// Everything that was ever in the way.
    troubles: Vec<Trouble>,
    /// From when to when it was seen to be quiet.
    nights: Vec<(Instant, Instant)>,
}

/// Tells how to repeat a life that ended badly.
struct Epitaph(u64);

impl Drop for Epitaph {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("This was life {seed}; NOWBRIDGE_SEED={seed} repeats it.", seed = self.0);
        }
    }
}

impl Life {
    async fn begin(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let scene = Scene::new(worn_for(1)).await;
        let hour = |hour: i8| Time::constant(hour, 0, 0, 0);
        // Every scene begins at 16:00 UTC.
        let quiet = rng.bool().then(|| QuietHours::new(hour(17), hour(18), TimeZone::UTC));
        let every = Duration::from_secs(rng.u64(60..1_800));
        let config = WatcherConfig { quiet: quiet.clone(), every, seed, ..config(Mode::Stay) };
        let at_work = AtWork::begin_with(&scene, &Radio::new(&scene.air), config, alone());
        Self { rng, scene, at_work, quiet, troubles: Vec::new(), nights: Vec::new() }
    }

    /// Several causes at a time, each for a while.
    fn storm(&mut self) -> Vec<Trouble> {
        let causes = self.rng.usize(1..=3);
        let longest = if self.rng.u8(..) < 40 { 2 * HOUR } else { 5 * MINUTE };
        let mut storm = Vec::new();
        for _ in 0..causes {
            let cause = self.rng.choice([
                Cause::AdapterOff,
                Cause::OutOfRange,
                Cause::Aborts,
                Cause::HangUp,
                Cause::Held,
                Cause::HeldUntil,
            ]);
            let cause = cause.unwrap();
            if storm.iter().any(|trouble: &Trouble| is_same_lever(trouble.cause, cause)) {
                continue;
            }
            let from = Instant::now() + Duration::from_millis(self.rng.u64(0..30_000));
            let lasts = match cause {
                Cause::Aborts => Duration::from_millis(self.rng.u64(0..4_000)),
                Cause::HangUp => Duration::ZERO,
                _ => longest.mul_f64(self.rng.f64()),
            };
            storm.push(Trouble { cause, from, to: from + lasts });
        }
        storm
    }

    async fn weather(&mut self, storm: &[Trouble]) {
        let mut moments: Vec<(Instant, Cause, bool)> = storm
            .iter()
            .flat_map(|trouble| [(trouble.from, trouble.cause, true), (trouble.to, trouble.cause, false)])
            .collect();
        moments.sort_by_key(|(at, ..)| *at);
        for (at, cause, begins) in moments {
            sleep_until(at).await;
            if self.rng.bool() {
                self.scene.record_events(self.rng.u32(1..20));
            }
            let until = storm.iter().find(|trouble| trouble.cause == cause).map(|trouble| trouble.to);
            self.turn(cause, begins, until.unwrap_or(at));
        }
        self.troubles.extend(storm);
    }

    fn turn(&self, cause: Cause, begins: bool, until: Instant) {
        let (air, radio, hold) = (&self.scene.air, &self.at_work.radio, &self.at_work.signals.hold);
        match (cause, begins) {
            (Cause::AdapterOff, begins) => air.set_adapter(!begins),
            (Cause::OutOfRange, begins) => air.set_in_range(&address(), !begins),
            (Cause::Aborts, true) => radio.fail(|peer| RadioError::Aborted(peer.clone())),
            (Cause::Aborts, false) => radio.mend(),
            (Cause::HangUp, begins) => {
                if begins {
                    self.scene.watch.hang_up();
                }
            }
            (Cause::Held, true) => drop(hold.send_replace(Hold::UntilReleased)),
            (Cause::Held, false) => drop(hold.send_replace(Hold::Free)),
            (Cause::HeldUntil, true) => {
                let micros = until.duration_since(Instant::now()).as_micros() as i64;
                hold.send_replace(Hold::Until(UtcMicros(self.scene.clock.now().0 + micros)));
            }
            // It is over by itself.
            (Cause::HeldUntil, false) => {}
        }
    }

    /// The last cause is over, but for the quiet hours.
    async fn comes_back(&mut self, storm: &[Trouble]) {
        while let Some(until) = self.quiet.as_ref().and_then(|quiet| quiet.until(self.scene.clock.now())) {
            let began = Instant::now();
            let left = u64::try_from(until.0 - self.scene.clock.now().0).unwrap();
            sleep(Duration::from_micros(left)).await;
            self.nights.push((began, Instant::now()));
        }
        // One that was away for long is not looked for that often.
        let long_away = storm.iter().any(|trouble| {
            trouble.cause == Cause::OutOfRange && trouble.to - trouble.from > Duration::from_mins(8)
        });
        let within = if long_away { MINUTE + BACK_WITHIN } else { BACK_WITHIN };
        self.at_work.until(within, |status| is_there(&status.state)).await;
    }

    async fn unfold(&mut self) {
        for _ in 0..STORMS {
            let calm = Duration::from_millis(self.rng.u64(0..120_000));
            sleep(calm).await;
            let storm = self.storm();
            self.weather(&storm).await;
            self.comes_back(&storm).await;
            sleep(STEADY).await;
        }
    }

    async fn settle(mut self) {
        self.at_work.signals.hold.send_replace(Hold::Free);
        self.comes_back(&[]).await;
        self.at_work.signals.sync_now.notify_one();
        sleep(MINUTE).await;
        self.comes_back(&[]).await;
        assert_eq!(self.scene.stored_log().blocks, self.scene.offered());
        assert_eq!(self.scene.stored_log().gaps, []);

        let diary = self.at_work.radio.diary();
        assert_eq!(diary.most_links, 1);
        for (at, _) in &diary.connects {
            let forbidden = self.troubles.iter().find(|trouble| {
                let forbids = matches!(trouble.cause, Cause::AdapterOff | Cause::Held | Cause::HeldUntil);
                // The clock and the timers tick in milliseconds.
                forbids && *at > trouble.from && *at + Duration::from_millis(2) < trouble.to
            });
            assert!(forbidden.is_none(), "a connect in {forbidden:?}");
            let night = self.nights.iter().find(|(from, to)| from < at && at < to);
            assert!(night.is_none(), "a connect in {night:?}");
        }
        for (index, (at, _)) in diary.connects.iter().enumerate() {
            let hour = diary.connects[index..].iter().take_while(|(other, _)| *other - *at < HOUR).count();
            // One every five seconds, as long as the watch has just been missed.
            assert!(hour < 720, "{hour} connects in an hour");
        }
    }
}

/// Whether the two would undo each other.
fn is_same_lever(one: Cause, other: Cause) -> bool {
    let is_hold = |cause| matches!(cause, Cause::Held | Cause::HeldUntil);
    one == other || (is_hold(one) && is_hold(other))
}

const fn is_there(state: &WatchState) -> bool {
    matches!(state, WatchState::Syncing(_) | WatchState::Connected { .. })
}

fn live(seed: u64) {
    let _epitaph = Epitaph(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut life = Life::begin(seed).await;
        life.at_work.until(BACK_WITHIN + SECOND, |status| is_there(&status.state)).await;
        life.unfold().await;
        life.settle().await;
    });
}

#[test]
fn in_every_life() {
    if let Ok(seed) = std::env::var("NOWBRIDGE_SEED") {
        return live(seed.parse().expect("NOWBRIDGE_SEED is a number"));
    }
    (0..LIVES).for_each(live);
}
