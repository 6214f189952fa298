//! Hours without a cloud, and then without room, too, while the watch has more to give: whoever reads the log finds each trouble named,
//! and no page full of it.
//!
//! A process of its own, since what it logs is gathered from all its threads.

#![cfg(feature = "sim")]
use std::collections::BTreeMap;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::cloud::{Client, ClientConfig};
use nowbridge::config::{FirmwareConfig, LinksConfig, OutboxConfig, Paths};
use nowbridge::daemon::{self, Cloud, Notifier, Wiring};
use nowbridge::firmware::Policy;
use nowbridge::measurement::Quality;
use nowbridge::radio::air::{Air, AirCentral, LinkModel};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::SimWatch;
use nowbridge::sync::{Mode, WatcherConfig};
use nowbridge::upload::{self, UploaderConfig};
use nowbridge::wire::bridge::{Sample, Stream};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::cloud::leave_login;
use crate::support::sync::{address, worn_for};
use crate::support::watch::START;

const CHILD: &str = "ledger::a_trouble_that_lasts_fills_no_log::works_and_logs";
const VARIABLE: &str = "NOWBRIDGE_TROUBLE";
/// So long without a cloud, and so long again without room as well.
const MINUTES: u64 = 90;
/// More than any disk has: whatever is left is for others.
const NO_ROOM: u64 = 1 << 60;

/// Lines, and the simulated minute of each.
#[derive(Clone, Default)]
struct Log {
    minute: Arc<AtomicU64>,
    lines: Arc<Mutex<Vec<(u64, String)>>>,
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        self.lines.lock().unwrap().push((self.minute.load(Ordering::Relaxed), line));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn each_is_told_and_none_more_than_once_a_minute() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    let complained = String::from_utf8_lossy(&child.stderr);
    assert!(printed.contains("1 passed") && !complained.contains("panicked"), "{printed}{complained}");
}

#[tokio::test(start_paused = true)]
#[ignore = "logs only when the story beside it starts it"]
async fn works_and_logs() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let log = Log::default();
    let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).without_time();
    logging.with_ansi(false).with_writer(log.clone()).init();

    let (home, air) = (TempDir::new().unwrap(), Air::new(LinkModel::fast_2m_15ms()));
    let clock = Clock::simulated(START);
    let watch = WatchOnAir::new(worn_for(6));
    air.place(address(), watch.clone());
    for keep_free in [0, NO_ROOM] {
        let cancel = CancellationToken::new();
        let wiring = wiring((&home, &air, clock), OutboxConfig { keep_free, ..OutboxConfig::default() });
        let daemon = tokio::spawn(daemon::run(wiring, Notifier::default(), cancel.clone()));
        for _ in 0..MINUTES {
            tokio::time::sleep(Duration::from_mins(1)).await;
            log.minute.fetch_add(1, Ordering::Relaxed);
        }
        cancel.cancel();
        daemon.await.unwrap().unwrap();
        watch.with(record_more);
    }

    let lines = std::mem::take(&mut *log.lines.lock().unwrap());
    let is_trouble = |line: &str| ["WARN", "ERROR"].iter().any(|level| line.trim_start().starts_with(level));
    // What a line is about: its level and module, and its first words.
    let about = |line: &str| line.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    let mut told = BTreeMap::<(u64, String), u32>::new();
    for (minute, line) in lines.iter().filter(|(_, line)| is_trouble(line)) {
        *told.entry((*minute, about(line))).or_default() += 1;
    }
    let all: Vec<_> = lines.iter().map(|(minute, line)| format!("{minute} {line}")).collect();
    let too_often = told.iter().find(|(_, times)| **times > 1);
    assert_eq!(too_often, None, "{all:#?}");
    for (trouble, word) in [("the cloud", "Uploading waits"), ("the room", "full")] {
        assert!(all.iter().any(|line| line.contains(word)), "nobody hears of {trouble}: {all:#?}");
    }
    let troubles = told.values().map(|times| u64::from(*times)).sum::<u64>();
    eprintln!("{troubles} lines of trouble and {} in all in {} minutes", all.len(), 2 * MINUTES);
    assert!(troubles <= MINUTES && all.len() as u64 <= 2 * MINUTES, "{all:#?}");
}

/// The watch has something new to give.
fn record_more(watch: &mut SimWatch) {
    let at_ms = watch.ticks_ms();
    watch.record(Stream::HEART_RATE, Sample { at_ms, value: 70, quality: Quality::BEST });
    watch.seal_all();
}

fn wiring((home, air, clock): (&TempDir, &Air, Clock), limits: OutboxConfig) -> Wiring<AirCentral> {
    let path = |name: &str| home.path().join(name);
    let paths = Paths {
        state_dir: path("state"),
        runtime_dir: path("run"),
        control_socket: path("run/control.sock"),
    };
    // Nobody listens there.
    let base_url = "http://127.0.0.1:9/nowatch".parse().unwrap();
    std::fs::create_dir_all(&paths.state_dir).unwrap();
    leave_login(&base_url, &paths.session(), 0);
    let config = ClientConfig { token_file: Some(paths.session()), ..ClientConfig::new(base_url) };
    let uploader =
        UploaderConfig { sink: upload::nowatch(), max_samples: 2_000, takes_synthetic: true, seed: 3 };
    Wiring {
        paths,
        socket_mode: 0o600,
        central: Some(AirCentral::new(air.clone())),
        links: LinksConfig { most: 4, power_cycle: false },
        watches: vec![WatcherConfig {
            address: address(),
            name: None,
            mode: Mode::Stay,
            every: Duration::from_hours(1),
            quiet: None,
            seed: 5,
        }],
        cloud: Some(Cloud {
            client: Client::new(config, clock).unwrap(),
            uploader,
            consent_check_every: Duration::from_hours(1),
        }),
        sinks: Vec::new(),
        firmware: FirmwareConfig::default(),
        firmware_policy: Policy::default(),
        limits,
        clock,
    }
}
