//! Logging in: by hand, by itself, and never twice with a password that was refused.

use nowbridge::clock::Clock;
use nowbridge::cloud::{Api, AuthState, Client, ClientConfig, CloudError, LoginReason};
use serde_json::json;
use tempfile::tempdir;

use crate::support::cloud::{ScriptedCloud, client, json_answer, refusal, somebody, tokens};

#[tokio::test]
async fn a_wrong_password_shows_what_the_server_says() {
    let cloud = ScriptedCloud::answering(|_| refusal(401, "Incorrect username or password.")).await;
    let directory = tempdir().unwrap();
    let client = client(&cloud.base_url, &directory.path().join("tokens"));
    let error = client.login(&somebody()).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(text.contains("Incorrect username or password.") && text.contains("check"), "{text}");
    assert!(!text.contains("canary") && !text.contains("somebody"), "{text}");
    assert_eq!(client.auth_state(), AuthState::Anonymous);
}

#[tokio::test]
async fn a_login_sends_what_is_documented_and_lasts() {
    let cloud = ScriptedCloud::answering(|seen| match seen.path.as_str() {
        "/v2/auth/login" => tokens(1),
        _ => json_answer(200, &json!({ "id": "uid_1", "isEarlyAccess": true, "news": [] })),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    let mut config = ClientConfig::new(cloud.base_url.clone());
    config.x_auth_token = Some("c2VjcmV0K2NsaWVudA==".into());
    config.token_file = Some(file.clone());
    let first = Client::new(config, Clock::System).unwrap();
    first.login(&somebody()).await.unwrap();
    assert_eq!(first.auth_state(), AuthState::LoggedIn);

    let after_restart = client(&cloud.base_url, &file);
    assert_eq!(after_restart.auth_state(), AuthState::LoggedIn);
    let user = after_restart.user().await.unwrap();
    assert_eq!((user.id.as_str(), user.is_early_access, user.email), ("uid_1", true, None));

    let [login, ask] = &cloud.seen()[..] else { panic!("{:?}", cloud.paths()) };
    assert_eq!(login.json(), json!({ "email": "somebody@example.org", "password": "canary-password" }));
    assert_eq!(login.header("x-auth-token"), "c2VjcmV0K2NsaWVudA==");
    assert_eq!(login.header("authorization"), "");
    assert_eq!(ask.header("authorization"), "Bearer access-1");
    assert_eq!(ask.header("x-auth-token"), "");
    assert_eq!(ask.header("user-agent"), concat!("nowbridge/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn without_a_login_nothing_is_sent() {
    let cloud = ScriptedCloud::answering(|_| tokens(1)).await;
    let directory = tempdir().unwrap();
    let error = client(&cloud.base_url, &directory.path().join("tokens")).user().await.unwrap_err();
    assert!(matches!(error, CloudError::NeedsLogin { why: LoginReason::NeverLoggedIn }), "{error}");
    assert!(cloud.paths().is_empty());
}

#[tokio::test]
async fn configured_credentials_are_used_once_and_not_again_when_refused() {
    let cloud = ScriptedCloud::answering(|_| refusal(400, "User is disabled.")).await;
    let mut config = ClientConfig::new(cloud.base_url.clone());
    config.credentials = Some(somebody());
    let client = Client::new(config, Clock::System).unwrap();
    for _ in 0..3 {
        let error = client.user().await.unwrap_err();
        assert!(error.needs_login() && error.to_string().contains("User is disabled."), "{error}");
    }
    assert_eq!(cloud.paths(), ["/v2/auth/login"]);
    assert!(matches!(
        client.auth_state(),
        AuthState::NeedsLogin { why: LoginReason::PasswordRefused { status: 400, .. } }
    ));
}

#[tokio::test]
async fn configured_credentials_replace_a_refresh_token_that_is_refused() {
    let cloud = ScriptedCloud::answering(|seen| match seen.path.as_str() {
        "/v2/auth/login" => tokens(seen.earlier + 1),
        "/v1/auth/refresh" => refusal(401, "Refresh token has been revoked"),
        _ if seen.header("authorization") == "Bearer access-2" => json_answer(200, &json!({ "id": "uid_1" })),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let mut config = ClientConfig::new(cloud.base_url.clone());
    config.credentials = Some(somebody());
    let client = Client::new(config, Clock::System).unwrap();
    client.user().await.unwrap();
    let expected = ["/v2/auth/login", "/v1/user", "/v1/auth/refresh", "/v2/auth/login", "/v1/user"];
    assert_eq!(cloud.paths(), expected);
    assert_eq!(client.auth_state(), AuthState::LoggedIn);
}
