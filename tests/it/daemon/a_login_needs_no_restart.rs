//! A password that is wrong stops nothing but the upload, and a login mends it while the daemon runs.

use nowbridge::cloud::{AuthState, LoginReason};
use nowbridge::radio::air::LinkModel;
use nowbridge::upload::{HoldReason, UploadState};

use crate::support::daemon::{PASSWORD, World, is_complete};

#[tokio::test]
async fn if_somebody_logs_in_while_the_daemon_runs() {
    let world = World::new(5, 1, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    world.home.secret("password", "Not-the-password-1");
    world.wrist.wear(0..1);
    let daemon = world.home.daemon().await;
    let status = world
        .home
        .status_when("everything is collected, nothing uploaded", |now| {
            let held = now.cloud.as_ref().map(|cloud| &cloud.upload.state);
            now.watches[0].complete_at.is_some()
                && matches!(held, Some(UploadState::Holding { reason: HoldReason::NeedsLogin { .. }, .. }))
        })
        .await;
    let auth = status.cloud.unwrap().auth;
    assert!(matches!(&auth, AuthState::NeedsLogin { why: LoginReason::PasswordRefused { .. } }), "{auth:?}");
    let stored: u64 = status.outbox.unwrap().streams.iter().map(|stream| stream.samples).sum();
    assert!(stored >= world.wrist.counts().values().sum());
    let text = world.home.run(&["status"]).await;
    assert!(text.printed().contains("needs login") && text.printed().contains("nowbridge login"), "{text:?}");

    let wrong = world.home.run(&["login", "--password-file", &secret(&world, "Wrong-too-1")]).await;
    wrong.refused(77);
    let login = world.home.run(&["login", "--password-file", &secret(&world, PASSWORD)]).await;
    assert!(login.printed().starts_with("Logged in"), "{login:?}");
    let status = world.home.status_when("everything is in the cloud", is_complete).await;
    world.assert_everything_arrived_once(&status).await;
    assert_eq!(status.cloud.unwrap().auth, AuthState::LoggedIn);
    daemon.stop().await;
}

fn secret(world: &World, password: &str) -> String {
    world.home.secret("given", password).into_os_string().into_string().unwrap()
}
