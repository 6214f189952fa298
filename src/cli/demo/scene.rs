//! The scene: a folder, a watch with a day in its flash, an air, a cloud.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Args;
use crate::clock::Clock;
use crate::config::{Config, Env};
use crate::radio::PeerAddress;
use crate::radio::air::{self, Air, LinkModel};
use crate::sim::WatchOnAir;
use crate::sim::cloud::{Fault, FaultPlan, Faults, PrivateCloud};
use crate::sim::recording::{self, Recording};
use crate::sim::watch::{Flash, SimWatch, WatchOptions};
use crate::wire::bridge::Sample;

const EMAIL: &str = "demo@example.org";
/// Longer than the watch's crystal is exact: 5 ppm is a good one.
const DRIFT_PPM: i32 = 5;
/// 8 MB of flash: two weeks and more.
const FLASH_PAGES: usize = 2048;
/// Small batches, so that there is something to watch.
const MAX_ROWS: u32 = 10_000;

/// Everything around the daemon.
pub struct Scene {
    /// The temporary folder.
    pub dir: PathBuf,
    /// The watch.
    pub watch: WatchOnAir,
    /// The air.
    pub air: Air,
    /// The daemon's configuration.
    pub config: Config,
    /// What the watch replays.
    pub recording: Recording,
    /// The faults of the cloud.
    pub cloud_faults: Faults,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
}

impl Scene {
    /// Builds it.
    pub async fn set(args: &Args, seed: u64) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir()
            .join(format!("nowbridge-demo-{}", &Uuid::new_v4().simple().to_string()[..8]));
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("{} cannot be made; set TMPDIR to a folder that can", dir.display()))?;
        let history = Duration::from_secs(u64::from(args.hours) * 3_600);
        let recording = recording::ride().tile(history).merge(recording::generate(seed, history));
        let address = PeerAddress("C0:FF:EE:00:00:01".to_owned());
        let (watch, air) = put_on_air(&recording, history, args, seed, &address);

        let stop = CancellationToken::new();
        let cloud_faults = Faults::seeded(seed);
        let (base_url, cloud_server) = open_cloud(&dir, &cloud_faults, &stop).await?;
        let air_socket = dir.join("air.sock");
        let listener = tokio::net::UnixListener::bind(&air_socket)?;
        let air_server = tokio::spawn(air::serve_air(air.clone(), listener, stop.clone()));
        let file = write_config(&dir, &base_url, &air_socket, &address)?;
        let config = Config::load(Some(&file), &Env::rooted(&dir))?;
        let scene = Self {
            dir,
            watch,
            air,
            config,
            recording,
            cloud_faults,
            stop,
            servers: vec![cloud_server, air_server],
        };
        if args.faults {
            scene.break_things(seed);
        }
        Ok(scene)
    }

    fn break_things(&self, seed: u64) {
        self.air.set_faults(air::Faults {
            seed,
            drop_link: 0.004,
            lose_notification: 0.004,
            corrupt_notification: 0.004,
            ..air::Faults::default()
        });
        let odds = [
            (Fault::ServerError, 0.06),
            (Fault::Unavailable, 0.04),
            (Fault::TooManyRequests, 0.03),
            (Fault::CaptivePortal, 0.03),
            (Fault::AnswerLost, 0.08),
            (Fault::AnswerCut, 0.04),
        ];
        self.cloud_faults.set(FaultPlan {
            odds: odds.to_vec(),
            only: Some("/upload".to_owned()),
            retry_after: Duration::from_secs(1),
        });
    }

    /// Takes everything down; the folder goes too, unless it is to stay.
    pub async fn strike(self, keep: bool) {
        self.stop.cancel();
        self.air.shutdown().await;
        for server in self.servers {
            // A server that will not end does not keep the demo from ending.
            let _ = tokio::time::timeout(Duration::from_secs(2), server).await;
        }
        if !keep {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// A watch that has recorded all of it, on an air.
fn put_on_air(
    recording: &Recording,
    history: Duration,
    args: &Args,
    seed: u64,
    address: &PeerAddress,
) -> (WatchOnAir, Air) {
    let options = WatchOptions { drift_ppm: DRIFT_PPM, age: history, seed, ..WatchOptions::default() };
    let mut watch = SimWatch::power_on(Flash::blank(FLASH_PAGES), options);
    watch.record_all(recording.samples().map(|(stream, sample)| {
        (stream, Sample { at_ms: sample.at_ms, value: sample.value, quality: sample.quality })
    }));
    let watch = WatchOnAir::new(watch);
    let air = Air::new(LinkModel::fast_2m_15ms().scaled(args.speed));
    air.place(address.clone(), watch.clone());
    (watch, air)
}

async fn open_cloud(
    dir: &Path,
    faults: &Faults,
    stop: &CancellationToken,
) -> anyhow::Result<(String, JoinHandle<()>)> {
    let password = format!("Aa1!{}", Uuid::new_v4());
    write_private(&dir.join("password"), &password)?;
    let cloud = PrivateCloud::open(&dir.join("cloud"), Clock::System)?.with_faults(faults.clone());
    cloud.add_user(EMAIL, password.into(), "Demo", "User").await?;
    cloud.set_consent(EMAIL, true).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let stop = stop.clone();
    let server = tokio::spawn(async move {
        if let Err(error) = cloud.serve(listener, stop).await {
            eprintln!("the private cloud ended: {error}");
        }
    });
    Ok((base_url, server))
}

fn write_config(
    dir: &Path,
    base_url: &str,
    air_socket: &Path,
    address: &PeerAddress,
) -> anyhow::Result<PathBuf> {
    let path = |path: &Path| toml::Value::String(path.display().to_string());
    let mut text = String::new();
    writeln!(text, "# Written by `nowbridge demo`.")?;
    writeln!(text, "[cloud]\nbase_url = \"{base_url}\"\nemail = \"{EMAIL}\"")?;
    writeln!(text, "password_file = {}\n", path(&dir.join("password")))?;
    writeln!(text, "[state]\ndir = {}\n", path(&dir.join("state")))?;
    writeln!(text, "[control]\nsocket = {}\n", path(&dir.join("control.sock")))?;
    writeln!(text, "[radio]\nkind = \"simulated\"\nair = {}\n", path(air_socket))?;
    writeln!(text, "[[watch]]\naddress = \"{address}\"\nname = \"demo watch\"\n")?;
    writeln!(text, "[upload]\nmax_rows = {MAX_ROWS}\n")?;
    writeln!(text, "[log]\nfilter = \"warn\"")?;
    let file = dir.join("config.toml");
    std::fs::write(&file, text)?;
    Ok(file)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}
