//! However much is logged, neither password nor tokens are.

use nowbridge::radio::air::LinkModel;
use serde_json::Value;

use crate::support::daemon::{PASSWORD, World, is_complete};
use crate::support::process::files_below;

#[tokio::test]
async fn even_if_everything_is_logged() {
    let mut world = World::new(6, 1, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    world.home.set("NOWBRIDGE_LOG", "trace");
    world.wrist.wear(0..1);
    let daemon = world.home.daemon().await;
    world.home.status_when("everything is in the cloud", is_complete).await;
    let by_password = tokens(&world);
    let file = world.home.secret("given", PASSWORD);
    let login = world.home.run(&["login", "--password-file", file.to_str().unwrap()]).await;
    let status = world.home.run(&["status", "--json"]).await;
    let by_login = tokens(&world);
    assert_ne!(by_password, by_login, "the login has stored new tokens");

    let mut seen = vec![("the log".into(), daemon.stderr().into_bytes())];
    assert!(daemon.stderr().contains("TRACE"), "not everything is logged: {}", daemon.stderr());
    for (name, printed) in [("login", &login), ("status", &status)] {
        seen.push((name.into(), printed.stdout.clone().into_bytes()));
        seen.push((name.into(), printed.stderr.clone().into_bytes()));
    }
    seen.extend(
        files_below(&world.home.state()).into_iter().filter(|(path, _)| !path.ends_with("session.json")),
    );
    let secrets = by_password.into_iter().chain(by_login).chain([PASSWORD.to_owned()]);
    for secret in secrets {
        for (place, content) in &seen {
            let found = content.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            assert!(!found, "a secret is in {}", place.display());
        }
    }
    daemon.stop().await;
}

/// The tokens on disk.
fn tokens(world: &World) -> Vec<String> {
    let text = std::fs::read(world.home.state().join("session.json")).unwrap();
    let stored: Value = serde_json::from_slice(&text).unwrap();
    ["access", "refresh"].map(|name| stored[name].as_str().unwrap().to_owned()).to_vec()
}
