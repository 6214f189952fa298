//! The process ends between any two steps of a delivery: after a batch was written down and before it is sent, after the cloud has
//! stored it and before the receipt is, after a batch was halved, after a sample was put aside. Whoever starts on what is left on the
//! disk sends the same bytes under the same key, and nothing is missing or there twice.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use nowbridge::measurement::{Kind, Value};
use nowbridge::outbox::Outbox;
use nowbridge::upload::UploaderConfig;
use nowbridge::wire::bridge::Stream;
use rusqlite::{Connection, OptionalExtension};
use tempfile::TempDir;

use crate::support::memory_cloud::{MemoryCloud, Parcel, Verdict, answer};
use crate::support::outbox::open;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, config, sample, sink, values};

/// What the cloud takes at once, at most.
const ROWS: usize = 120;
/// A value that it never takes.
const POISON: i32 = 251;

/// The disk at the moment that an upload is on its way.
struct Moment {
    disk: TempDir,
    parcel: Parcel,
}

fn verdict(parcel: &Parcel) -> Verdict {
    if parcel.rows.len() > ROWS {
        return Verdict::Refuse(answer(413, "request entity too large"));
    }
    let is_poison = |value: &Value| *value == Value::Integer(POISON.into());
    if parcel.rows.iter().any(|row| is_poison(&row.value)) {
        return Verdict::Refuse(answer(400, "a value is out of range"));
    }
    Verdict::Take
}

fn copy(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for name in ["outbox.db", "outbox.db-wal"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// Whether an upload is a batch that was written down, and not a question beside one.
fn is_on_record(disk: &Path, key: &str) -> bool {
    let copy = copy(disk);
    let file = Connection::open(copy.path().join("outbox.db")).unwrap();
    let open = "SELECT 1 FROM batch WHERE idempotency_key = ?1 AND state = 'open'";
    let key: uuid::Uuid = key.parse().unwrap();
    let found = file.query_row(open, [key.to_string()], |_| Ok(())).optional().unwrap();
    found.is_some()
}

fn heart() -> (Recorder, Held) {
    let mut samples: Vec<_> =
        (0..600).map(|second| sample(second * 1_000, 60 + (second % 17) as i32)).collect();
    samples[333].value = POISON;
    let (mut recorder, mut held) = (Recorder::sealing_at(50), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    samples.remove(333);
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    (recorder, held)
}

fn settings() -> UploaderConfig {
    UploaderConfig { max_samples: 200, ..config() }
}

async fn counts(outbox: &Outbox) -> (u64, u64) {
    let tallies = outbox.tallies(&sink()).await.unwrap();
    (tallies.iter().map(|it| it.sent).sum(), tallies.iter().map(|it| it.dead).sum())
}

#[tokio::test(start_paused = true)]
async fn and_the_next_one_goes_on_as_if_it_had_not() {
    let (mut recorder, expected) = heart();
    let depot = Depot::holding(&mut recorder).await;
    let moments = Arc::<Mutex<Vec<Moment>>>::default();
    let (dir, kept) = (depot.dir.path().to_owned(), Arc::clone(&moments));
    let cloud = MemoryCloud::judging(move |parcel| {
        kept.lock().unwrap().push(Moment { disk: copy(&dir), parcel: parcel.clone() });
        verdict(parcel)
    });
    Loop::start_with(settings(), cloud.clone(), &depot.outbox).idle().await;
    assert_eq!((cloud.held() == expected, counts(&depot.outbox).await), (true, (599, 1)));

    let (moments, all) = (std::mem::take(&mut *moments.lock().unwrap()), cloud.parcels());
    let mut repeated = 0;
    for (index, moment) in moments.iter().enumerate() {
        let is_batch = is_on_record(moment.disk.path(), &moment.parcel.key);
        for arrived in [false, true] {
            let what = format!("upload {index} of {}, arrived: {arrived}", all.len());
            let again = MemoryCloud::judging(verdict);
            for parcel in &all[..index + usize::from(arrived)] {
                remember(&again, parcel);
            }
            let disk = copy(moment.disk.path());
            let outbox = open(disk.path()).await.unwrap();
            Loop::start_with(settings(), again.clone(), &outbox).idle().await;

            let first = &again.parcels()[index + usize::from(arrived)];
            if is_batch {
                repeated += 1;
                assert_eq!((&first.key, &first.zip), (&moment.parcel.key, &moment.parcel.zip), "{what}");
            }
            assert!(again.held() == expected, "{what}: the cloud holds something else");
            assert_eq!(counts(&outbox).await, (599, 1), "{what}");
        }
    }
    assert!(repeated >= 20, "this was no test of batches: {repeated} of {}", 2 * moments.len());
}

/// The cloud has had this upload from the process that has ended.
fn remember(cloud: &MemoryCloud, parcel: &Parcel) {
    let mut state = cloud.state();
    if matches!(verdict(parcel), Verdict::Take) {
        for row in &parcel.rows {
            let value = (row.value.to_string(), row.quality.map(nowbridge::measurement::Quality::get));
            state.held.insert((parcel.kind, row.at.0), value);
        }
    }
    state.parcels.push(parcel.clone());
}
