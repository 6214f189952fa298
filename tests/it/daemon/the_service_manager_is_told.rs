//! What systemd hears: ready, alive, stopping.

use nowbridge::control::StageName;
use tokio::net::UnixDatagram;
use tokio::time::{Duration, timeout};

use crate::support::process::Home;

#[tokio::test]
async fn when_it_is_ready_as_long_as_it_lives_and_when_it_ends() {
    let mut home = Home::new("");
    let manager = UnixDatagram::bind(home.path("notify.sock")).unwrap();
    home.set("NOTIFY_SOCKET", home.path("notify.sock").to_str().unwrap());
    home.set("WATCHDOG_USEC", "200000");
    let mut daemon = home.start(&["run"]);

    hear(&manager, "READY=1").await;
    assert_eq!(home.status().await.unwrap().daemon.stage, StageName::Running, "ready means that it answers");
    // The first is sent at once; only the third has asked the loops.
    for _ in 0..3 {
        hear(&manager, "WATCHDOG=1").await;
    }
    daemon.terminate().await;
    hear(&manager, "STOPPING=1").await;
    assert!(daemon.ended().await.success(), "{}", daemon.stderr());
}

/// Waits until the manager is told this.
async fn hear(manager: &UnixDatagram, wanted: &str) {
    let heard = async {
        let mut message = [0; 512];
        loop {
            let length = manager.recv(&mut message).await.unwrap();
            if std::str::from_utf8(&message[..length]).unwrap().lines().any(|line| line == wanted) {
                return;
            }
        }
    };
    let heard = timeout(Duration::from_secs(40), heard).await;
    heard.unwrap_or_else(|_| panic!("the service manager never hears {wanted}"));
}
