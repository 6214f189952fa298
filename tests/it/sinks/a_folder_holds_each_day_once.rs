//! A file for each watch, kind and UTC day, whatever is repeated and however often.

use std::path::{Path, PathBuf};

use nowbridge::config::FolderFormat;
use nowbridge::measurement::Kind;
use nowbridge::outbox::SinkName;
use nowbridge::upload::UploaderConfig;
use nowbridge::upload::sinks::Folder;
use nowbridge::wire::bridge::{LogId, Sample, Seq, Stream};

use crate::support::outbox::WATCH;
use crate::support::process::files_below;
use crate::support::upload::{
    BOOTED, Depot, Held, LONG_US, Loop, Recorder, after_long, beats, config, sample, values,
};

/// Half a day on each side of midnight.
fn two_days() -> (Recorder, Held) {
    let (mut recorder, mut held) = (Recorder::new(), Held::new());
    let seconds = || (12 * 3_600..36 * 3_600).step_by(30);
    let heart: Vec<Sample> =
        seconds().map(|second| sample(second * 1_000, 60 + second as i32 % 40)).collect();
    let warm: Vec<Sample> =
        seconds().map(|second| sample(second * 1_000, 3_600 + second as i32 % 90)).collect();
    let beating: Vec<Sample> =
        (0..2_000).map(|beat| sample(86_390_000 + beat * 800, if beat == 0 { 0 } else { 800 })).collect();
    recorder.record_all(Stream::HEART_RATE, &heart);
    recorder.record_all(Stream::TEMPERATURE, &warm);
    recorder.record_all(Stream::BEATS, &beating);
    values(&mut held, Kind::HeartRate, BOOTED, &heart);
    values(&mut held, Kind::Temperature, BOOTED, &warm);
    beats(&mut held, BOOTED, &beating);
    (recorder, held)
}

fn to(sink: &str) -> UploaderConfig {
    UploaderConfig { sink: SinkName(sink.to_owned()), max_samples: 500, ..config() }
}

/// What the files hold, read as anybody would.
fn read(root: &Path) -> Held {
    let mut held = Held::new();
    for (path, content) in files_below(root) {
        let text = String::from_utf8(content).unwrap();
        let (kind, day) = (part(&path, 1).parse::<Kind>().unwrap(), part(&path, 0));
        let mut last = i64::MIN;
        for line in text.lines() {
            let (second, value, quality) = if path.extension().is_some_and(|extension| extension == "csv") {
                let fields: Vec<&str> = line.split(',').collect();
                let Ok(second) = fields[0].parse::<i64>() else {
                    assert_eq!(line, "datetime,value,quality_indicator");
                    continue;
                };
                (second, fields[1].to_owned(), fields[2].parse().unwrap())
            } else {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let value = row["value"].as_str().map_or_else(|| row["value"].to_string(), str::to_owned);
                (row["datetime"].as_i64().unwrap(), value, row["quality_indicator"].as_u64().unwrap() as u8)
            };
            assert!(second > last, "{}: {second} after {last}", path.display());
            assert!(day.starts_with(if second < 1_672_617_600 { "2023-01-01." } else { "2023-01-02." }));
            last = second;
            assert_eq!(held.insert((kind, second), (value, Some(quality))), None);
        }
    }
    held
}

/// The n-th last part of a path.
fn part(path: &Path, from_the_end: usize) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts[parts.len() - 1 - from_the_end].clone()
}

#[tokio::test(start_paused = true)]
async fn as_it_was_measured_in_both_formats_and_again_without_a_change() {
    let (mut recorder, expected) = two_days();
    let depot = Depot::holding(&mut recorder).await;
    for format in [FolderFormat::Csv, FolderFormat::Jsonl] {
        let root = tempfile::tempdir().unwrap();
        let folder = || Folder::new(root.path().to_owned(), format);
        let status = Loop::to(to(format.name()), folder(), &depot.outbox).idle().await;
        let held = read(root.path());
        let wrong = held.iter().find(|(at, row)| expected.get(at) != Some(row));
        assert_eq!((held.len(), wrong), (expected.len(), None));
        assert!(status.batches > 6, "{status:?}");
        let files = files_below(root.path());
        assert_eq!(files.len(), 6, "three kinds on two days");

        // As after a crash between writing and remembering that it was written: everything comes again.
        let again = Loop::to(to(&format!("{}-again", format.name())), folder(), &depot.outbox).idle().await;
        assert_eq!(again.batches, status.batches);
        assert!(again.sent_bytes < status.sent_bytes, "a file that has it all is left alone");
        assert_eq!(files_below(root.path()), files);
    }
}

#[tokio::test(start_paused = true)]
async fn and_the_receipt_names_the_files() {
    let (mut recorder, _) = two_days();
    let depot = Depot::holding(&mut recorder).await;
    let root = tempfile::tempdir().unwrap();
    let config = UploaderConfig { max_samples: 1_000_000, ..to("folder") };
    Loop::to(config, Folder::new(root.path().to_owned(), FolderFormat::Csv), &depot.outbox).idle().await;
    let receipts = depot.outbox.receipts(10).await.unwrap();
    let heart = receipts.iter().find(|receipt| receipt.kind == Kind::HeartRate).unwrap();
    let day = |day: &str| format!("{WATCH}/HEART_RATE/{day}.csv");
    assert_eq!(heart.body, format!("{} {}", day("2023-01-01"), day("2023-01-02")));
    let all: Vec<PathBuf> = receipts
        .iter()
        .flat_map(|receipt| receipt.body.split(' '))
        .map(|name| root.path().join(name))
        .collect();
    assert!(all.iter().all(|path| path.is_file()), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn and_what_is_simulated_lies_apart() {
    let (mut recorder, expected) = two_days();
    let depot = Depot::new().await;
    let log = depot.outbox.watch_log(WATCH, LogId(2), true, Seq(0)).await.unwrap();
    depot.anchor_in(log.key, 1, LONG_US, after_long(BOOTED)).await;
    depot.append_to(log.key, recorder.take()).await;
    let root = tempfile::tempdir().unwrap();
    Loop::to(to("folder"), Folder::new(root.path().to_owned(), FolderFormat::Csv), &depot.outbox)
        .idle()
        .await;
    assert_eq!(read(root.path()), expected);
    for (path, _) in files_below(root.path()) {
        assert_eq!(part(&path, 2), format!("synthetic-{WATCH}"));
    }
}
