//! One 401 costs one renewal and one more attempt, however many callers see it.

use std::sync::Arc;

use nowbridge::cloud::{Api, AuthState, CloudError};
use serde_json::json;
use tempfile::tempdir;
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;

use crate::support::cloud::{ScriptedCloud, client, json_answer, leave_login, refusal, tokens};

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_request_sent_again() {
    let cloud = ScriptedCloud::answering(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v1/auth/refresh", _) => tokens(1),
        (_, "Bearer access-1") => json_answer(200, &json!({ "id": "uid_1" })),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    client(&cloud.base_url, &file).user().await.unwrap();
    assert_eq!(cloud.paths(), ["/v1/user", "/v1/auth/refresh", "/v1/user"]);
    assert_eq!(cloud.seen()[1].json(), json!({ "refresh": "refresh-0" }));
}

#[tokio::test]
async fn a_server_that_refuses_its_own_new_token_is_not_asked_forever() {
    let cloud = ScriptedCloud::answering(|seen| match seen.path.as_str() {
        "/v1/auth/refresh" => tokens(seen.earlier + 1),
        _ => refusal(401, "Unauthorized"),
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let client = client(&cloud.base_url, &file);
    let error = client.user().await.unwrap_err();
    assert!(matches!(error, CloudError::TokenRefused { .. }), "{error}");
    assert!(error.is_transient(), "the login is good, so it is the server's turn");
    assert_eq!(cloud.paths(), ["/v1/user", "/v1/auth/refresh", "/v1/user"]);
    assert_eq!(client.auth_state(), AuthState::LoggedIn);
}

#[tokio::test]
async fn ten_callers_at_once_share_one_renewal() {
    let all_here = Arc::new(Barrier::new(10));
    let cloud = ScriptedCloud::serving(move |seen| {
        let all_here = Arc::clone(&all_here);
        async move {
            match (seen.path.as_str(), seen.header("authorization")) {
                ("/v1/auth/refresh", _) => tokens(seen.earlier + 1),
                (_, "Bearer access-1") => json_answer(200, &json!({ "id": "uid_1" })),
                _ => {
                    all_here.wait().await;
                    refusal(401, "Unauthorized")
                }
            }
        }
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let client = client(&cloud.base_url, &file);
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        callers.spawn(async move { client.user().await.unwrap().id });
    }
    assert_eq!(callers.join_all().await, ["uid_1"; 10]);
    assert_eq!(cloud.paths().iter().filter(|path| *path == "/v1/auth/refresh").count(), 1);
}

#[tokio::test]
async fn ten_callers_at_once_share_one_failure() {
    let all_here = Arc::new(Barrier::new(10));
    let cloud = ScriptedCloud::serving(move |seen| {
        let all_here = Arc::clone(&all_here);
        async move {
            if seen.path == "/v1/auth/refresh" {
                return refusal(503, "try later");
            }
            all_here.wait().await;
            refusal(401, "Unauthorized")
        }
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let client = client(&cloud.base_url, &file);
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        callers.spawn(async move { client.user().await.unwrap_err().is_transient() });
    }
    assert_eq!(callers.join_all().await, [true; 10]);
    // Answers reach the callers one after the other, so a straggler may start a second attempt; ten would be a storm.
    let attempts = cloud.paths().iter().filter(|path| *path == "/v1/auth/refresh").count();
    assert!((1..10).contains(&attempts), "{attempts} attempts");
}

#[tokio::test]
async fn a_new_token_is_on_disk_before_it_is_used() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    let looked_at = file.clone();
    let cloud =
        ScriptedCloud::answering(move |seen| match (seen.path.as_str(), seen.header("authorization")) {
            ("/v1/auth/refresh", _) => tokens(1),
            (_, "Bearer access-1") => {
                let stored = std::fs::read_to_string(&looked_at).unwrap();
                let both = stored.contains("access-1") && stored.contains("refresh-1");
                json_answer(200, &json!({ "id": if both { "stored" } else { "not stored" } }))
            }
            _ => refusal(401, "Unauthorized"),
        })
        .await;
    leave_login(&cloud.base_url, &file, 0);
    assert_eq!(client(&cloud.base_url, &file).user().await.unwrap().id, "stored");
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_lose_the_new_token() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arriving, going_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
    let cloud = ScriptedCloud::serving(move |seen| {
        let (arriving, going_on) = (Arc::clone(&arriving), Arc::clone(&going_on));
        async move {
            if seen.path != "/v1/auth/refresh" {
                return refusal(401, "Unauthorized");
            }
            arriving.notify_one();
            going_on.notified().await;
            tokens(1)
        }
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let client = client(&cloud.base_url, &file);
    let caller = tokio::spawn({
        let client = client.clone();
        async move { client.user().await }
    });
    arrived.notified().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.notify_one();
    client.settle().await;
    assert!(std::fs::read_to_string(&file).unwrap().contains("refresh-1"), "the old one is spent");
}
