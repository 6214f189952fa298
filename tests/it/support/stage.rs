//! Where a story with Bluetooth takes place: the fake BlueZ on a bus of its own or, in the lab, the real one.
//!
//! libdbus finds its bus through the environment of the process, so each story runs in a process of its own: this test binary once
//! more, with one test picked. In the lab (`NOWBRIDGE_LAB=HOST:PORT`) it runs where it is, on the bus that is there.

mod lab;

use std::env;
use std::time::Duration;

use nowbridge::radio::PeerAddress;
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::SimWatch;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use self::lab::Lab;
use super::bus::PrivateBus;
use super::fake_bluez::sensor::{Sensor, Stats, Strings};
use super::fake_bluez::{FakeBluez, Io, Timing};
use super::process::until;

/// Says to the child that it is one.
const CHILD: &str = "NOWBRIDGE_STAGE";
/// Says where the lab takes commands.
const LAB: &str = "NOWBRIDGE_LAB";
/// The controller's address.
pub const CONTROLLER: &str = "00:AA:01:00:00:42";
/// Where it stands on the bus.
pub const ADAPTER: &str = "/org/bluez/hci0";
/// The longest that a story may take; then it is ended by itself, and after that from outside.
const STORY: Duration = Duration::from_secs(40);
/// In the lab everything takes the time that it takes.
const STORY_IN_THE_LAB: Duration = Duration::from_secs(150);
const LONG_STORY: Duration = Duration::from_mins(25);
const CHILD_ENDS_AFTER: Duration = Duration::from_secs(10);

/// A watch on the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wearable {
    /// A plain sensor; see [`super::fake_bluez::sensor`].
    Sensor,
    /// The simulated watch with the bridge service.
    Bridge,
}

impl Wearable {
    /// Where it is.
    pub fn address(self) -> PeerAddress {
        let address = match self {
            Self::Sensor => "C0:DE:00:00:00:01",
            Self::Bridge => "E7:12:0A:00:00:01",
        };
        PeerAddress(address.to_owned())
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::Bridge => "bridge",
        }
    }
}

/// The stage of one story.
pub enum Stage {
    /// The fake.
    Fake {
        /// The host and the air.
        fake: FakeBluez,
        /// The sensor's strings.
        sensor: Strings,
    },
    /// The real one.
    Lab(Lab),
}

/// Tells a story, and fails the test that it is if it goes wrong. To be called directly in the test: the name of the test is
/// taken from the closure's.
pub fn story<Body: AsyncFnOnce(Stage)>(body: Body) {
    let name = test_name(std::any::type_name_of_val(&body));
    if let Ok(port) = env::var(LAB) {
        play(STORY_IN_THE_LAB, async { body(Stage::Lab(Lab::at(&port).await)).await });
    } else if env::var_os(CHILD).is_some() {
        play(longest(), async { body(Stage::on_the_fake().await).await });
    } else {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run_child(&name));
    }
}

/// The path of the test around a closure, without the crate.
fn test_name(closure: &str) -> String {
    let test = closure.split("::{{closure}}").next().unwrap_or(closure);
    test.split_once("::").map_or(test, |(_crate, path)| path).to_owned()
}

/// Whether the stories are told at length (packaging/slow.sh).
pub fn at_length() -> bool {
    env::var_os("NOWBRIDGE_SLOW").is_some()
}

fn longest() -> Duration {
    if at_length() { LONG_STORY } else { STORY }
}

fn play(limit: Duration, story: impl Future<Output = ()>) {
    let runtime: Runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async { timeout(limit, story).await });
    runtime.shutdown_background();
    assert!(ended.is_ok(), "the story does not end");
}

async fn run_child(test: &str) {
    let bus = PrivateBus::start().await;
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"]);
    child.env(CHILD, "1").env("DBUS_SYSTEM_BUS_ADDRESS", bus.address()).kill_on_drop(true);
    let output = timeout(longest() + CHILD_ENDS_AFTER, child.output()).await;
    bus.stop().await;
    let output = output.unwrap_or_else(|_| panic!("the process of {test} does not end")).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    eprint!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} went wrong in its process; what it printed is above");
    assert!(printed.contains("1 passed"), "there is no test of the name {test}");
}

