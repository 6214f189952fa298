//! Whatever happens on the way, an update ends with a firmware that the watch can run, and with the truth about which one that is.

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::ota::{Attempt, Ending, OtaError, Progress, Remedy, Sent};
use nowbridge::outbox::{AskedBy, NewUpdate, Outbox, UpdateRow, UpdateStep};
use nowbridge::wire::Sha256;
use tokio::sync::watch;

use super::model::{Fault, Image, Model, NEW, OLD, Way};
use crate::support::outbox::{NOON, WATCH};

const IMAGES: [Image; 4] = [Image::Good, Image::Unwell, Image::Loops, Image::Damaged];
const FAULTS: [Fault; 5] =
    [Fault::Unheard, Fault::Unanswered, Fault::Restart, Fault::CrashBefore, Fault::CrashAfter];

/// More tries than an update ever needs.
const TRIES: u32 = 60;

async fn asked(outbox: &Outbox) -> UpdateRow {
    let new = NewUpdate {
        device: WATCH,
        file: Sha256([9; 32]),
        image: Some(NEW),
        size: 1000,
        version: "2.0.0".to_owned(),
        asked_by: AskedBy::Person,
        allow_downgrade: false,
    };
    outbox.ask_update(new).await.unwrap().unwrap()
}

/// Tries until the update has ended, as often as it takes; each try knows of the ones before what the journal says.
async fn update(outbox: &Outbox, way: &Way) -> Ending {
    asked(outbox).await;
    let mut crash = way.crash.subscribe();
    for seed in 0..TRIES {
        if seed == TRIES / 2 {
            way.model.lock().unwrap().one_in = 0;
        }
        way.crash.send_replace(false);
        crash.mark_unchanged();
        let row = outbox.open_update(WATCH).await.unwrap().unwrap();
        let mut station = way.clone();
        let progress = watch::Sender::new(Progress::at(row.step, Sent::default()));
        let attempt =
            Attempt::new(&mut station, outbox, &row, Bytes::from(vec![0; 1000]), progress, seed.into());
        let ended = tokio::select! {
            ended = attempt.run() => ended,
            _ = crash.wait_for(|crashed| *crashed) => continue,
        };
        match ended {
            Ok(ending) => return ending,
            Err(error) => assert!(error.remedy() != Remedy::Never, "{error}"),
        }
    }
    panic!("no end after {TRIES} tries: {:?}", way.model.lock().unwrap());
}

async fn check(outbox: &Outbox, way: &Way, ending: Ending) {
    let row = outbox.updates(Some(WATCH), 1).await.unwrap().remove(0);
    assert!(row.ended.is_some());
    let refused = outbox.refused_firmware(WATCH, row.file).await.unwrap();
    let model = way.model.lock().unwrap();
    assert_eq!(model.confirms_of_the_unwell, 0, "an image was kept with which the watch is not well");
    assert!(model.confirmed, "what runs is kept");
    match ending {
        Ending::Done => {
            assert_eq!((row.step, model.running, model.image), (UpdateStep::Done, NEW, Image::Good));
            assert_eq!(refused, None);
        }
        Ending::Reverted => assert_eq!((row.step, model.running), (UpdateStep::Reverted, OLD)),
        Ending::Rejected => assert_eq!((row.step, model.running), (UpdateStep::Rejected, OLD)),
        Ending::Unconfirmed => panic!("this watch can be told to keep an image"),
    }
    assert_eq!(ending == Ending::Done, refused.is_none(), "what was not kept is not given again");
}

#[tokio::test(start_paused = true)]
async fn without_faults_the_image_decides() {
    let wanted = [Ending::Done, Ending::Reverted, Ending::Reverted, Ending::Rejected];
    for (image, wanted) in IMAGES.into_iter().zip(wanted) {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path(), Clock::simulated(NOON)).await.unwrap();
        let way = Way::to(Model::new(image, 0));
        let ending = update(&outbox, &way).await;
        assert_eq!(ending, wanted, "{image:?}");
        check(&outbox, &way, ending).await;
        assert_eq!(way.model.lock().unwrap().uploads, 1);
        let row = outbox.updates(None, 1).await.unwrap().remove(0);
        assert_eq!((row.from.as_deref(), row.sent_bytes), (Some("1.0.0"), 1000));
        let steps: Vec<UpdateStep> =
            outbox.update_steps(row.key).await.unwrap().into_iter().map(|step| step.step).collect();
        if image == Image::Good {
            use UpdateStep::{Checking, Confirming, Done, Offered, Preflight, Rebooting, Testing, Uploading};
            assert_eq!(
                steps,
                [Offered, Preflight, Uploading, Testing, Rebooting, Checking, Confirming, Done]
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_step_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), Clock::simulated(NOON)).await.unwrap();
    for image in IMAGES {
        for fault in FAULTS {
            for call in 1..=24 {
                let way = Way::to(Model { planned: Some((call, fault)), ..Model::new(image, 0) });
                let ending = update(&outbox, &way).await;
                check(&outbox, &way, ending).await;
                let good = matches!(ending, Ending::Done);
                // An image that is restarted before it could be confirmed has gone back: not ours to call it good.
                assert!(
                    good == (image == Image::Good) || fault == Fault::Restart,
                    "{image:?} {fault:?} {call}"
                );
                outbox.pardon_firmware(WATCH, Sha256([9; 32])).await.unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_row_of_faults_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), Clock::simulated(NOON)).await.unwrap();
    for seed in 0..150 {
        for image in IMAGES {
            let way = Way::to(Model { one_in: 2 + (seed % 7) as u32, ..Model::new(image, seed) });
            let ending = update(&outbox, &way).await;
            check(&outbox, &way, ending).await;
            outbox.pardon_firmware(WATCH, Sha256([9; 32])).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_update_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), Clock::simulated(NOON)).await.unwrap();
    let row = asked(&outbox).await;
    let way = Way::to(Model { other: Some((Sha256([3; 32]), true)), ..Model::new(Image::Good, 0) });
    let mut station = way.clone();
    let progress = watch::Sender::new(Progress::at(row.step, Sent::default()));
    let attempt = Attempt::new(&mut station, &outbox, &row, Bytes::from(vec![0; 1000]), progress, 0);
    let error = attempt.run().await.unwrap_err();
    assert!(matches!(error, OtaError::Foreign(_)), "{error}");
    assert_eq!(error.remedy(), Remedy::Never);
    let model = way.model.lock().unwrap();
    assert_eq!((model.other, model.uploads), (Some((Sha256([3; 32]), true)), 0));
}
