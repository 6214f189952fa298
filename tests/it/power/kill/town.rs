//! Processes that nobody kills: a watch with a ledger, and a private cloud.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::ledger::Ledger;
use crate::support::daemon::{ADDRESS, EMAIL, PASSWORD, config};
use crate::support::process::{Home, Running, until};

/// A computer with a daemon's home, a watch in its reach, and a cloud on loopback.
pub struct Town {
    pub home: Home,
    pub url: String,
    pub hours: u64,
    cloud_db: Connection,
    _cloud: Running,
    _watch: Running,
}

impl Town {
    /// A watch that has been worn for so many hours, and goes on being worn.
    pub async fn new(seed: u64, hours: u64) -> Self {
        let home = Home::new("");
        home.secret("password", PASSWORD);
        let (cloud, url) = start_cloud(&home).await;
        // Small batches make many kill points.
        home.configure(&(visited_daily(&url) + "[upload]\nmax_rows = 400\n"));
        let watch = start_watch(&home, seed, hours).await;
        let cloud_db =
            Connection::open_with_flags(home.path("cloud/cloud.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
                .unwrap();
        Self { home, url, hours, cloud_db, _cloud: cloud, _watch: watch }
    }

    /// For the last daemon, which is not killed.
    pub fn let_batches_be_large(&self) {
        self.home.configure(&visited_daily(&self.url));
    }

    /// What the watch's side has written down so far.
    pub fn ledger(&self) -> Ledger {
        Ledger::read(&ledger_path(&self.home))
    }

    /// How many lines of a sort it has.
    pub fn ledger_lines(&self, word: &str) -> usize {
        let lines = BufReader::new(File::open(ledger_path(&self.home)).unwrap()).lines();
        lines.map_while(Result::ok).filter(|line| line.starts_with(word)).count()
    }

    /// How many uploads the cloud has kept.
    pub fn receipts(&self) -> u64 {
        self.cloud_keys().len() as u64
    }

    /// The idempotency key of each upload that the cloud has kept.
    pub fn cloud_keys(&self) -> Vec<String> {
        let mut keys = self.cloud_db.prepare_cached("SELECT key FROM receipt").unwrap();
        let keys = keys.query_map([], |row| row.get(0)).unwrap();
        keys.collect::<rusqlite::Result<_>>().unwrap()
    }
}

/// One visit a day, so that what is complete stays complete.
fn visited_daily(url: &str) -> String {
    config(url) + "mode = \"release\"\nsync_every = \"1d\"\n"
}

fn ledger_path(home: &Home) -> PathBuf {
    home.path("ledger")
}

async fn start_cloud(home: &Home) -> (Running, String) {
    let data = home.path("cloud");
    let password = home.path("config/nowbridge/password");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let cloud = home.start(&[
        "cloud",
        "--listen",
        "127.0.0.1:0",
        "--data",
        &text(&data),
        "--add-user",
        EMAIL,
        "--password-file",
        &text(&password),
        "--consent",
    ]);
    let url = until("the cloud serves", async || {
        let printed = cloud.stdout();
        let url = printed.split(" at ").last()?.trim_end().strip_suffix('.')?;
        url.starts_with("http://").then(|| url.to_owned())
    })
    .await;
    (cloud, url)
}

/// Samples are taken near the middle of a second, where no error of a clock comparison moves them to another. When a simulated
/// watch boots is up to the machine, so it is tried until it fits.
async fn start_watch(home: &Home, seed: u64, hours: u64) -> Running {
    until("a watch boots in the middle of a second", async || {
        let (ledger, air) = (ledger_path(home), home.path("air.sock"));
        let _ = fs::remove_file(&ledger);
        let mut watch = home.start(&[
            "sim-watch",
            "--air",
            air.to_str().unwrap(),
            "--generate",
            "--hours",
            &hours.to_string(),
            "--drift",
            "0",
            "--seed",
            &seed.to_string(),
            "--address",
            ADDRESS,
            "--ledger",
            ledger.to_str().unwrap(),
        ]);
        let boot = until("the watch is on the air", async || {
            assert!(watch.is_running(), "{}", watch.stderr());
            Ledger::read(&ledger).boot_utc_us.filter(|_| watch.stdout().contains("[[watch]]"))
        })
        .await;
        if (250_000..750_000).contains(&boot.rem_euclid(1_000_000)) {
            return Some(watch);
        }
        watch.kill().await;
        let _ = fs::remove_file(&air);
        None
    })
    .await
}
