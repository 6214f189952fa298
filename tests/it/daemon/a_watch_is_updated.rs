//! From a file in a person's folder to a watch that runs it and keeps it, with the program that people run.

use std::time::Duration;

use nowbridge::control::{UpdateAnswer, UpdatesAnswer};
use nowbridge::outbox::UpdateStep;
use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::{Air, LinkModel, serve_air};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::smp::{Build, NewImage, Pace, SmpDevice, SmpWatch, Updatable, image};
use nowbridge::sim::watch::{Flash, SimWatch, WatchOptions};
use nowbridge::sync::WatchState;
use tokio::net::UnixListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::daemon::ADDRESS;
use crate::support::process::{Home, until};

/// A home whose only watch takes firmware, and runs 1.0.0.
struct World {
    home: Home,
    smp: SmpWatch,
    _end: DropGuard,
}

fn firmware(version: &str, size: usize) -> Vec<u8> {
    image(version.parse().unwrap(), &vec![0x5A; size], None)
}

impl World {
    fn new() -> Self {
        let config = format!(
            "[radio]\nkind = \"simulated\"\nair = \"../../air.sock\"\n[[watch]]\naddress = \"{ADDRESS}\"\nname = \"left wrist\"\n"
        );
        let home = Home::new(&config);
        let options = WatchOptions { age: Duration::from_hours(1), seed: 1, ..WatchOptions::default() };
        let bridge = WatchOnAir::new(SimWatch::power_on(Flash::blank(64), options));
        let device = SmpDevice::new(Build::default(), &firmware("1.0.0", 9_000));
        let smp = SmpWatch::new(device, Pace::free());
        let air = Air::new(LinkModel::fast_2m_15ms().scaled(20.0));
        let watch = Updatable::new(bridge.clone(), bridge, smp.clone());
        air.place(PeerAddress(ADDRESS.to_owned()), watch);
        let listener = UnixListener::bind(home.path("air.sock")).unwrap();
        let end = CancellationToken::new();
        tokio::spawn(serve_air(air, listener, end.clone()));
        Self { home, smp, _end: end.drop_guard() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.home.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Until the watch has told who it is.
    async fn met(&self) {
        self.home.status_when("the watch was met", |now| now.watches[0].complete_at.is_some()).await;
    }

    async fn updates(&self) -> UpdatesAnswer {
        let told = self.home.run(&["update", "status", "--json"]).await;
        serde_json::from_str(told.printed()).unwrap()
    }
}

#[tokio::test]
async fn by_a_file_that_somebody_gives() {
    let world = World::new();
    let daemon = world.home.daemon().await;
    world.met().await;
    let file = world.write("app.signed.bin", &firmware("2.0.0", 30_000));

    let looked = world.home.run(&["update", "left wrist", "--file", &file, "--dry-run", "--json"]).await;
    assert_eq!(looked.code, Some(0), "{}{}", looked.stdout, looked.stderr);
    let looked: UpdateAnswer = serde_json::from_str(looked.printed()).unwrap();
    assert_eq!((looked.from.as_deref(), looked.version.as_str()), (Some("1.0.0"), "2.0.0"));
    assert_eq!((looked.gate, looked.update), (None, None));
    assert_eq!(world.smp.with(|device| device.version().to_string()), "1.0.0");

    let done = world.home.run(&["update", "left wrist", "--file", &file]).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("left wrist runs 2.0.0, keeps it, and is well."), "{}", done.stdout);
    assert_eq!(world.smp.with(|device| device.version().to_string()), "2.0.0");
    assert!(!world.smp.with(|device| device.is_on_trial()));

    let told = world.updates().await;
    assert_eq!(told.open, []);
    assert_eq!((told.latest[0].step, told.latest[0].from.as_deref()), (UpdateStep::Done, Some("1.0.0")));
    // Its watcher has it back.
    let back =
        |now: &nowbridge::control::Status| matches!(now.watches[0].state, WatchState::Connected { .. });
    world.home.status_when("the watch is looked after again", back).await;

    // Older than what runs there now: it does not get there, and the daemon says why.
    let old = world.write("old.bin", &firmware("1.5.0", 5_000));
    let older = world.home.run(&["update", "left wrist", "--file", &old]).await;
    assert!(matches!(older.code, Some(69 | 77)), "{older:?}");
    assert_eq!(world.smp.with(|device| device.version().to_string()), "2.0.0");
    daemon.stop().await;
}

#[tokio::test]
async fn not_by_a_file_that_is_none_nor_one_that_it_did_not_keep() {
    let world = World::new();
    let daemon = world.home.daemon().await;
    world.met().await;
    let nonsense = world.write("page.html", b"<html>404</html>");
    let refused = world.home.run(&["update", "left wrist", "--file", &nonsense]).await;
    assert_eq!(refused.code, Some(65), "{}{}", refused.stdout, refused.stderr);
    assert_eq!(refused.stderr.trim().lines().count(), 1, "{}", refused.stderr);

    world.smp.with(|device| device.set_new_image(NewImage::Loops));
    let file = world.write("loops.bin", &firmware("2.0.0", 9_000));
    let went_back = world.home.run(&["update", "left wrist", "--file", &file]).await;
    assert_eq!(went_back.code, Some(1), "{}{}", went_back.stdout, went_back.stderr);
    assert_eq!(world.smp.with(|device| device.version().to_string()), "1.0.0");
    let again = world.home.run(&["update", "left wrist", "--file", &file]).await;
    assert_eq!(again.code, Some(77), "{}{}", again.stdout, again.stderr);
    assert!(again.stderr.contains("--again"), "{}", again.stderr);
    daemon.stop().await;
}

#[tokio::test]
async fn only_with_enough_in_its_battery_and_not_if_it_is_called_off() {
    let world = World::new();
    world.smp.set_battery(12);
    let daemon = world.home.daemon().await;
    world.met().await;
    let file = world.write("app.bin", &firmware("2.0.0", 9_000));
    let asked = world.home.run(&["update", "left wrist", "--file", &file, "--detach"]).await;
    assert_eq!(asked.code, Some(0), "{}{}", asked.stdout, asked.stderr);
    let gated = |now: &nowbridge::control::Status| {
        now.updates.first().is_some_and(|update| update.detail.contains("12 %"))
    };
    world.home.status_when("it waits for the battery", gated).await;
    let text = world.home.run(&["status"]).await;
    assert!(
        text.stdout.contains("update of left wrist to 2.0.0: waiting: the watch's battery has 12 %"),
        "{}",
        text.stdout
    );
    let other = world.home.run(&["update", "left wrist", "--file", &file]).await;
    assert_eq!(other.code, Some(75), "{}{}", other.stdout, other.stderr);

    let called_off = world.home.run(&["update", "cancel", "left wrist"]).await;
    assert_eq!(called_off.code, Some(0), "{}{}", called_off.stdout, called_off.stderr);
    let told = world.updates().await;
    assert_eq!((told.open.len(), told.latest[0].step), (0, UpdateStep::Cancelled));
    until("nothing is left of it", async || {
        let status = world.home.status().await?;
        status.updates.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.smp.with(|device| device.version().to_string()), "1.0.0");
    daemon.stop().await;
}
