//! Every fault of a watch at every step of an update, with the real client over the virtual air: in the end the new firmware runs and
//! is kept, or the old one runs; never neither, and nobody says otherwise.

use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::ota::{Attempt, Ending, OtaError, Progress, Remedy, Sent};
use nowbridge::outbox::{AskedBy, NewUpdate, Outbox};
use nowbridge::radio::air::LinkModel;
use nowbridge::sim::smp::{Build, Fault, Flags, NewImage, Pace, Planned, SmpDevice, SmpWatch, Step};
use nowbridge::wire::Sha256;
use tokio::sync::watch;

use super::host::{firmware, hash, list, write};
use super::way::{Tally, Way, on_air};
use crate::support::outbox::{NOON, WATCH};

/// More tries than an update ever needs.
const TRIES: u64 = 12;
/// Bytes of image that may be under way at once: three messages of 2475.
const WINDOW: u64 = 3 * 2_449;
/// Asking a watch how far it is costs the beginning of the image.
const QUESTION: u64 = 32;

const MTU_498: LinkModel = LinkModel { mtu: 498, ..LinkModel::fast_2m_15ms() };

fn new() -> Vec<u8> {
    firmware("2.0.0", 30_000)
}

struct Story {
    ended: Result<Ending, OtaError>,
    tally: Tally,
    smp: SmpWatch,
}

/// Tries until the update has ended for good; goes through `faulty` first.
async fn update(outbox: &Outbox, build: Build, faulty: impl FnOnce(&SmpWatch)) -> Story {
    update_at(outbox, build, Pace::nrf52(), faulty).await
}

async fn update_at(outbox: &Outbox, build: Build, pace: Pace, faulty: impl FnOnce(&SmpWatch)) -> Story {
    let (air, _, smp) = on_air(MTU_498, build, pace);
    faulty(&smp);
    let file = new();
    let asked = NewUpdate {
        device: WATCH,
        file: Sha256::of(&file),
        image: Some(Sha256(hash(&file))),
        size: file.len() as u32,
        version: "2.0.0".to_owned(),
        asked_by: AskedBy::Person,
        allow_downgrade: false,
    };
    let key = outbox.ask_update(asked).await.unwrap().unwrap().key;
    let mut way = Way::over(&air);
    let mut ended = None;
    for seed in 0..TRIES {
        if seed == TRIES / 2 {
            smp.with(|device| device.by_chance(0, 0));
        }
        let row = outbox.open_update(WATCH).await.unwrap().unwrap();
        let progress = watch::Sender::new(Progress::at(row.step, Sent::default()));
        let attempt = Attempt::new(&mut way, outbox, &row, file.clone().into(), progress, seed);
        let end = attempt.run().await;
        let over = end.as_ref().map_or_else(|error| error.remedy() == Remedy::Never, |_| true);
        ended = Some(end);
        if over {
            break;
        }
    }
    air.shutdown().await;
    if let Some(row) = outbox.open_update(WATCH).await.unwrap() {
        assert_eq!(row.key, key);
        outbox
            .refuse_update(&row, nowbridge::outbox::UpdateStep::Failed, "the story is over".to_owned())
            .await
            .unwrap();
    }
    outbox.pardon_firmware(WATCH, Sha256::of(&file)).await.unwrap();
    let tally = *way.tally.lock().unwrap();
    Story { ended: ended.expect("there was a try"), tally, smp }
}

impl Story {
    /// What is said is what is.
    fn check(&self, what: &str) {
        let what = format!("{what}: {:?}", self.ended);
        assert!(!self.smp.is_dead(), "{what}");
        self.smp.with(|device| {
            assert!(device.is_bootable(), "{what}");
            let runs_new = device.running_hash() == Some(Sha256(hash(&new())));
            match &self.ended {
                Ok(Ending::Done) => {
                    assert!(runs_new && !device.is_on_trial(), "{what}");
                    device.boot();
                    assert_eq!(device.version().to_string(), "2.0.0", "{what}: it stays");
                }
                Ok(Ending::Unconfirmed) => panic!("{what}: this watch can be told to keep an image"),
                Ok(_) => assert!(!runs_new && !device.is_on_trial(), "{what}: {:?}", list(device)),
                Err(_) => {
                    device.boot();
                    let confirmed = !device.is_on_trial();
                    assert!(confirmed && (!runs_new || device.behaviour() == NewImage::Good), "{what}");
                }
            }
        });
    }
}

async fn outbox(dir: &tempfile::TempDir) -> Outbox {
    Outbox::open(dir.path(), Clock::simulated(NOON)).await.unwrap()
}

/// Faults that only an upload can have.
fn of_uploads(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::OffBack
            | Fault::OffForward
            | Fault::OffPast
            | Fault::OffSame
            | Fault::SlowErase
            | Fault::FlashFails
            | Fault::MatchDenied
            | Fault::MatchClaimed
            | Fault::Fades
    )
}

/// The image that arrives is not the one that was sent.
fn damages(fault: Fault) -> bool {
    matches!(fault, Fault::Fades | Fault::MatchClaimed)
}

