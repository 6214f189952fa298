//! A broker with a certificate of one's own CA: trusted if that is, and not a word said to it if not.

use nowbridge::control::{SinkStatus, Status};
use nowbridge::radio::air::LinkModel;
use nowbridge::upload::{HoldReason, UploadState};

use crate::support::daemon::{World, config};
use crate::support::mosquitto::{Authority, Listener, Mosquitto};

fn mqtt(status: &Status) -> &SinkStatus {
    status.sinks.iter().find(|sink| sink.name.0 == "mqtt").unwrap()
}

fn has_everything(status: &Status) -> bool {
    let sink = mqtt(status);
    status.watches[0].complete_at.is_some() && sink.counts.sent > 0 && sink.counts.waiting == 0
}

#[tokio::test]
async fn and_one_of_another_is_told_by_its_certificate() {
    let Some(authority) = Authority::new().await else { return };
    let Some((mosquitto, port)) = Mosquitto::start_secure(&authority).await else { return };
    let mut world = World::new(17, 2, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    let sink = format!("[sink.mqtt]\nurl = \"mqtts://127.0.0.1:{port}\"\n");
    world.home.configure(&format!("{}{sink}", config(&world.cloud.url)));

    // Nobody here knows who has signed for it.
    world.home.set("SSL_CERT_FILE", authority.strangers().to_str().unwrap());
    world.wrist.wear(0..1);
    let mut listener = Listener::at(&mosquitto, "listener").await;
    let daemon = world.home.daemon().await;
    let status = world.home.status_when("the broker is not believed", |now| {
        let state = mqtt(now).upload.as_ref().map(|upload| &upload.state);
        mqtt(now).counts.waiting > 0 && matches!(state, Some(UploadState::Holding { .. }))
    });
    let status = status.await;
    let state = &mqtt(&status).upload.as_ref().unwrap().state;
    let UploadState::Holding { reason: HoldReason::Misdirected { detail }, .. } = state else {
        panic!("{state:?}")
    };
    assert!(
        detail.contains("no secure connection to mqtts://127.0.0.1") && detail.contains("certificate"),
        "{detail}"
    );
    assert_eq!(listener.all().len(), 0, "it was not told anything");
    daemon.stop().await;

    world.home.set("SSL_CERT_FILE", authority.certificate().to_str().unwrap());
    let daemon = world.home.daemon().await;
    listener.hears("/heart_rate/history").await;
    let status = world.home.status_when("the broker has everything", has_everything).await;
    assert_eq!(mqtt(&status).counts.dead, 0);
    daemon.stop().await;
    assert_eq!(listener.hears("nowbridge/status").await, "offline");
}
