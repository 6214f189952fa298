//! How fast an image is brought to a watch: the real client over the virtual air, beside what the link model allows and beside a
//! loop that waits for each answer.
//!
//! `cargo bench --bench ota`. Time is tokio's paused clock, so the figures are arithmetic on connection events and the same on every
//! machine. They show how well the client keeps a link busy, not what a radio does. Rates are of image bytes, from the first
//! request to the answer to the last; the slot is blank before, so that "erased before" costs nothing.

use std::time::Duration;

use anyhow::{bail, ensure};
use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::ota::smp::{GattSmpLink, ImageUpload, SmpClient, SmpLink, UploadOptions};
use nowbridge::radio::air::{Air, AirCentral, Phy};
use nowbridge::radio::{Central, PeerAddress};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::smp::{Pace, Setting, SmpDevice, SmpWatch, Updatable, image};
use nowbridge::sim::watch::{Flash, SimWatch, WatchOptions};
use nowbridge::wire::Sha256;
use nowbridge::wire::smp::{Params, Request, Response, UploadRequest};
use tokio::time::Instant;

/// As many as a watch's firmware has.
const IMAGE: usize = 400_000;
const START: UtcMicros = UtcMicros(1_763_827_200_000_000);
/// What loops that wait for each answer wait for it.
const PATIENCE: Duration = Duration::from_millis(2_500);

struct Case {
    name: &'static str,
    setting: Setting,
    /// Messages under way: a buffer fewer than there are.
    window: u32,
    /// kB/s.
    goal: Option<f64>,
}

fn cases() -> Vec<Case> {
    let fast = Setting {
        phy: Phy::Le2M,
        interval: Duration::from_millis(15),
        mtu: 498,
        buffers: Params { buf_size: 2475, buf_count: 4 },
        reassembly: true,
        progressive: false,
        pace: Pace::free(),
    };
    let slow = Setting { interval: Duration::from_millis(30), ..fast };
    let single = Params { buf_size: 244, buf_count: 4 };
    let flash = Setting { pace: Pace::nrf52(), ..fast };
    let case = |name, setting, goal| Case { name, setting, window: setting.buffers.buf_count - 1, goal };
    vec![
        case("15 ms, 2M, MTU 498, 2475 x 4, flash free", fast, Some(155.0)),
        case("30 ms, window 3", slow, Some(116.0)),
        case(
            "15 ms, MTU 247, no reassembly, window 3",
            Setting { mtu: 247, reassembly: false, buffers: single, ..fast },
            Some(20.5),
        ),
        case("15 ms, nRF52-class flash, erased before", flash, Some(92.0)),
        case("15 ms, nRF52-class flash, erased during", Setting { progressive: true, ..flash }, Some(29.5)),
        case(
            "30 ms, 2475 x 5, window 4",
            Setting { buffers: Params { buf_size: 2475, buf_count: 5 }, ..slow },
            None,
        ),
        case("7.5 ms, 2M", Setting { interval: Duration::from_micros(7_500), ..fast }, None),
        case("50 ms, 2M, window 3", Setting { interval: Duration::from_millis(50), ..fast }, None),
        case(
            "30 ms, 1M, MTU 247, 1024 x 4",
            Setting { phy: Phy::Le1M, mtu: 247, buffers: Params { buf_size: 1024, buf_count: 4 }, ..slow },
            None,
        ),
        case(
            "15 ms, 2M, MTU 498, Zephyr's default 384 x 4",
            Setting { buffers: Params { buf_size: 384, buf_count: 4 }, ..fast },
            None,
        ),
    ]
}

fn main() -> anyhow::Result<()> {
    println!(
        "An image of {IMAGE} bytes over a simulated link, kB/s of image. limit: of the model; waiting: a loop that"
    );
    println!("sends a message when the one before is answered.\n");
    println!(
        "{:<46} {:>6} {:>6} {:>6} {:>7} {:>8} {:>6}",
        "link and watch", "ours", "goal", "limit", "share", "waiting", "times"
    );
    let mut missed = Vec::new();
    for case in cases() {
        let (ours, waiting) = (measure(&case.setting, true)?, measure(&case.setting, false)?);
        let limit = case.setting.limit(case.window) / 1e3;
        println!(
            "{:<46} {:>6.1} {:>6} {:>6.1} {:>5.1} % {:>8.1} {:>6.1}",
            case.name,
            ours,
            case.goal.map_or_else(|| "-".to_owned(), |goal| goal.to_string()),
            limit,
            100.0 * ours / limit,
            waiting,
            ours / waiting,
        );
        if case.goal.is_some_and(|goal| ours < goal) {
            missed.push(case.name);
        }
    }
    ensure!(missed.is_empty(), "the goal was missed: {}", missed.join("; "));
    Ok(())
}

/// kB/s.
fn measure(setting: &Setting, windowed: bool) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let (air, address) = (Air::new(setting.model()), PeerAddress("C0:FF:EE:00:00:01".to_owned()));
        let options = WatchOptions { clock: Clock::simulated(START), ..WatchOptions::default() };
        let bridge = WatchOnAir::new(SimWatch::power_on(Flash::blank(2), options));
        let factory = image("1.0.0".parse()?, &[1; 10_000], None);
        let smp = SmpWatch::new(SmpDevice::new(setting.build(), &factory), setting.pace);
        air.place(address.clone(), Updatable::new(bridge.clone(), bridge, smp.clone()));

        let file: Bytes = image("2.0.0".parse()?, &vec![2; IMAGE], None).into();
        if setting.progressive {
            // The slot holds something, as it does in life.
            smp.with(|device| device.place(1, &vec![0; IMAGE + 8_192]));
        }
        let link = AirCentral::new(air.clone()).connect(&address).await?;
        let mut client = SmpClient::open(GattSmpLink::open(&link).await?).await?;
        let began = Instant::now();
        if windowed {
            let options = UploadOptions::default();
            let mut upload = ImageUpload::new(file.clone(), options, client.session(), client.path())?;
            upload.run(&mut client).await?;
            ensure!(upload.progress().borrow().progress.resent == 0, "something was sent twice");
        } else {
            wait_for_each(&mut client, &file, setting.message()).await?;
        }
        let seconds = began.elapsed().as_secs_f64();
        ensure!(smp.with(|device| device.holds(&file)), "what arrived is not what was sent");
        air.shutdown().await;
        Ok(file.len() as f64 / seconds / 1e3)
    })
}

/// The loop of most clients: a message as long as the watch takes, and the next when it is answered.
async fn wait_for_each<L: SmpLink>(
    client: &mut SmpClient<L>,
    file: &Bytes,
    message: usize,
) -> anyhow::Result<()> {
    let mut off = 0;
    while off < file.len() {
        let mut part = UploadRequest { off: Some(off as u32), ..UploadRequest::default() };
        if off == 0 {
            part.len = Some(file.len() as u32);
            part.sha = Some(Bytes::copy_from_slice(&Sha256::of(file).0));
        }
        part.data = file.slice(off..file.len().min(off + part.room(message)));
        let Response::Upload(taken) = client.request(&Request::Upload(part), PATIENCE).await? else {
            bail!("that is no answer to a part");
        };
        off = taken.off as usize;
    }
    Ok(())
}
