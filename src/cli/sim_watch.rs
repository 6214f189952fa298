//! `nowbridge sim-watch`: a simulated watch that a daemon on this computer can reach.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::{exit, run};
use crate::control;
use crate::radio::PeerAddress;
use crate::radio::air::{self, Air, LinkModel, Peripheral};
use crate::sim::recording::{self, Recording};
use crate::sim::smp::{Build, Pace, SmpDevice, SmpWatch, Updatable, image, serve_udp};
use crate::sim::watch::{Flash, SimWatch, WatchOptions};
use crate::sim::{WatchOnAir, Witnessed};
use crate::wire::bridge::{Sample, Stream};
use crate::wire::mcuboot::ImageVersion;
use crate::wire::smp::Params;

/// 8 MB of flash: two weeks and more.
const FLASH_PAGES: usize = 2048;
/// So little that a start does not take long.
const FIRMWARE_BYTES: usize = 60_000;
/// Zephyr's for UDP, in number as over Bluetooth.
const BUFFERS: Params = Params { buf_size: 2048, buf_count: 4 };

/// What it replays, how much it has in store, and where it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nowbridge sim-watch --air /tmp/air.sock\n  \
nowbridge sim-watch --air /tmp/air.sock --fit ride.fit --hours 48\n  \
nowbridge sim-watch --air /tmp/air.sock --export my-export/ --flash watch.flash\n\n\
Its data carry the SYNTHETIC mark: a daemon uploads them to a cloud on this computer only.")]
pub struct Args {
    /// The socket where daemons find the virtual air
    #[arg(long, value_name = "SOCKET")]
    air: PathBuf,

    /// Replay the heart rate, beats and cadence of this FIT file
    #[arg(long, value_name = "FILE", group = "source")]
    fit: Option<PathBuf>,

    /// Replay a folder of CSV files as NOWATCH exports them
    #[arg(long, value_name = "DIR", group = "source")]
    export: Option<PathBuf>,

    /// Make up plausible days instead of replaying the built-in ride
    #[arg(long, group = "source")]
    generate: bool,

    /// Hours of history that are in its flash when it starts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=336))]
    hours: u16,

    /// Keep the flash in this file: the watch goes on where it was
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,

    /// The address it is reached at
    #[arg(long, default_value = "C0:FF:EE:00:00:01")]
    address: String,

    /// How much too fast its crystal runs, parts per million
    #[arg(long, default_value_t = 20, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-500..=500))]
    drift: i32,

    /// Let it take firmware over SMP, and run this version until it does
    #[arg(long, value_name = "VERSION")]
    firmware: Option<ImageVersion>,

    /// Answer SMP on this UDP port of 127.0.0.1 as well, for the update tools of others
    #[arg(long, value_name = "PORT", requires = "firmware")]
    smp_udp: Option<u16>,

    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Time between two connection events of its link, µs; then an event takes at most six packets, as with many a controller
    #[arg(long, hide = true, value_parser = clap::value_parser!(u64).range(1..=4_000_000))]
    interval_us: Option<u64>,

    /// Write down in this file what was given away and what was acknowledged
    #[arg(long, value_name = "FILE", hide = true)]
    ledger: Option<PathBuf>,
}

/// What its link carries.
fn model(args: &Args) -> LinkModel {
    let fast = LinkModel::fast_2m_15ms();
    args.interval_us.map_or(fast, |interval_us| LinkModel {
        interval: Duration::from_micros(interval_us),
        pdus_per_event: Some(6),
        ..fast
    })
}

/// Runs until SIGTERM or SIGINT.
pub fn sim_watch(args: &Args) -> anyhow::Result<u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let recording = source(args)?;
        let history = Duration::from_secs(u64::from(args.hours) * 3_600);
        let watch = WatchOnAir::new(power_on(args, &recording, history)?);
        let air = Air::new(model(args));
        let address = PeerAddress(args.address.to_uppercase());
        let smp = args.firmware.map(|version| smp_watch(args, version));
        match &args.ledger {
            None => place(&air, &address, watch.clone(), &watch, smp.as_ref()),
            Some(file) => {
                place(&air, &address, Witnessed::new(watch.clone(), file)?, &watch, smp.as_ref());
            }
        }
        let listener = control::bind(&args.air, 0o600)
            .await
            .with_context(|| format!("the air cannot be served at {}", args.air.display()))?;
        let socket = udp_socket(args).await?;
        introduce(args, &recording, &address, &watch);

        let stop = CancellationToken::new();
        let answered =
            smp.zip(socket).map(|(smp, socket)| tokio::spawn(serve_udp(socket, smp, stop.clone())));
        let served = tokio::spawn(air::serve_air(air.clone(), listener, stop.clone()));
        run::stop_on_signal(stop).await;
        served.await?;
        if let Some(answered) = answered {
            answered.await??;
        }
        air.shutdown().await;
        let _ = std::fs::remove_file(&args.air);
        if let Some(file) = &args.flash {
            watch.with(|watch| watch.flash().save(file))?;
            println!("The flash is in {}.", file.display());
        }
        Ok(exit::OK)
    })
}

