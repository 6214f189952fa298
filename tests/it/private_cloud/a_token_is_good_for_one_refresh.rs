//! Login, refresh, and what happens to a refresh token that comes twice.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tokio::time::advance;

use crate::support::private_cloud::{EMAIL, Home};

async fn is_let_in(home: &Home, access: &str) -> bool {
    home.get("/v1/user", access).await.status == StatusCode::OK
}

#[tokio::test(start_paused = true)]
async fn a_registered_user_logs_in_and_sees_who_they_are() {
    let home = Home::open();
    let user = json!({
        "email": EMAIL, "password": "Correct-horse-1", "first_name": "Some", "last_name": "One",
        "toc_accepted_at": "2023-01-01T00:00:00.000Z", "privacy_policy_accepted_at": "2023-01-01T01:00:00+01:00",
    });
    let answer = home.post("/v1/auth/register", &user).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::CREATED, json!({ "status": "success" })));
    assert!(home.post("/v1/auth/register", &user).await.refused(StatusCode::CONFLICT).contains(EMAIL));

    let login = home.log_in("SomeOne@Example.org").await;
    assert_eq!(login.json()["expiresIn"], 3600);
    let me = home.get("/nowatch/v1/user", &login.text("access")).await.json();
    assert_eq!(
        (&me["email"], &me["firstName"], &me["lastSyncAt"]),
        (&json!(EMAIL), &json!("Some"), &json!(null))
    );
    assert!(me["id"].as_str().unwrap().starts_with("uid_"));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_and_an_unknown_user_look_alike() {
    let (home, _) = Home::with_user().await;
    let mut messages = Vec::new();
    for email in [EMAIL, "nobody@example.org"] {
        let answer =
            home.post("/v2/auth/login", &json!({ "email": email, "password": "Wrong-horse-1" })).await;
        messages.push(answer.refused(StatusCode::UNAUTHORIZED));
    }
    assert_eq!(messages[0], messages[1]);
}

#[tokio::test(start_paused = true)]
async fn an_access_token_lasts_an_hour() {
    let (home, access) = Home::with_user().await;
    advance(Duration::from_secs(3_599)).await;
    assert!(is_let_in(&home, &access).await);
    advance(Duration::from_secs(1)).await;
    assert!(home.get("/v1/user", &access).await.refused(StatusCode::UNAUTHORIZED).contains("refresh"));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_answer_was_lost_can_be_asked_again() {
    let (home, _) = Home::with_user().await;
    let first = home.log_in(EMAIL).await.text("refresh");
    let lost = home.refresh(&first).await;
    advance(Duration::from_secs(30)).await;
    let again = home.refresh(&first).await;
    assert_eq!((lost.text("access"), lost.text("refresh")), (again.text("access"), again.text("refresh")));
    assert_eq!(again.json()["expiresIn"], 3570);
    assert!(is_let_in(&home, &again.text("access")).await);
    assert_eq!(home.refresh(&again.text("refresh")).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_token_used_again_later_ends_its_family_and_no_other() {
    let (home, other_login) = Home::with_user().await;
    let first = home.log_in(EMAIL).await.text("refresh");
    let second = home.refresh(&first).await;
    advance(Duration::from_secs(61)).await;
    assert!(home.refresh(&first).await.refused(StatusCode::UNAUTHORIZED).contains("revoked"));
    assert!(!is_let_in(&home, &second.text("access")).await);
    assert_eq!(home.refresh(&second.text("refresh")).await.status, StatusCode::UNAUTHORIZED);
    assert!(is_let_in(&home, &other_login).await);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_grace_once_the_successor_was_used() {
    let (home, _) = Home::with_user().await;
    let first = home.log_in(EMAIL).await.text("refresh");
    let second = home.refresh(&first).await.text("refresh");
    let third = home.refresh(&second).await;
    assert!(home.refresh(&first).await.refused(StatusCode::UNAUTHORIZED).contains("revoked"));
    assert!(!is_let_in(&home, &third.text("access")).await);
}

#[tokio::test(start_paused = true)]
async fn an_access_token_is_no_refresh_token_nor_the_other_way() {
    let (home, _) = Home::with_user().await;
    let login = home.log_in(EMAIL).await;
    assert_eq!(home.refresh(&login.text("access")).await.status, StatusCode::UNAUTHORIZED);
    assert!(!is_let_in(&home, &login.text("refresh")).await);
}
