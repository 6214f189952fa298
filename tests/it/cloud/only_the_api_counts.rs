//! Success is what the API says, not what some machine on the way says; and each failure has its own name.

use std::time::Duration;

use axum::http::HeaderValue;
use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::cloud::{Api, BaseUrl, Client, ClientConfig, CloudError, Upload};
use nowbridge::measurement::Kind;
use serde_json::json;
use tempfile::tempdir;

use crate::support::cloud::{ScriptedCloud, answer, client, json_answer, leave_login, raw_cloud, refusal};

async fn upload_to(base_url: &BaseUrl) -> Result<u16, CloudError> {
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(base_url, &file, 0);
    let upload = Upload {
        kind: Kind::HeartRate,
        file_name: "HEART_RATE.zip".to_owned(),
        zip: Bytes::from_static(b"PK"),
        idempotency_key: "key".to_owned(),
    };
    client(base_url, &file).upload(upload).await.map(|receipt| receipt.status)
}

#[tokio::test]
async fn a_sign_in_page_is_not_a_receipt() {
    let page = "<!doctype html><html><title>Hotel WiFi</title>";
    let cloud = ScriptedCloud::answering(move |_| answer(200, "text/html", page)).await;
    let error = upload_to(&cloud.base_url).await.unwrap_err();
    assert!(matches!(error, CloudError::NotTheApi { status: 200, .. }), "{error}");
    assert!(error.is_transient() && error.to_string().contains("Hotel WiFi"), "{error}");
    // Nor is it one if it claims to be JSON.
    let cloud = ScriptedCloud::answering(move |_| answer(200, "application/json", page)).await;
    assert!(upload_to(&cloud.base_url).await.is_err());
    // And a page with 400 condemns no batch: the API says no in JSON.
    let cloud = ScriptedCloud::answering(move |_| answer(400, "text/html", page)).await;
    let error = upload_to(&cloud.base_url).await.unwrap_err();
    assert!(error.is_transient() && !error.is_rejected(), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays_home() {
    let elsewhere = ScriptedCloud::answering(|_| json_answer(200, &json!({}))).await;
    let target = format!("{}/v1/measurement/upload?session=canary", elsewhere.base_url);
    let cloud = ScriptedCloud::answering(move |_| {
        let mut redirect = answer(307, "text/plain", "");
        redirect.headers_mut().insert("location", HeaderValue::from_str(&target).unwrap());
        redirect
    })
    .await;
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    let asked = client(&cloud.base_url, &file).user().await.unwrap_err();
    for error in [asked, upload_to(&cloud.base_url).await.unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(error, CloudError::Redirect { status: 307, .. }), "{text}");
        assert!(text.contains(&elsewhere.base_url.host()) && text.contains(&cloud.base_url.host()), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(elsewhere.paths().is_empty());
}

#[tokio::test]
async fn refusals_say_what_and_why() {
    let cloud = ScriptedCloud::answering(|_| refusal(400, "file must be a zip")).await;
    let error = upload_to(&cloud.base_url).await.unwrap_err();
    assert!(error.is_rejected() && !error.is_transient() && !error.is_too_large());
    let CloudError::Api { path, timestamp, messages, .. } = &error else { panic!("{error}") };
    assert_eq!(path, "/v1/measurement/upload");
    assert_eq!(timestamp.as_deref(), Some("2022-02-07T10:00:00.000Z"));
    assert_eq!(messages[..], ["file must be a zip"]);

    // Sizes are limited by proxies, which answer with a page.
    let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
    let cloud = ScriptedCloud::answering(move |_| answer(413, "text/html", page)).await;
    let error = upload_to(&cloud.base_url).await.unwrap_err();
    assert!(error.is_too_large() && !error.is_rejected() && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (retry_after, expected) in [
        ("120", Some(120)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        ("999999999999999999999", Some(86_400)),
        ("tomorrow", None),
    ] {
        let cloud = ScriptedCloud::answering(move |_| {
            let mut patience = refusal(429, "Too many requests");
            patience.headers_mut().insert("date", HeaderValue::from_static(date));
            patience.headers_mut().insert("retry-after", HeaderValue::from_static(retry_after));
            patience
        })
        .await;
        let error = upload_to(&cloud.base_url).await.unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), expected.map(Duration::from_secs), "{retry_after}");
    }
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{\"status\":";
    let error = upload_to(&raw_cloud(half).await).await.unwrap_err();
    assert!(matches!(error, CloudError::Interrupted { .. }) && error.is_transient(), "{error}");
    // Without a length, only the JSON shows that something is missing.
    let half = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"status\":";
    let error = upload_to(&raw_cloud(half).await).await.unwrap_err();
    assert!(matches!(error, CloudError::NotTheApi { .. }) && error.is_transient(), "{error}");
    let error = upload_to(&raw_cloud(b"").await).await.unwrap_err();
    assert!(matches!(error, CloudError::Interrupted { .. }) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let body = format!("\"{}\"", "x".repeat(2 << 20));
    let cloud = ScriptedCloud::answering(move |_| answer(200, "application/json", body.clone())).await;
    let error = upload_to(&cloud.base_url).await.unwrap_err();
    assert!(matches!(error, CloudError::TooLarge { limit_bytes: 1_048_576, .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_two_things() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url: BaseUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&base_url, &file, 0);
    let mut config = ClientConfig::new(base_url.clone());
    config.token_file = Some(file.clone());
    config.timeouts.request = Duration::from_millis(50);
    let impatient = Client::new(config, Clock::System).unwrap();

    let error = impatient.user().await.unwrap_err();
    assert!(matches!(error, CloudError::Timeout { .. }) && error.is_transient(), "{error}");
    drop(listener);
    let error = client(&base_url, &file).user().await.unwrap_err();
    assert!(matches!(error, CloudError::Unreachable { .. }) && error.is_transient(), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
