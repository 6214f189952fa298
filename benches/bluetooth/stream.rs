//! The lab's other watch, which sends as fast as the radio takes it: what the stack carries, whoever listens.

use std::env;
use std::time::Duration;

use anyhow::{Context, ensure};
use btleplug::api::Peripheral as _;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use uuid::{Uuid, uuid};

use crate::bare::{characteristic, connected};

/// Says where the lab takes commands.
pub const LAB: &str = "NOWBRIDGE_LAB";
const SENSOR: &str = "C0:DE:00:00:00:01";
const TX: Uuid = uuid!("6e400003-b5a3-f393-e0a9-e50e24dcca9e");
const COUNT: usize = 2000;
/// What fits a notification of the simulated watch, too.
const SIZE: usize = 244;
const SILENCE: Duration = Duration::from_secs(10);

/// Bytes a second.
pub async fn rate() -> anyhow::Result<f64> {
    let sensor = connected(SENSOR).await?;
    sensor.subscribe(&characteristic(&sensor, TX)?).await?;
    let mut values = sensor.notifications().await?;
    let began = Instant::now();
    // It answers when the last one is queued.
    let port = env::var(LAB).context("there is no lab")?;
    let told = tokio::spawn(async move { tell(&port).await });
    let (mut count, mut took) = (0, Duration::ZERO);
    // On a busy machine a loop as simple as this one loses some: what holds them back for it is bounded.
    while count < COUNT
        && let Ok(value) = timeout(SILENCE, values.next()).await
    {
        value.context("the link ended")?;
        (count, took) = (count + 1, began.elapsed());
    }
    ensure!(count > COUNT / 2, "only {count} of {COUNT} notifications arrived");
    told.await??;
    sensor.disconnect().await?;
    Ok((count * SIZE) as f64 / took.as_secs_f64())
}

async fn tell(port: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(port).await?;
    let command = format!("{{\"cmd\":\"stream\",\"count\":{COUNT},\"size\":{SIZE},\"window\":64}}\n");
    stream.write_all(command.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    ensure!(!answer.contains("error"), "the lab says {answer}");
    Ok(())
}