#[tokio::test(start_paused = true)]
async fn each_fault_at_each_step() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    let mut done = 0;
    for fault in Fault::ALL {
        for step in Step::ALL {
            if of_uploads(fault) && step != Step::Upload {
                continue;
            }
            let times: &[(u32, u32)] =
                if step == Step::Upload { &[(1, 1), (5, 1), (5, 3), (1, 99)] } else { &[(1, 1), (2, 2)] };
            for &(nth, times) in times {
                // What strikes at the end has to be there at the end.
                let (nth, times) =
                    if damages(fault) || fault == Fault::MatchDenied { (1, 99) } else { (nth, times) };
                let planned = Planned { fault, step, nth, times };
                let story =
                    update(&outbox, Build::default(), |smp| smp.with(|device| device.plan([planned]))).await;
                let what = format!("{planned:?}");
                story.check(&what);
                let is_done = matches!(story.ended, Ok(Ending::Done));
                assert!(!is_done || !damages(fault), "{what}");
                assert!(
                    is_done
                        || damages(fault)
                        || times > 3
                        || matches!(fault, Fault::Restart | Fault::RestartAfter),
                    "{what}: {:?}",
                    story.ended
                );
                done += u32::from(is_done);
            }
        }
    }
    assert!(done > 80, "{done}");
}

#[tokio::test(start_paused = true)]
async fn any_row_of_faults() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    for seed in 0..40 {
        let flags = [Flags::default(), Flags::IMAGE_CHECK, Flags::PROGRESSIVE_ERASE][seed as usize % 3];
        let build = Build { flags, ..Build::default() };
        let one_in = 3 + seed as u32 % 12;
        let story = update(&outbox, build, |smp| smp.with(|device| device.by_chance(seed, one_in))).await;
        story.check(&format!("seed {seed}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_image_decides() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    for new_image in
        [NewImage::Good, NewImage::Loops, NewImage::WrongVersion, NewImage::Mute, NewImage::NoSmp]
    {
        let story = update(&outbox, Build::default(), |smp| {
            smp.with(|device| device.set_new_image(new_image));
        })
        .await;
        let ended = match &story.ended {
            Ok(ending) => Some(*ending),
            Err(error) => {
                assert!(matches!(error, OtaError::NoService), "{error}");
                None
            }
        };
        let wanted = match new_image {
            NewImage::Good => Some(Ending::Done),
            NewImage::NoSmp => None,
            _ => Some(Ending::Reverted),
        };
        assert_eq!(ended, wanted, "{new_image:?}");
        if new_image == NewImage::NoSmp {
            // Nobody can tell it to keep the image, so its next start takes it back.
            story.smp.power_cut(None);
        }
        story.check(&format!("{new_image:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_costs_a_window_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    for fault in [Fault::HangUp, Fault::HangUpAfter] {
        for nth in 1..=13 {
            let planned = Planned { fault, step: Step::Upload, nth, times: 1 };
            let story =
                update(&outbox, Build::default(), |smp| smp.with(|device| device.plan([planned]))).await;
            assert_eq!(story.ended.unwrap(), Ending::Done, "{planned:?}");
            let Tally { sent, resent } = story.tally;
            assert!(resent <= WINDOW + QUESTION, "{planned:?}: {resent}");
            assert!(sent <= new().len() as u64 + WINDOW + QUESTION, "{planned:?}: {sent}");
        }
    }
}

/// What a watch puts together around a hole is a message to it, and the image is damaged without a word. A watch that compares the
/// file says so in the end; of one that does not, the boot loader finds out.
#[tokio::test(start_paused = true)]
async fn a_piece_that_is_lost_is_made_good_or_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    for nth in [1, 2, 5, 6, 7, 8, 20, 40, 65, 70] {
        for flags in [Flags::default(), Flags::IMAGE_CHECK] {
            let build = Build { flags, ..Build::default() };
            let story = update(&outbox, build, |smp| smp.lose_write(nth)).await;
            story.check(&format!("write {nth}"));
            let ending = story.ended.unwrap();
            let found_out = flags == Flags::default() && ending == Ending::Rejected;
            assert!(ending == Ending::Done || found_out, "write {nth}: {ending:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_takes_a_minute_to_start_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    let slow = Pace { boot: Duration::from_mins(1), ..Pace::nrf52() };
    let story = update_at(&outbox, Build::default(), slow, |_| ()).await;
    story.check("slow");
    assert_eq!(story.ended.unwrap(), Ending::Done);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_somebody_else_put_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox(&dir).await;
    let pending = |device: &mut SmpDevice| {
        let foreign = firmware("3.0.0", 5_000);
        device.place(1, &foreign);
        write(device, Some(&hash(&foreign)), false).unwrap();
    };
    let story = update(&outbox, Build::default(), |smp| smp.with(pending)).await;
    assert!(matches!(story.ended, Err(OtaError::Foreign(_))), "{:?}", story.ended);
    let wanted = ["0 1.0.0 bootable confirmed active", "1 3.0.0 bootable pending"];
    assert_eq!(story.smp.with(list), wanted);
    assert_eq!(story.tally.sent, 0);
}
