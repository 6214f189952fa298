//! The second updater, against a simulated watch: Nordic's legacy DFU has no resume, no hashes and no confirmation.

use std::sync::Arc;
use std::time::Duration;

use nowbridge::ota::dfu::Dfu;
use nowbridge::ota::{Ending, OtaError, Protocol, Remedy, Sent, Target};
use nowbridge::sim::dfu::{DfuFaults, Loss};
use nowbridge::wire::Sha256;
use nowbridge::wire::dfu::{Op, PackageError, Status};
use nowbridge::wire::mcuboot::Image;
use tokio::sync::watch;
use tokio::time::Instant;

use super::infinitime::{Way, attempt, image, package};

/// Writes before the first packet of the image.
const HEAD: u32 = 7;

fn faults(way: &Way, faults: DfuFaults) {
    way.watch.with(|service, _| service.faults = faults);
}

async fn upload(way: &Way, size: usize) -> (Result<(), OtaError>, watch::Receiver<Sent>) {
    let package = package(&image("2.0.0", size));
    let target = Target { image: None, version: "2.0.0".to_owned(), file: Sha256::of(&package) };
    let (sender, told) = watch::channel(Sent::default());
    let mut dfu = Dfu::open(Arc::new(way.connect().await), way.past.clone()).unwrap();
    let uploaded = dfu.upload(&package, &target, &sender).await;
    dfu.close().await;
    (uploaded, told)
}

