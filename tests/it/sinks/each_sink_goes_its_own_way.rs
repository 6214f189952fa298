//! The real daemon with several sinks: each at its own pace, and one that fails holds nobody.

use std::collections::BTreeMap;
use std::path::Path;

use nowbridge::control::{SinkStatus, Status};
use nowbridge::measurement::{Kind, csv};
use nowbridge::radio::air::LinkModel;
use nowbridge::upload::{HoldReason, UploadState};

use crate::support::daemon::{Seconds, World, config, is_complete};
use crate::support::process::files_below;

/// Nobody listens on the port of discarded things here.
const NOWHERE: &str = "[sink.influxdb]\nurl = \"http://127.0.0.1:9\"\norg = \"o\"\nbucket = \"b\"\n";

fn folder(rest: &str) -> String {
    format!("[sink.folder]\npath = \"../../days\"\nevery = \"1s\"\n{rest}")
}

fn sink<'a>(status: &'a Status, name: &str) -> &'a SinkStatus {
    status.sinks.iter().find(|sink| sink.name.0 == name).unwrap()
}

/// What the files of a kind hold.
fn held(root: &Path, kind: Kind) -> Seconds {
    let mut held = BTreeMap::new();
    for (path, content) in files_below(root) {
        if path.parent().is_some_and(|of| of.ends_with(kind.name())) {
            let rows = csv::read(kind, &content[..]).unwrap();
            held.extend(rows.into_iter().map(|row| (row.at, (row.value, row.quality))));
        }
    }
    held
}

#[tokio::test]
async fn and_one_that_fails_holds_nobody_up() {
    let world = World::new(3, 3, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    let days = world.home.path("days");
    std::fs::create_dir(&days).unwrap();
    let with = |sinks: &str| world.home.configure(&format!("{}{sinks}", config(&world.cloud.url)));
    with(&format!("{}{NOWHERE}", folder("")));
    world.wrist.wear(0..2);
    let daemon = world.home.daemon().await;
    let status = world
        .home
        .status_when("the cloud and the folder have everything", |status| {
            is_complete(status)
                && sink(status, "folder").counts.waiting == 0
                && matches!(
                    sink(status, "influxdb").upload.as_ref().unwrap().state,
                    UploadState::Holding { .. }
                )
        })
        .await;
    let client = world.cloud.client().await;
    for kind in [Kind::HeartRate, Kind::Temperature] {
        assert_eq!(held(&days, kind), world.wrist.expected(kind), "{kind}");
        assert_eq!(world.cloud.readings(&client, kind).await.len(), world.wrist.expected(kind).len());
    }
    assert_eq!(sink(&status, "nowatch").counts.sent, sink(&status, "folder").counts.sent);
    let influx = sink(&status, "influxdb");
    assert_eq!((influx.counts.sent, influx.counts.waiting), (0, sink(&status, "folder").counts.sent));
    let state = &influx.upload.as_ref().unwrap().state;
    let UploadState::Holding { reason: HoldReason::Unavailable { detail, .. }, .. } = state else {
        panic!("{state:?}")
    };
    assert!(detail.contains("http://127.0.0.1:9"), "{detail}");
    let text = world.home.run(&["status"]).await;
    for wanted in ["sink folder, ", "days (csv): everything that can be sent is sent", "sink influxdb, "] {
        assert!(text.printed().contains(wanted), "no {wanted} in:\n{}", text.stdout);
    }
    daemon.stop().await;

    // One rests and one is gone: what comes meanwhile waits for both.
    with(&folder("paused = true\n"));
    let daemon = world.home.daemon().await;
    world.wrist.wear(2..3);
    world.home.run(&["sync"]).await.printed();
    let had = sink(&status, "folder").counts.sent;
    let paused = world
        .home
        .status_when("the cloud has the last hour", |now| {
            sink(now, "nowatch").counts.sent > had && is_complete(now)
        })
        .await;
    let (folder_now, influx_now) = (sink(&paused, "folder"), sink(&paused, "influxdb"));
    assert!(folder_now.paused.is_some() && folder_now.counts.sent == had && folder_now.counts.waiting > 0);
    assert_eq!((&influx_now.to, &influx_now.upload), (&None, &None));
    assert_eq!(influx_now.counts.waiting, sink(&paused, "nowatch").counts.sent);
    let text = world.home.run(&["status"]).await;
    assert!(text.printed().contains("paused") && text.printed().contains("no longer configured"), "{text:?}");
    daemon.stop().await;

    with(&folder("start = \"now\"\n"));
    let daemon = world.home.daemon().await;
    let whole = world.home.status_when("the folder has caught up", |now| {
        let sink = sink(now, "folder");
        sink.paused.is_none() && sink.counts.waiting == 0
    });
    assert_eq!(sink(&whole.await, "folder").counts.missed, 0);
    assert_eq!(held(&days, Kind::HeartRate), world.wrist.expected(Kind::HeartRate));
    daemon.stop().await;
}
