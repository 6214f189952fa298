//! An export has every sample that is stored, once, in memory that does not grow with the store.

use std::collections::BTreeMap;

use nowbridge::measurement::{Kind, Quality, UtcMicros};
use nowbridge::outbox::{ExportQuery, ExportRow, PAGE_SAMPLES};
use nowbridge::sim::recording::read_export;
use nowbridge::wire::bridge::{Sample, Stream};
use serde_json::Value;

use crate::support::process::Home;
use crate::support::upload::{BOOTED, Depot, LONG_US, Recorder, after_long, sample};

/// The most samples that a block of these tests holds.
const BLOCK: u64 = 400;

async fn all(depot: &Depot, query: ExportQuery) -> (Vec<ExportRow>, u64) {
    let mut walk = depot.outbox.export(query).await.unwrap();
    let (mut rows, mut most) = (Vec::new(), 0);
    while let Some(page) = walk.next_page().await.unwrap() {
        most = most.max(page.rows.len() as u64);
        rows.extend(page.rows);
    }
    (rows, most)
}

fn heart(seconds: u64) -> Vec<Sample> {
    (0..seconds).map(|second| sample(second * 1_000 + 250, 60 + (second % 37) as i32)).collect()
}

#[tokio::test(start_paused = true)]
async fn and_a_longer_store_is_held_in_no_more_memory() {
    let mut held = Vec::new();
    for days in [1_u64, 8] {
        let mut recorder = Recorder::new();
        let heart = heart(days * 86_400);
        recorder.record_all(Stream::HEART_RATE, &heart);
        let skin: Vec<_> = (0..days * 17_280).map(|at| sample(at * 5_000, 900 + (at % 50) as i32)).collect();
        recorder.record_all(Stream::EDA, &skin);
        let depot = Depot::holding(&mut recorder).await;
        let (rows, most) = all(&depot, ExportQuery::default()).await;
        let of = |stream| rows.iter().filter(move |row| row.stream == stream);
        let written: Vec<(u64, i32)> = of(Stream::HEART_RATE).map(|row| (row.ticks_ms, row.value)).collect();
        let expected: Vec<(u64, i32)> = heart.iter().map(|it| (it.at_ms, it.value)).collect();
        assert!(written == expected, "every heart rate, once, in order");
        assert_eq!(of(Stream::EDA).count(), skin.len());
        let first = of(Stream::HEART_RATE).next().unwrap();
        assert_eq!(first.at, Some(UtcMicros(BOOTED.0 + 250_000)));
        held.push(most);
        assert!(most <= PAGE_SAMPLES + BLOCK, "{most}");
    }
    assert!(held[1] <= held[0] + BLOCK, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn also_what_has_no_date_and_a_range_cuts_to_the_sample() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &heart(7_200));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &heart(60));
    let depot = Depot::new().await;
    depot.append(recorder.take()).await;
    depot.anchor(1, LONG_US, after_long(BOOTED)).await;
    let (rows, _) = all(&depot, ExportQuery::default()).await;
    assert_eq!(rows.len(), 7_260);
    let undated: Vec<_> = rows.iter().filter(|row| row.at.is_none()).collect();
    assert!(undated.len() == 60 && undated.iter().all(|row| row.boot.0 == 2), "{}", undated.len());
    let at = |seconds: i64| Some(UtcMicros(BOOTED.0 + seconds * 1_000_000));
    let query = ExportQuery { from: at(1_800), to: at(3_600), ..ExportQuery::default() };
    let (rows, _) = all(&depot, query).await;
    assert_eq!(rows.iter().filter(|row| row.at.is_some()).count(), 1_800);
    let none = ExportQuery { stream: Some(Stream::EDA), ..ExportQuery::default() };
    assert_eq!(all(&depot, none).await.0, []);
}