#[tokio::test(start_paused = true)]
async fn it_runs_the_image_and_a_person_has_to_keep_it() {
    let file = image("2.0.0", 5_000);
    let named = Image::parse(&file).unwrap().hash;
    for named in [None, Some(named)] {
        let mut way = Way::to("1.0.0");
        assert_eq!(attempt(&mut way, &package(&file), named).await.unwrap(), Ending::Unconfirmed);
        assert_eq!((way.running().as_str(), way.begun()), ("2.0.0", 1));
        way.watch.with(|service, slots| {
            assert_eq!(slots.flash(), file);
            assert!(!slots.running.kept && !service.stopped);
        });
        way.watch.restart();
        assert_eq!(way.running(), "1.0.0", "nobody has kept it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_lost_at_any_step_costs_one_more_upload_at_most() {
    let file = image("2.0.0", 2_500);
    let package = package(&file);
    let packets = file.len().div_ceil(20) as u32;
    let validate = HEAD + packets + 1;
    let inside = [1, 2, 50, 51, 100, packets - 1, packets].map(|packet| HEAD + packet);
    for at in (1..=HEAD).chain(inside).chain([validate, validate + 1]) {
        for loss in [Loss::Unheard, Loss::Unanswered] {
            let mut way = Way::to("1.0.0");
            faults(&way, DfuFaults { lost_at: Some((at, loss)), ..DfuFaults::default() });
            let ending = attempt(&mut way, &package, None).await;
            assert!(matches!(ending, Ok(Ending::Unconfirmed)), "write {at}, {loss:?}: {ending:?}");
            assert_eq!(way.running(), "2.0.0", "write {at}, {loss:?}");
            assert!(way.begun() <= 2, "write {at}, {loss:?}: {} uploads", way.begun());
            way.watch.with(|_, slots| assert_eq!(slots.flash(), file));
            assert_eq!(way.past.broke_off(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_broke_off_begins_anew_and_says_why() {
    let way = Way::to("1.0.0");
    faults(&way, DfuFaults { lost_at: Some((HEAD + 170, Loss::Unheard)), ..DfuFaults::default() });
    let (broken, _) = upload(&way, 5_000).await;
    assert_eq!(broken.unwrap_err().remedy(), Remedy::Reconnect);
    let why = way.past.broke_off().unwrap();
    assert!((1_000..=3_000).contains(&why.acked), "{why}");
    let text = why.to_string();
    assert!(text.contains("out of range") && text.contains("all of it goes again"), "{text}");
    let began = Instant::now();
    let (uploaded, told) = upload(&way, 5_000).await;
    uploaded.unwrap();
    assert!(began.elapsed() > Duration::from_secs(10), "the watch has to forget the first one");
    let told = *told.borrow();
    assert_eq!((told.acked, told.sent, told.resent), (told.total, told.total, why.acked));
}

#[tokio::test(start_paused = true)]
async fn a_lost_receipt_is_forgiven() {
    for receipt in 1..=4 {
        let way = Way::to("1.0.0");
        faults(&way, DfuFaults { lost_receipt: Some(receipt), ..DfuFaults::default() });
        upload(&way, 5_000).await.0.unwrap();
        assert_eq!(way.begun(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_packet_is_noticed_and_sent_again_with_all_the_others() {
    let mut way = Way::to("1.0.0");
    faults(&way, DfuFaults { lost_packet: Some(77), ..DfuFaults::default() });
    let package = package(&image("2.0.0", 5_000));
    assert_eq!(attempt(&mut way, &package, None).await.unwrap(), Ending::Unconfirmed);
    assert_eq!((way.running().as_str(), way.begun()), ("2.0.0", 2));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_miscounts_is_not_believed() {
    let way = Way::to("1.0.0");
    faults(&way, DfuFaults { wrong_receipt: Some(2), ..DfuFaults::default() });
    let error = upload(&way, 5_000).await.0.unwrap_err();
    assert!(error.to_string().contains("counts 2001"), "{error}");
    assert_eq!(error.remedy(), Remedy::Reconnect);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_did_not_arrive_whole_is_never_started() {
    let mut way = Way::to("1.0.0");
    faults(&way, DfuFaults { flips: 1, ..DfuFaults::default() });
    let error = attempt(&mut way, &package(&image("2.0.0", 2_000)), None).await.unwrap_err();
    assert!(matches!(error, OtaError::Damaged), "{error}");
    assert_eq!((error.remedy(), way.running().as_str()), (Remedy::Later, "1.0.0"));
}

#[tokio::test(start_paused = true)]
async fn updates_that_are_switched_off_on_the_watch_are_told_so() {
    let mut way = Way::to("1.0.0");
    faults(&way, DfuFaults { switched_off: true, ..DfuFaults::default() });
    let error = attempt(&mut way, &package(&image("2.0.0", 2_000)), None).await.unwrap_err();
    assert!(error.to_string().contains("switch on firmware updates on the watch"), "{error}");
    assert_eq!((error.remedy(), way.begun()), (Remedy::Never, 0));
}

#[tokio::test(start_paused = true)]
async fn each_refusal_has_a_remedy() {
    let refusals = [
        (Op::Start, Status::Size, Remedy::Never),
        (Op::Start, Status::NotSupported, Remedy::Never),
        (Op::Init, Status::Failed, Remedy::Later),
        (Op::Receive, Status::InvalidState, Remedy::Later),
        (Op::Validate, Status::Crc, Remedy::Later),
        (Op::Validate, Status::Other(9), Remedy::Never),
    ];
    for (op, status, remedy) in refusals {
        let mut way = Way::to("1.0.0");
        faults(&way, DfuFaults { refuses: Some((op, status)), ..DfuFaults::default() });
        let error = attempt(&mut way, &package(&image("2.0.0", 2_000)), None).await.unwrap_err();
        assert_eq!((error.remedy(), way.running().as_str()), (remedy, "1.0.0"), "{op:?} {status:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_to_start_that_is_passed_over_is_no_success() {
    let mut way = Way::to("1.0.0");
    faults(&way, DfuFaults { ignores_activation: 9, ..DfuFaults::default() });
    let error = attempt(&mut way, &package(&image("2.0.0", 2_000)), None).await.unwrap_err();
    assert!(matches!(error, OtaError::NotShown(_)), "{error}");
    assert_eq!(way.running(), "1.0.0");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_falls_over_is_reverted() {
    let mut way = Way::to("1.0.0");
    way.watch.with(|_, slots| slots.loops = true);
    let ending = attempt(&mut way, &package(&image("2.0.0", 2_000)), None).await.unwrap();
    assert_eq!((ending, way.running().as_str()), (Ending::Reverted, "1.0.0"));
}

#[tokio::test(start_paused = true)]
async fn a_package_of_another_version_is_not_begun() {
    let mut way = Way::to("1.0.0");
    let error = attempt(&mut way, &package(&image("3.0.0", 2_000)), None).await.unwrap_err();
    assert!(matches!(error, OtaError::Package(PackageError::OtherVersion { .. })), "{error}");
    let error = attempt(&mut way, &package(&image("2.0.0", 2_000)), Some(Sha256([7; 32]))).await.unwrap_err();
    assert!(matches!(error, OtaError::Package(PackageError::OtherImage(_))), "{error}");
    assert_eq!((error.remedy(), way.watch.writes()), (Remedy::Never, 0));
}
