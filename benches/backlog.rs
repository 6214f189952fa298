//! A backlog through the real daemon, over loopback HTTP, into a private cloud: committed on both sides.
//!
//! `cargo bench --bench backlog`, or with numbers of samples: `-- 1000000 10000000`, which are the default. Daemon and cloud are
//! processes of their own, as people run them. Told are how soon a daemon with such a backlog answers on its control socket, how
//! much memory it takes, whether the oldest hours are sent first, and how long all of it takes. The yardstick is what nobody can
//! avoid: the same values as CSV, zipped, on one core, in the same run.

mod common;

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nowbridge::clock::Clock;
use nowbridge::control::{Client, Status};
use nowbridge::measurement::{
    Beat, HeartBeatFrame, Kind, Quality, Reading, UtcMicros, Value, ValueType, csv,
};
use nowbridge::outbox::Outbox;
use nowbridge::sim::recording::Recording;
use nowbridge::sim::watch::SealPolicy;
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::watch::{Bridge, Driver};
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::common::numbers::{grouped, timed};
use crate::common::shelf::{Shelf, Wire};
use crate::common::week::{self, Load, START};

const EMAIL: &str = "bench@example.org";
const PASSWORD: &str = "Bench-password-1";
/// The daemon's default.
const MAX_ROWS: usize = 50_000;
/// What is recorded a day of every stream, roughly.
const SAMPLES_A_DAY: u64 = 210_000;
/// So many uploads are looked at to see whether the first hours come first.
const FIRST_UPLOADS: i64 = 6;
const STARTS: usize = 5;
const DEADLINE: Duration = Duration::from_mins(10);

fn main() -> anyhow::Result<()> {
    let mut sizes: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000_000, 10_000_000];
    }
    let runtime = common::runtime()?;
    for samples in sizes {
        let days = u32::try_from(samples.div_ceil(SAMPLES_A_DAY))?;
        let recording = week::days(days);
        let load = load(&recording)?;
        measure(&runtime, &recording, load)?;
    }
    Ok(())
}

fn load(recording: &Recording) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    Ok(runtime.block_on(async {
        Load::of(&mut week::watch(recording, SealPolicy::Packed, Clock::simulated(START)))
    }))
}

fn measure(runtime: &Runtime, recording: &Recording, load: Load) -> anyhow::Result<()> {
    let town = Town::new()?;
    let (samples, blocks) = (load.samples, load.blocks.len());
    runtime.block_on(fill(&town.state(), load))?;
    println!(
        "{} samples in {} blocks wait; {:.1} MB of outbox.",
        grouped(samples),
        grouped(blocks as u64),
        fs::metadata(town.state().join("outbox.db"))?.len() as f64 / 1e6
    );
    runtime.block_on(starts(&town))?;
    let drained = runtime.block_on(drain(&town))?;
    let (yardstick, rows) = csv_and_zip(recording)?;
    let rate = |took: Duration| samples as f64 / took.as_secs_f64() / 1e6;
    println!(
        "  outbox to cloud, committed on both sides   {:>7.2} s  ({:.2} M samples/s, {} uploads)",
        drained.took.as_secs_f64(),
        rate(drained.took),
        drained.uploads
    );
    println!(
        "  yardstick: CSV and zip alone, {} rows {:>7.2} s  ({:.2} M samples/s)",
        grouped(rows),
        yardstick.as_secs_f64(),
        rate(yardstick)
    );
    println!(
        "  whole way / yardstick                      {:>7.2}",
        drained.took.as_secs_f64() / yardstick.as_secs_f64()
    );
    println!(
        "  memory after the first {FIRST_UPLOADS} uploads           {:>7.1} MiB at most",
        drained.first_rss
    );
    println!("  memory over all of it                      {:>7.1} MiB at most", drained.peak_rss);
    println!(
        "  of {} hours of heart rate the first {FIRST_UPLOADS} uploads brought {}\n",
        drained.hours, drained.first_hours
    );
    Ok(())
}

/// Collects all of it into an outbox, as a session does.
async fn fill(dir: &Path, load: Load) -> anyhow::Result<()> {
    let outbox = Outbox::open(dir, Clock::System).await?;
    let mut bridge = Bridge::open(Wire::to(Shelf::new(load.blocks))).await?;
    let progress = watch::Sender::new(Progress::default());
    let report = collect(&mut bridge, &outbox, Clock::System, &progress).await;
    ensure!(report.outcome == Outcome::Complete, "the session ended: {}", report.outcome);
    drop(bridge);
    outbox.close().await?;
    Ok(())
}

