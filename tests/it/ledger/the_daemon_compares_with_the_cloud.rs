//! `nowbridge verify` and `nowbridge outbox sinks`, asked of a running daemon over its socket.

use nowbridge::cloud::Api;
use nowbridge::measurement::{Day, Kind};
use nowbridge::radio::air::LinkModel;

use crate::support::daemon::{World, config, is_complete};

#[tokio::test]
async fn and_has_sent_again_what_is_missing_there() {
    let world = World::new(11, 2, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    std::fs::create_dir(world.home.path("days")).unwrap();
    let folder = "[sink.folder]\npath = \"../../days\"\nevery = \"1h\"\n";
    world.home.configure(&format!("{}{folder}", config(&world.cloud.url)));
    world.wrist.wear(0..2);
    let daemon = world.home.daemon().await;
    world.home.status_when("everything is in the cloud", is_complete).await;

    let same = world.home.run(&["verify"]).await;
    assert!(same.printed().contains("HEART_RATE") && same.stdout.contains("same"), "{same:?}");
    assert!(!same.stdout.contains("fewer") && !same.stdout.contains("differs"), "{same:?}");

    let client = world.cloud.client().await;
    let today = nowbridge::clock::Clock::System.now().seconds().day();
    let from = Day::from_number(today.number() - 2);
    client.delete_measurements(Kind::Temperature, from, today.next()).await.unwrap();
    let missing = world.home.run(&["verify", "--from", &from.to_string()]).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(
        missing.stdout.contains("the cloud has fewer (") && missing.stdout.contains("--repair"),
        "{missing:?}"
    );
    let json = world.home.run(&["verify", "--json"]).await;
    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(|line| line["kind"] == "TEMPERATURE" && line["verdict"] == "fewer"),
        "{lines:?}"
    );
    assert!(lines.last().unwrap()["end"]["different"].as_u64() >= Some(1), "{lines:?}");

    let repaired = world.home.run(&["verify", "--repair"]).await;
    assert!(repaired.code == Some(1) && repaired.stdout.contains("sent again"), "{repaired:?}");
    let mut again = world.home.run(&["verify"]).await;
    while again.code == Some(1) {
        again = world.home.run(&["verify"]).await;
    }
    again.printed();
    daemon.stop().await;

    // A day that is none, and a sink that is gone.
    world.home.configure(&config(&world.cloud.url));
    let daemon = world.home.daemon().await;
    let wrong = world.home.run(&["verify", "--from", "2026-11-31"]).await;
    assert!(wrong.code == Some(64) && wrong.stderr.contains("is not a day"), "{wrong:?}");
    let sinks = world.home.run(&["outbox", "sinks"]).await;
    assert!(sinks.printed().contains("nowbridge outbox forget-sink folder"), "{sinks:?}");
    let configured = world.home.run(&["outbox", "forget-sink", "nowatch", "--yes"]).await;
    assert!(configured.refused(64).contains("still configured"), "{configured:?}");
    let unasked = world.home.run(&["outbox", "forget-sink", "folder"]).await;
    unasked.refused(64);
    let forgotten = world.home.run(&["outbox", "forget-sink", "folder", "--yes"]).await;
    assert!(forgotten.printed().contains("Forgot folder"), "{forgotten:?}");
    let status = world.home.status().await.unwrap();
    assert!(status.sinks.iter().all(|sink| sink.name.0 != "folder"), "{:?}", status.sinks);
    daemon.stop().await;
    // The same without a daemon.
    let sinks = world.home.run(&["outbox", "sinks"]).await;
    assert!(sinks.printed().contains("folder was forgotten"), "{sinks:?}");
}
