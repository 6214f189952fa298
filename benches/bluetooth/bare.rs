//! btleplug as it comes: subscribes to the watch's blocks, has it send all of them, and counts.
//!
//! The watch, the path and the notifications are those of a session; there is only no credit to top up, no commit, no check, no disk.

use std::time::Duration;

use anyhow::{Context, bail};
use btleplug::api::{Central as _, Characteristic, Manager as _, Peripheral as _, ScanFilter, WriteType};
use btleplug::platform::{Manager, Peripheral};
use futures_util::StreamExt;
use nowbridge::wire::bridge::{CONTROL, DATA, INFO, Info, Request, Response};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::WATCH;

/// A watch that has said nothing for so long will not go on.
const SILENCE: Duration = Duration::from_secs(10);
const LOOKS: u32 = 300;
const PULL_ID: u8 = 1;

/// Bytes a second, those of the notifications' flags among them.
pub async fn rate() -> anyhow::Result<f64> {
    let watch = connected(WATCH).await?;
    let rate = pulled(&watch).await;
    watch.disconnect().await?;
    rate
}

async fn pulled(watch: &Peripheral) -> anyhow::Result<f64> {
    let (control, data) = (characteristic(watch, CONTROL)?, characteristic(watch, DATA)?);
    watch.subscribe(&control).await?;
    watch.subscribe(&data).await?;
    let mut values = watch.notifications().await?;
    let info = Info::decode(&watch.read(&characteristic(watch, INFO)?).await?)?;
    let pull = Request::Pull { id: PULL_ID, log_id: info.log_id, from: info.tail, credit: u32::MAX };
    let (began, mut bytes, mut last) = (Instant::now(), 0, None);
    watch.write(&control, &pull.encode(), WriteType::WithResponse).await?;
    loop {
        let value = timeout(SILENCE, values.next()).await.context("the watch is silent")?;
        let value = value.context("the link ended")?;
        if value.uuid == DATA {
            bytes += value.value.len();
            last = Some(Instant::now());
        } else if value.uuid == CONTROL {
            match Response::decode(&value.value)? {
                Response::End { .. } => break,
                other => bail!("instead of the end of the pull: {other:?}"),
            }
        }
    }
    let took = last.context("the watch had nothing to send")? - began;
    Ok(bytes as f64 / took.as_secs_f64())
}

/// A watch with a link, its services known.
pub async fn connected(address: &str) -> anyhow::Result<Peripheral> {
    let adapter =
        Manager::new().await?.adapters().await?.into_iter().next().context("there is no adapter")?;
    adapter.start_scan(ScanFilter::default()).await?;
    let mut looks = 0;
    let watch = loop {
        let found =
            adapter.peripherals().await?.into_iter().find(|found| found.address().to_string() == address);
        match found {
            Some(watch) => break watch,
            None if looks == LOOKS => bail!("{address} is not heard"),
            None => looks += 1,
        }
        sleep(Duration::from_millis(100)).await;
    };
    adapter.stop_scan().await?;
    watch.connect().await?;
    watch.discover_services().await?;
    Ok(watch)
}

/// One of its characteristics.
pub fn characteristic(watch: &Peripheral, uuid: Uuid) -> anyhow::Result<Characteristic> {
    let found = watch.characteristics().into_iter().find(|found| found.uuid == uuid);
    found.with_context(|| format!("the watch has no {uuid}"))
}