impl Stage {
    /// An adapter, and the sensor on the air.
    async fn on_the_fake() -> Self {
        let address = env::var("DBUS_SYSTEM_BUS_ADDRESS").expect("the parent says where the bus is");
        let fake = FakeBluez::new(&address, Timing::default());
        let (peripheral, sensor) = Sensor::new();
        fake.with(|machine| {
            machine.plug_in(ADAPTER, CONTROLLER);
            machine.put_on_air(&Wearable::Sensor.address(), peripheral);
        })
        .await;
        fake.start().await;
        Self::Fake { fake, sensor }
    }

    /// The fake, for what no real BlueZ does on request. In the lab there is none, and the story is told as skipped.
    pub fn only_on_the_fake(&self) -> Option<&FakeBluez> {
        let fake = self.fake_at_hand();
        if fake.is_none() {
            // On a line of its own: whoever counts looks at its beginning.
            println!("\nskipped in the lab: only the fake can do this");
        }
        fake
    }

    /// The fake, for a closer look in a story that is told in the lab, too.
    pub fn fake_at_hand(&self) -> Option<&FakeBluez> {
        if let Self::Fake { fake, .. } = self { Some(fake) } else { None }
    }

    /// Puts the bridge watch on the air. In the lab one is there already, and out of reach.
    pub async fn wear(&self, watch: SimWatch) -> Option<WatchOnAir> {
        let Self::Fake { fake, .. } = self else { return None };
        let watch = WatchOnAir::new(watch);
        let on_air = watch.clone();
        fake.with(|machine| machine.put_on_air(&Wearable::Bridge.address(), on_air)).await;
        Some(watch)
    }

