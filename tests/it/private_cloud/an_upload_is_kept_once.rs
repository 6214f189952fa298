//! What is uploaded is there, once, for its owner only, also after a restart, until it is deleted.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::support::private_cloud::{EMAIL, Home, PASSWORD, Part, table, zipped};

const ALL: &str = "start_day=2022-12-31&end_day=2023-01-03";

#[tokio::test(start_paused = true)]
async fn a_day_comes_back_in_the_shape_of_the_api() {
    let (home, token) = Home::with_user().await;
    let stored =
        home.store(&token, "TEMPERATURE", "1672531200,36.44,4\n1672617601,36.5,3\n1672531201,20,0\n").await;
    assert_eq!(stored.json(), json!({ "status": "success", "rows": 3, "days": 2 }));
    tokio::time::advance(Duration::from_secs(90)).await;
    home.store(&token, "TEMPERATURE", "1672617599,-1.285,1\n").await;

    let path = format!("/v1/measurement?type=TEMPERATURE&sort=DESC&{ALL}");
    assert_eq!(
        home.get(&path, &token).await.json(),
        json!([
            { "values": r#"{"1":[36.5,3]}"#, "count": 1, "type": "TEMPERATURE", "day": "2023-01-02T00:00:00.000Z",
              "created": "2023-01-02T00:00:00.000Z", "updatedAt": "2023-01-02T00:00:00.000Z" },
            { "values": r#"{"0":[36.44,4],"1":[20,0],"86399":[-1.285,1]}"#, "count": 3, "type": "TEMPERATURE",
              "day": "2023-01-01T00:00:00.000Z", "created": "2023-01-02T00:00:00.000Z",
              "updatedAt": "2023-01-02T00:01:30.000Z" },
        ])
    );
    let synced = home.get("/v1/user", &token).await.json();
    assert_eq!(synced["lastSyncAt"], "2023-01-02T00:01:30.000Z");
}

#[tokio::test(start_paused = true)]
async fn heart_beats_stay_hex_and_a_graph_has_no_quality() {
    let (home, token) = Home::with_user().await;
    let frames = ["010204e8030000000000", "020204e803000000000004a40600000000ff"];
    home.store(&token, "HEART_BEAT", &format!("1672531201,{},4\n1672531202,{},4\n", frames[0], frames[1]))
        .await;
    let beats = home.values(&token, "HEART_BEAT").await;
    assert_eq!((&beats[&1], &beats[&2]), (&json!([frames[0], 4]), &json!([frames[1], 4])));

    let zip = zipped("datetime,value\n1672531260,70\n");
    home.upload(&token, None, &[("type", b"HEART_RATE_GRAPH"), ("file", &zip)]).await;
    assert_eq!(home.values(&token, "HEART_RATE_GRAPH").await[&60], json!([70]));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_stores_once_and_never_other_bytes() {
    let (home, token) = Home::with_user().await;
    let send = |key: &'static str, rows: &str| {
        let zip = zipped(&table(rows));
        let (home, token) = (&home, &token);
        async move { home.upload(token, Some(key), &[("file", &zip), ("type", b"HEART_RATE")]).await }
    };
    let first = send("batch-1", "1672531200,72,4\n").await;
    send("batch-2", "1672531200,80,4\n").await;
    let repeat = send("batch-1", "1672531200,72,4\n").await;
    assert_eq!((repeat.status, &repeat.body), (first.status, &first.body));
    assert_eq!(repeat.headers["idempotency-replayed"], "true");
    // The repeat was answered, not carried out: the later value is still there.
    assert_eq!(home.values(&token, "HEART_RATE").await[&0], json!([80, 4]));

    let told = send("batch-1", "1672531200,99,4\n").await.refused(StatusCode::CONFLICT);
    assert!(told.contains("other bytes"), "{told}");
    assert_eq!(home.values(&token, "HEART_RATE").await[&0], json!([80, 4]));
    send("", "").await.refused(StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn two_uploads_of_one_hour_become_one_hour() {
    let (home, token) = Home::with_user().await;
    home.store(&token, "HEART_RATE", "1672531200,70,4\n1672531202,72,4\n").await;
    home.store(&token, "HEART_RATE", "1672531201,71,4\n1672531202,99,1\n").await;
    let values = home.values(&token, "HEART_RATE").await;
    assert_eq!(
        values.into_iter().collect::<Vec<_>>(),
        [(0, json!([70, 4])), (1, json!([71, 4])), (2, json!([99, 1]))]
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_takes_the_named_days_of_the_named_kind() {
    let (home, token) = Home::with_user().await;
    let rows = "1672531200,1,4\n1672617599,2,4\n1672617600,3,4\n";
    home.store(&token, "HEART_RATE", rows).await;
    home.store(&token, "ACTIVITY_COUNT", rows).await;
    let path = "/v1/measurement?type=HEART_RATE&start_day=2023-01-01&end_day=2023-01-01";
    let deleted = home.call(Method::DELETE, path, &token).await;
    assert_eq!(
        (deleted.status, deleted.json()),
        (StatusCode::OK, json!({ "status": "success", "deleted": 2 }))
    );
    assert_eq!(home.call(Method::DELETE, path, &token).await.json()["deleted"], 0);
    assert_eq!(home.values(&token, "HEART_RATE").await.into_keys().collect::<Vec<_>>(), [86_400]);
    assert_eq!(home.values(&token, "ACTIVITY_COUNT").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn users_cannot_see_or_delete_each_others_data() {
    let (home, mine) = Home::with_user().await;
    home.cloud.add_user("other@example.org", PASSWORD.into(), "Other", "One").await.unwrap();
    let theirs = home.log_in("other@example.org").await.text("access");
    home.store(&mine, "HEART_RATE", "1672531200,72,4\n").await;
    assert!(home.values(&theirs, "HEART_RATE").await.is_empty());
    let path = format!("/v1/measurement?type=HEART_RATE&{ALL}");
    assert_eq!(home.call(Method::DELETE, &path, &theirs).await.json()["deleted"], 0);
    home.store(&theirs, "HEART_RATE", "1672531200,55,4\n").await;
    assert_eq!(home.values(&mine, "HEART_RATE").await[&0], json!([72, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_restart_loses_neither_data_nor_log_ins_nor_receipts() {
    let (home, token) = Home::with_user().await;
    let refresh = home.log_in(EMAIL).await.text("refresh");
    let zip = zipped(&table("1672531200,72,4\n"));
    let parts: [Part<'_>; 2] = [("file", &zip), ("type", b"HEART_RATE")];
    home.upload(&token, Some("batch-1"), &parts).await;
    let home = home.reopened();
    assert_eq!(home.values(&token, "HEART_RATE").await[&0], json!([72, 4]));
    assert_eq!(home.upload(&token, Some("batch-1"), &parts).await.headers["idempotency-replayed"], "true");
    assert_eq!(home.refresh(&refresh).await.status, StatusCode::CREATED);
}