/// Heart rate, beats, skin temperature and conductance of an hour, where the program looks for them.
async fn an_hour(home: &Home) -> BTreeMap<Stream, Vec<Sample>> {
    let mut recorder = Recorder::new();
    let beats =
        (0..4_000_u64).map(|beat| sample(1_000 + beat * 800, if beat == 0 { 0 } else { 800 })).collect();
    let conductance = (0..720).map(|at| sample(at * 5_000, 1_500)).collect();
    let mut warm: Vec<Sample> =
        (0..60).map(|minute| sample(minute * 60_000, 3_300 + minute as i32)).collect();
    warm[7].quality = Quality::UNRELIABLE;
    let all = BTreeMap::from([
        (Stream::HEART_RATE, heart(3_600)),
        (Stream::BEATS, beats),
        (Stream::TEMPERATURE, warm),
        (Stream::EDA, conductance),
    ]);
    for (stream, samples) in &all {
        recorder.record_all(*stream, samples);
    }
    let depot = Depot::holding(&mut recorder).await;
    depot.outbox.close().await.unwrap();
    std::fs::create_dir_all(home.state()).unwrap();
    std::fs::copy(depot.dir.path().join("outbox.db"), home.state().join("outbox.db")).unwrap();
    all
}

#[tokio::test]
async fn in_three_formats_with_a_daemon_and_without() {
    let home = Home::new("");
    let recorded = an_hour(&home).await;
    let samples: usize = recorded.values().map(Vec::len).sum();
    let mut texts = Vec::new();
    for runs in [false, true] {
        let daemon = if runs { Some(home.daemon().await) } else { None };
        let csv = home.run(&["export", "--format", "csv", "-"]).await;
        assert_eq!(csv.printed().lines().count(), samples + 1, "{}", csv.stderr);
        assert!(csv.stdout.contains(",HEART_RATE,HEART_RATE,1672531200,60,4\n"));
        assert!(csv.stdout.contains(",TEMPERATURE,SKIN_TEMPERATURE,1672531620,33.07,0\n"));
        assert!(csv.stdout.contains(",,SKIN_CONDUCTANCE,1672531205,1500,4\n"));
        let jsonl = home.run(&["export", "--format", "jsonl", "--kind", "HEART_RATE", "-"]).await;
        let lines: Vec<Value> =
            jsonl.printed().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3_600);
        assert_eq!((&lines[1]["at_ms"], &lines[1]["value"]), (&1_672_531_201_250_i64.into(), &61.into()));
        assert_eq!(lines[1]["time"], "2023-01-01T00:00:01.250Z");

        let folder = home.path(if runs { "with" } else { "without" });
        let told = home.run(&["export", "--format", "nowatch", folder.to_str().unwrap()]).await;
        assert_eq!(told.code, Some(0), "{told:?}");
        let again = home.run(&["export", "--format", "nowatch", folder.to_str().unwrap()]).await;
        again.refused(64);
        let read = read_export(&folder).unwrap();
        for kind in [Kind::HeartRate, Kind::Temperature, Kind::HeartBeat] {
            let stream = Stream::of_kind(kind).unwrap();
            let track = read.tracks.iter().find(|track| track.stream == stream).unwrap();
            let written: Vec<_> = track.samples.iter().map(|it| (it.value, it.quality)).collect();
            let recorded: Vec<_> = recorded[&stream].iter().map(|it| (it.value, it.quality)).collect();
            assert!(written == recorded, "{kind}: {} of {}", written.len(), recorded.len());
        }
        let skin = std::fs::read_to_string(folder.join("skin_conductance.csv")).unwrap();
        assert!(skin.starts_with("timestamp,value,quality_indicator\n1672531200,1.5,4\n"), "{skin:.80}");
        texts.push((csv.stdout, jsonl.stdout));
        if let Some(daemon) = daemon {
            daemon.stop().await;
        }
    }
    assert!(texts[0] == texts[1], "the same, whoever reads it");
    home.run(&["export", "--format", "nowatch", "-"]).await.refused(64);
    let derived = home.run(&["export", "--format", "csv", "--kind", "HEART_RATE_GRAPH", "-"]).await;
    assert!(derived.code == Some(64) && derived.stderr.contains("SKIN_CONDUCTANCE"), "{derived:?}");
    home.run(&["export", "--format", "csv", "--watch", "nobody", "-"]).await.refused(64);
}