/// How soon a daemon that has nowhere to send to answers.
async fn starts(town: &Town) -> anyhow::Result<()> {
    town.configure(None)?;
    let (mut times, mut rss) = (Vec::new(), 0.0_f64);
    for _ in 0..STARTS {
        let began = Instant::now();
        let daemon = town.daemon()?;
        town.status_when(|_| true).await?;
        let socket = began.elapsed();
        let status = town.status_when(|status| status.outbox.is_some()).await?;
        times.push((socket, began.elapsed()));
        ensure!(
            status.outbox.is_some_and(|outbox| outbox.streams.iter().any(|stream| stream.unsent() > 0)),
            "nothing waits"
        );
        rss = rss.max(daemon.peak_mib()?);
    }
    times.sort();
    let (socket, open) = times[STARTS / 2];
    println!("  start to the first answer, median of {STARTS}     {:>7.1} ms", socket.as_secs_f64() * 1e3);
    println!("  start to the outbox in the status          {:>7.1} ms", open.as_secs_f64() * 1e3);
    println!("  memory with all of it waiting              {rss:>7.1} MiB at most");
    Ok(())
}

struct Drained {
    took: Duration,
    uploads: i64,
    first_rss: f64,
    peak_rss: f64,
    hours: i64,
    first_hours: String,
}

