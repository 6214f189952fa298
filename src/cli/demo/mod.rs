//! `nowbridge demo`: the whole way, in front of your eyes, with a proof at the end.
//!
//! A simulated watch replays a real recording; the daemon fetches it over the virtual air, stores it, and uploads it to a private
//! cloud on loopback; then everything is read back from the cloud and compared, value by value, with what the watch holds.

mod expected;
mod follow;
mod reconcile;
mod report;
mod runner;
mod scene;

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::follow::Kill;
use self::runner::Runner;
use self::scene::Scene;
use super::{exit, run};

/// How much, how fast, and what goes wrong on the way.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  nowbridge demo\n  nowbridge demo --hours 168 --speed 20\n  nowbridge demo --faults --seed 7"
)]
pub struct Args {
    /// Hours of history on the watch: the recording is repeated to fill them
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=336))]
    hours: u16,

    /// How much faster than a real radio the virtual air is
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,

    /// Break things: lost and damaged notifications, dropped links, a cloud that fails and lies, a daemon that is killed twice
    #[arg(long)]
    faults: bool,

    /// Seed of everything random; printed, so that a run can be repeated
    #[arg(long)]
    seed: Option<u64>,

    /// Keep the temporary folder, with the outbox and the cloud in it
    #[arg(long)]
    keep: bool,

    /// Give up after so many minutes
    #[arg(long, default_value_t = 10, value_name = "MINUTES")]
    timeout: u64,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.1 to 1000".to_owned()),
    }
}

/// Runs the demo; [`exit::DIFFERENT`] if anything differs at the end.
pub fn demo(args: &Args) -> anyhow::Result<u8> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..100_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let code = runtime.block_on(play(args, seed))?;
    // What still runs has nothing left to do.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(code)
}

async fn play(args: &Args, seed: u64) -> anyhow::Result<u8> {
    // From the start, so that nothing is left behind by whoever changes their mind while the watch is being worn.
    let stopped = CancellationToken::new();
    let signals = tokio::spawn(run::stop_on_signal(stopped.clone()));
    let scene = Scene::set(args, seed).await?;
    report::introduce(&scene, args, seed);
    let began = now();
    let mut runner = Runner::start(&scene, args.faults)?;
    let kills = if args.faults { vec![Kill::WhileSyncing, Kill::WhileUploading] } else { Vec::new() };
    let deadline = Duration::from_secs(args.timeout.saturating_mul(60));
    let followed = tokio::select! {
        followed = tokio::time::timeout(deadline, follow::follow(&scene, &mut runner, kills)) => Some(followed),
        () = stopped.cancelled() => None,
    };
    signals.abort();
    runner.stop().await?;
    let Some(followed) = followed else {
        scene.strike(args.keep).await;
        eprintln!("nowbridge: stopped before the end");
        return Ok(exit::STOPPED);
    };
    let times = followed
        .map_err(|_| anyhow::anyhow!("not done after {} minutes", args.timeout))
        .and_then(|followed| followed)
        .with_context(|| format!("the demo stopped half-way; look into {}", scene.dir.display()))?;
    let result = reconcile::reconcile(&scene).await?;
    report::conclude(&scene, &result, &times, began.elapsed());
    let equal = result.first_difference.is_none();
    scene.strike(args.keep || !equal).await;
    Ok(if equal { exit::OK } else { exit::DIFFERENT })
}

/// The demo runs in real time and tells how long it took.
#[expect(clippy::disallowed_methods, reason = "a duration to print, not a timer")]
fn now() -> Instant {
    Instant::now()
}