    /// The watch goes out of range; its link is lost after `timeout`, and then it is back.
    pub async fn lose_link(&self, watch: Wearable, lost_after: Duration) {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| machine.lose_link(&watch.address(), lost_after)).await;
            }
            Self::Lab(lab) => lab.lose_link(watch.word(), lost_after).await,
        }
    }

    /// Nothing goes through any more, though the link stays up.
    pub async fn silence(&self, watch: Wearable) {
        match self {
            Self::Fake { fake, .. } => fake.with(move |machine| machine.silence(&watch.address())).await,
            Self::Lab(lab) => lab.plain("silence", watch.word()).await,
        }
    }

    /// It does again.
    pub async fn radio_on(&self, watch: Wearable) {
        match self {
            Self::Fake { fake, .. } => fake.with(move |machine| machine.radio_on(&watch.address())).await,
            Self::Lab(lab) => lab.plain("radio_on", watch.word()).await,
        }
    }

    /// The watch closes its link.
    pub async fn hang_up(&self, watch: Wearable) {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| machine.watch_disconnects(&watch.address())).await;
            }
            Self::Lab(lab) => lab.plain("disconnect", watch.word()).await,
        }
    }

    /// Whether the watch can be heard and connected.
    pub async fn advertise(&self, watch: Wearable, on: bool) {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| machine.advertise(&watch.address(), on)).await;
            }
            Self::Lab(lab) => lab.advertise(watch.word(), on).await,
        }
    }

    /// The watch forgets its bonds.
    pub async fn forget_bonds(&self, watch: Wearable) {
        match self {
            Self::Fake { fake, .. } => fake.with(move |machine| machine.forget_bonds(&watch.address())).await,
            Self::Lab(lab) => lab.plain("forget", watch.word()).await,
        }
    }

    /// What the watch can show and take, and whether its wearer says yes.
    pub async fn equip(&self, watch: Wearable, io: Io, accepts: bool) {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| machine.equip(&watch.address(), io, accepts)).await;
            }
            Self::Lab(lab) => lab.equip(watch.word(), io.word(), accepts).await,
        }
    }

    /// What the watch shows.
    pub async fn shown_passkey(&self, watch: Wearable) -> u32 {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| machine.watch(&watch.address()).wearer.passkey).await
            }
            Self::Lab(lab) => lab.passkey(watch.word()).await,
        }
    }

    /// The wearer types digits into the watch.
    pub async fn type_passkey(&self, watch: Wearable, digits: u32) {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| machine.type_passkey(&watch.address(), digits)).await;
            }
            Self::Lab(lab) => lab.type_passkey(watch.word(), digits).await,
        }
    }

    /// How often the sensor tells the heart rate.
    pub async fn heart_rate(&self, period: Option<Duration>) {
        match self {
            Self::Fake { sensor, .. } => sensor.heart_rate(period),
            Self::Lab(lab) => lab.heart_rate(period).await,
        }
    }

    /// Has the sensor notify so many values of so many bytes, each starting with its number (u32).
    pub async fn stream(&self, count: u32, size: usize) {
        match self {
            Self::Fake { sensor, .. } => sensor.stream(count, size),
            Self::Lab(lab) => lab.stream(count, size).await,
        }
    }

    /// What came in at the sensor.
    pub async fn stats(&self) -> Stats {
        match self {
            Self::Fake { sensor, .. } => *sensor.stats.borrow(),
            Self::Lab(lab) => lab.stats().await,
        }
    }

    /// How many links the watch has.
    pub async fn links(&self, watch: Wearable) -> u64 {
        match self {
            Self::Fake { fake, .. } => {
                fake.with(move |machine| u64::from(machine.watch(&watch.address()).linked)).await
            }
            Self::Lab(lab) => lab.links(watch.word()).await,
        }
    }

    /// Whether BlueZ says why a link ended.
    pub async fn tells_reasons(&self) -> bool {
        match self {
            Self::Fake { fake, .. } => fake.with(|machine| machine.quirks.tells_reasons).await,
            Self::Lab(lab) => lab.tells_reasons().await,
        }
    }

    /// bluetoothd is killed.
    pub async fn kill_bluetoothd(&self) {
        match self {
            Self::Fake { fake, .. } => fake.kill().await,
            Self::Lab(lab) => lab.bluetoothd("kill").await,
        }
    }

    /// bluetoothd is started.
    pub async fn start_bluetoothd(&self) {
        match self {
            Self::Fake { fake, .. } => fake.start().await,
            Self::Lab(lab) => lab.bluetoothd("start").await,
        }
    }

    /// The controller is pulled out.
    pub async fn pull_out(&self) {
        match self {
            Self::Fake { fake, .. } => fake.with(|machine| machine.pull_out(ADAPTER)).await,
            Self::Lab(lab) => lab.watches("kill").await,
        }
    }

    /// The controller is plugged in again.
    pub async fn plug_in(&self) {
        match self {
            Self::Fake { fake, .. } => fake.with(|machine| machine.plug_in(ADAPTER, CONTROLLER)).await,
            Self::Lab(lab) => lab.watches("start").await,
        }
    }

    /// Waits until BlueZ has forgotten the watch, as it does with one that is not paired half a minute after its link has ended.
    pub async fn forgotten(&self, watch: Wearable) {
        let look = async || (!self.is_known(watch).await).then_some(());
        until("the device is forgotten", look).await;
    }

    async fn is_known(&self, watch: Wearable) -> bool {
        match self {
            Self::Fake { fake, .. } => fake.with(move |machine| machine.is_known(&watch.address())).await,
            Self::Lab(lab) => lab.is_known(&watch.address()).await,
        }
    }

    /// Somebody blocks the adapter by rfkill, or unblocks it.
    pub async fn block(&self, blocked: bool) {
        match self {
            Self::Fake { fake, .. } => fake.with(move |machine| machine.block(ADAPTER, blocked)).await,
            Self::Lab(lab) => lab.bluetoothd(if blocked { "block" } else { "unblock" }).await,
        }
    }

    /// Somebody switches the adapter on or off.
    pub async fn power(&self, on: bool) {
        match self {
            Self::Fake { fake, .. } => fake.with(move |machine| machine.power(ADAPTER, on)).await,
            Self::Lab(lab) => lab.bluetoothd(if on { "power-on" } else { "power-off" }).await,
        }
    }
}
