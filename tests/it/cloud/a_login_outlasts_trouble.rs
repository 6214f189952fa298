//! Only the API's own word ends a login; a bad day of the server, the network or the disk does not.

use std::fs;

use nowbridge::cloud::{Api, AuthState, LoginReason};
use serde_json::json;
use tempfile::tempdir;

use crate::support::cloud::{ScriptedCloud, answer, client, json_answer, leave_login, refusal, tokens};

#[tokio::test]
async fn a_renewal_that_fails_for_now_keeps_the_login() {
    let cloud = ScriptedCloud::answering(|seen| match (seen.path.as_str(), seen.earlier) {
        ("/v1/auth/refresh", 0) => refusal(500, "Internal server error"),
        ("/v1/auth/refresh", 1) => answer(403, "text/html", "<html><title>Please sign in</title>"),
        ("/v1/auth/refresh", _) => tokens(1),
        _ if seen.header("authorization") == "Bearer access-1" => json_answer(200, &json!({ "id": "uid_1" })),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let before = fs::read(&file).unwrap();
    let client = client(&cloud.base_url, &file);
    for _ in 0..2 {
        let error = client.user().await.unwrap_err();
        assert!(error.is_transient() && !error.needs_login(), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(client.auth_state(), AuthState::LoggedIn);
    }
    client.user().await.unwrap();
}

#[tokio::test]
async fn a_refused_renewal_asks_for_a_login_and_keeps_the_file() {
    let cloud = ScriptedCloud::answering(|seen| match seen.path.as_str() {
        "/v1/auth/refresh" => refusal(401, "Refresh token has been revoked"),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let before = fs::read(&file).unwrap();
    let client = client(&cloud.base_url, &file);
    for _ in 0..3 {
        let error = client.user().await.unwrap_err();
        assert!(error.needs_login() && error.to_string().contains("has been revoked"), "{error}");
    }
    assert_eq!(cloud.paths(), ["/v1/user", "/v1/auth/refresh"], "asked once, then the reason is known");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(matches!(
        client.auth_state(),
        AuthState::NeedsLogin { why: LoginReason::RefreshRefused { status: 401, .. } }
    ));
}

#[tokio::test]
async fn a_login_made_elsewhere_is_noticed() {
    let cloud = ScriptedCloud::answering(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v2/auth/login", _) => tokens(7),
        (_, "Bearer access-7") => json_answer(200, &json!({ "id": "uid_1" })),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    let daemon = client(&cloud.base_url, &file);
    assert!(daemon.user().await.unwrap_err().needs_login());
    client(&cloud.base_url, &file).login(&crate::support::cloud::somebody()).await.unwrap();
    daemon.user().await.unwrap();
    assert_eq!(daemon.auth_state(), AuthState::LoggedIn);
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_ahead_of_time() {
    let cloud = ScriptedCloud::answering(|seen| match seen.path.as_str() {
        "/v1/auth/refresh" => tokens(1),
        _ => json_answer(200, &json!({ "id": seen.header("authorization") })),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 3_000);
    assert_eq!(client(&cloud.base_url, &file).user().await.unwrap().id, "Bearer access-1");
    assert_eq!(cloud.paths(), ["/v1/auth/refresh", "/v1/user"]);
    // Two thirds of its life are no reason.
    leave_login(&cloud.base_url, &file, 2_400);
    assert_eq!(client(&cloud.base_url, &file).user().await.unwrap().id, "Bearer access-0");
}

#[tokio::test]
async fn a_failure_to_renew_ahead_of_time_holds_nothing_up() {
    let cloud = ScriptedCloud::answering(|seen| match seen.path.as_str() {
        "/v1/auth/refresh" => refusal(503, "try later"),
        _ => json_answer(200, &json!({ "id": seen.header("authorization") })),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 3_000);
    let client = client(&cloud.base_url, &file);
    for _ in 0..3 {
        assert_eq!(client.user().await.unwrap().id, "Bearer access-0");
    }
    assert_eq!(cloud.paths(), ["/v1/auth/refresh", "/v1/user", "/v1/user", "/v1/user"]);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_does_not_stop_the_upload() {
    let cloud = ScriptedCloud::answering(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v1/auth/refresh", _) => tokens(1),
        (_, "Bearer access-1") => json_answer(200, &json!({ "id": "uid_1" })),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let client = client(&cloud.base_url, &file);
    // A directory in the way of the temporary file.
    let in_the_way = directory.path().join("tokens.new");
    fs::create_dir(&in_the_way).unwrap();
    client.user().await.unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("refresh-0"));
    fs::remove_dir(&in_the_way).unwrap();
    client.user().await.unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("refresh-1"), "stored as soon as it can be");
    assert_eq!(cloud.paths().iter().filter(|path| *path == "/v1/auth/refresh").count(), 1);
}

#[tokio::test]
async fn a_broken_token_file_is_named_and_a_login_mends_it() {
    let cloud = ScriptedCloud::answering(|_| tokens(1)).await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    fs::write(&file, "").unwrap();
    let client = client(&cloud.base_url, &file);
    let error = client.user().await.unwrap_err();
    assert!(error.needs_login() && error.to_string().contains("not a token file"), "{error}");
    client.login(&crate::support::cloud::somebody()).await.unwrap();
    assert_eq!(client.auth_state(), AuthState::LoggedIn);
}