/// Its firmware: the version that was asked for, around a payload that is made up.
fn smp_watch(args: &Args, version: ImageVersion) -> SmpWatch {
    let mut rng = fastrand::Rng::with_seed(args.seed);
    let payload: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(FIRMWARE_BYTES).collect();
    let build = Build { buffers: BUFFERS, ..Build::default() };
    SmpWatch::new(SmpDevice::new(build, &image(version, &payload, None)), Pace::nrf52())
}

fn place(
    air: &Air,
    address: &PeerAddress,
    bridge: impl Peripheral,
    watch: &WatchOnAir,
    smp: Option<&SmpWatch>,
) {
    match smp {
        None => air.place(address.clone(), bridge),
        Some(smp) => air.place(address.clone(), Updatable::new(bridge, watch.clone(), smp.clone())),
    }
}

async fn udp_socket(args: &Args) -> anyhow::Result<Option<UdpSocket>> {
    let Some(port) = args.smp_udp else { return Ok(None) };
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await;
    let socket = socket.with_context(|| format!("UDP port {port} of 127.0.0.1 cannot be used"))?;
    println!("SMP is answered at udp://{}.", socket.local_addr()?);
    Ok(Some(socket))
}

fn source(args: &Args) -> anyhow::Result<Recording> {
    Ok(match (&args.fit, &args.export, args.generate) {
        (Some(file), _, _) => recording::read_fit(file)?,
        (_, Some(dir), _) => recording::read_export(dir)?,
        (_, _, true) => recording::generate(args.seed, Duration::from_hours(24)),
        _ => recording::ride(),
    })
}

/// Boots the watch, with history unless its flash has some, and lets it record from then on.
fn power_on(args: &Args, recording: &Recording, history: Duration) -> anyhow::Result<SimWatch> {
    let kept = args.flash.as_deref().filter(|file| file.exists()).map(Flash::load).transpose()?;
    let fresh = kept.is_none();
    let options = WatchOptions {
        drift_ppm: args.drift,
        age: if fresh { history } else { Duration::ZERO },
        seed: args.seed,
        ..WatchOptions::default()
    };
    let mut watch = SimWatch::power_on(kept.unwrap_or_else(|| Flash::blank(FLASH_PAGES)), options);
    let lived = if fresh { u64::try_from(history.as_millis())? } else { 0 };
    let mut life = endless(recording).peekable();
    while let Some((stream, sample)) = life.next_if(|(_, sample)| sample.at_ms < lived) {
        watch.record(stream, sample);
    }
    watch.follow(life);
    Ok(watch)
}

/// The recording again and again, each round after the one before.
fn endless(recording: &Recording) -> impl Iterator<Item = (Stream, Sample)> + Send + 'static {
    let samples: Arc<[(Stream, Sample)]> = recording
        .samples()
        .map(|(stream, sample)| {
            (stream, Sample { at_ms: sample.at_ms, value: sample.value, quality: sample.quality })
        })
        .collect();
    let length = recording.length_ms().max(1);
    // A recording without samples would never yield one, however long one waits.
    let rounds = if samples.is_empty() { 0 } else { u64::MAX };
    (0..rounds).flat_map(move |round| {
        let samples = Arc::clone(&samples);
        (0..samples.len()).map(move |index| {
            let (stream, sample) = samples[index];
            (stream, Sample { at_ms: sample.at_ms.saturating_add(round.saturating_mul(length)), ..sample })
        })
    })
}

fn introduce(args: &Args, recording: &Recording, address: &PeerAddress, watch: &WatchOnAir) {
    let (device, blocks) = watch.with(|watch| (watch.device_id(), watch.ledger().blocks.len()));
    println!("The simulated watch {device} is on the air with {blocks} blocks in its flash.");
    println!("It replays: {}.", recording.source);
    println!("A daemon finds it with this in its configuration:\n");
    println!("[radio]\nkind = \"simulated\"\nair = \"{}\"\n", absolute(&args.air).display());
    println!("[[watch]]\naddress = \"{address}\"");
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