/// From the first answer of a daemon that may send, to nothing left.
async fn drain(town: &Town) -> anyhow::Result<Drained> {
    let (_cloud, url) = town.cloud().await?;
    town.configure(Some(&url))?;
    let cloud =
        Connection::open_with_flags(town.0.path().join("cloud/cloud.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let daemon = town.daemon()?;
    town.status_when(|_| true).await?;
    let began = Instant::now();
    let ask = |sql: &str| cloud.query_row(sql, [], |row| row.get::<_, i64>(0));
    while ask("SELECT count(*) FROM receipt")? < FIRST_UPLOADS {
        ensure!(began.elapsed() < DEADLINE, "nothing is uploaded");
        sleep(Duration::from_millis(1)).await;
    }
    let first_rss = daemon.peak_mib()?;
    let (first, last): (i64, i64) = cloud.query_row(
        "SELECT min(hour), max(hour) FROM hour WHERE kind = ?1",
        [Kind::HeartRate.code()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    town.status_when(|status| {
        let outbox = status.outbox.as_ref();
        outbox.is_some_and(|outbox| outbox.streams.iter().all(|stream| stream.unsent() == 0))
    })
    .await?;
    let took = began.elapsed();
    let (oldest, hours) =
        cloud.query_row("SELECT min(hour), max(hour) - min(hour) + 1 FROM hour", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })?;
    let first_hours = format!("{} to {}", first - oldest + 1, last - oldest + 1);
    Ok(Drained {
        took,
        uploads: ask("SELECT count(*) FROM receipt")?,
        first_rss,
        peak_rss: daemon.peak_mib()?,
        hours,
        first_hours,
    })
}

/// The same values as rows, written as CSV and zipped in files of the size that the daemon sends.
fn csv_and_zip(recording: &Recording) -> anyhow::Result<(Duration, u64)> {
    let tables: Vec<(Kind, Vec<Reading>)> = recording
        .tracks
        .iter()
        .filter_map(|track| {
            let kind = track.stream.kind()?;
            let scale = track.stream.info().map_or(1, |info| info.scale);
            Some((
                kind,
                readings(kind, scale.into(), track.samples.iter().map(|it| (it.at_ms, it.value, it.quality))),
            ))
        })
        .collect();
    let rows = tables.iter().map(|(_, readings)| readings.len() as u64).sum();
    let (done, took) = timed(|| {
        for (kind, readings) in &tables {
            for part in readings.chunks(MAX_ROWS) {
                let mut text = Vec::new();
                csv::write(*kind, part, &mut text)?;
                let mut archive = ZipWriter::new(Cursor::new(Vec::with_capacity(text.len() / 6 + 256)));
                let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
                archive.start_file(format!("{kind}.csv"), deflated.compression_level(Some(6)))?;
                archive.write_all(&text)?;
                archive.finish()?;
            }
        }
        anyhow::Ok(())
    });
    done?;
    Ok((took, rows))
}

fn readings(kind: Kind, scale: f64, samples: impl Iterator<Item = (u64, i32, Quality)>) -> Vec<Reading> {
    let second = |at_ms: u64| UtcMicros(START.0 + at_ms.cast_signed() * 1_000).seconds();
    let mut rows: Vec<Reading> = Vec::new();
    for (at_ms, value, quality) in samples {
        let at = second(at_ms);
        let value = match kind.value_type() {
            ValueType::Integer => Value::Integer(value.into()),
            ValueType::Decimal => Value::Decimal(f64::from(value) / scale),
            ValueType::Frame => {
                let mut beats = vec![Beat { at_ms: at_ms as u32, quality, ends_run: false }];
                if let Some(Reading { value: Value::Beats(frame), .. }) = rows.pop_if(|row| row.at == at) {
                    beats.splice(0..0, frame.beats().iter().copied());
                }
                beats.truncate(HeartBeatFrame::MAX_BEATS);
                let Ok(frame) = HeartBeatFrame::new(beats) else { continue };
                Value::Beats(frame)
            }
        };
        rows.push(Reading { at, value, quality: kind.has_quality().then_some(quality) });
    }
    rows
}

/// Where the processes live.
struct Town(tempfile::TempDir);

impl Town {
    fn new() -> anyhow::Result<Self> {
        let dir = common::scratch()?;
        let password = dir.path().join("password");
        fs::write(&password, PASSWORD)?;
        fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(Self(dir))
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn socket() -> PathBuf {
        // A socket's path holds 107 bytes; a deep build folder takes more.
        std::env::temp_dir().join(format!("nowbridge-backlog-{}.sock", std::process::id()))
    }

    fn configure(&self, cloud: Option<&str>) -> anyhow::Result<()> {
        let cloud = cloud.map_or(String::new(), |url| {
            format!("[cloud]\nbase_url = \"{url}\"\nemail = \"{EMAIL}\"\npassword_file = \"password\"\n")
        });
        let text = format!(
            "{cloud}[state]\ndir = \"state\"\n[control]\nsocket = \"{}\"\n[radio]\nkind = \"off\"\n[log]\nfilter = \"warn\"\n",
            Self::socket().display()
        );
        Ok(fs::write(self.0.path().join("config.toml"), text)?)
    }

    async fn cloud(&self) -> anyhow::Result<(Process, String)> {
        let (log, data) = (self.0.path().join("cloud.log"), self.0.path().join("cloud"));
        let cloud = Process(
            Command::new(env!("CARGO_BIN_EXE_nowbridge"))
                .args(["cloud", "--listen", "127.0.0.1:0", "--add-user", EMAIL, "--consent", "--data"])
                .arg(&data)
                .arg("--password-file")
                .arg(self.0.path().join("password"))
                .stdout(File::create(&log)?)
                .stderr(Stdio::null())
                .spawn()?,
        );
        let began = Instant::now();
        while began.elapsed() < DEADLINE {
            let printed = fs::read_to_string(&log)?;
            if let Some(url) = printed.split(" at ").last().and_then(|end| end.trim_end().strip_suffix('.'))
                && url.starts_with("http://")
            {
                return Ok((cloud, url.to_owned()));
            }
            sleep(Duration::from_millis(5)).await;
        }
        bail!("the private cloud does not start")
    }

    fn daemon(&self) -> anyhow::Result<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nowbridge"));
        command.arg("--config").arg(self.0.path().join("config.toml")).arg("run");
        // As systemd/nowbridge.service has it.
        command.env("MALLOC_ARENA_MAX", "1");
        Ok(Process(command.stdout(Stdio::null()).spawn()?))
    }

    async fn status_when(&self, wanted: impl Fn(&Status) -> bool) -> anyhow::Result<Status> {
        let began = Instant::now();
        while began.elapsed() < DEADLINE {
            if let Ok(client) = Client::connect(&Self::socket()).await
                && let Ok(status) = client.status().await
                && wanted(&status)
            {
                return Ok(status);
            }
            sleep(Duration::from_millis(2)).await;
        }
        bail!("the daemon does not get there")
    }
}

/// Ended when dropped: politely, and waited for.
struct Process(Child);

impl Process {
    fn peak_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}
