//! The measurement calls as the server sees them.

use bytes::Bytes;
use nowbridge::cloud::{Api, Client, CloudError, MeasurementQuery, Sort, Upload};
use nowbridge::measurement::{Kind, Value};
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::support::cloud::{ScriptedCloud, Seen, answer, client, json_answer, leave_login};

fn logged_in(cloud: &ScriptedCloud) -> (Client, TempDir) {
    let directory = tempdir().unwrap();
    let file = directory.path().join("tokens");
    leave_login(&cloud.base_url, &file, 0);
    (client(&cloud.base_url, &file), directory)
}

fn a_table() -> Upload {
    Upload {
        kind: Kind::HeartRate,
        file_name: "HEART_RATE.zip".to_owned(),
        zip: Bytes::from_static(b"PK\x03\x04\r\n--not-the-boundary\x00\xff"),
        idempotency_key: "0198c0de-0000-7000-8000-000000000001".to_owned(),
    }
}

/// Head and content of each part, taken apart by hand so that nothing is forgiven.
fn parts(seen: &Seen) -> Vec<(String, Vec<u8>)> {
    let boundary = seen.header("content-type").strip_prefix("multipart/form-data; boundary=").unwrap();
    let delimiter = format!("--{boundary}");
    let body = hex::encode(&seen.body);
    let mut pieces: Vec<Vec<u8>> =
        body.split(&hex::encode(delimiter)).map(|piece| hex::decode(piece).unwrap()).collect();
    assert_eq!(pieces.remove(0), b"");
    assert_eq!(pieces.pop().unwrap(), b"--\r\n");
    pieces.into_iter().map(|piece| part(&piece)).collect()
}

fn part(piece: &[u8]) -> (String, Vec<u8>) {
    let piece = piece.strip_prefix(b"\r\n").unwrap().strip_suffix(b"\r\n").unwrap();
    let end = piece.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    (String::from_utf8(piece[..end].to_vec()).unwrap(), piece[end + 4..].to_vec())
}

#[tokio::test]
async fn an_upload_is_a_form_of_exactly_two_parts() {
    let cloud = ScriptedCloud::answering(|_| json_answer(201, &json!({ "status": "success" }))).await;
    let (client, _directory) = logged_in(&cloud);
    let receipt = client.upload(a_table()).await.unwrap();
    assert_eq!((receipt.status, receipt.body.as_str()), (201, r#"{"status":"success"}"#));

    let [seen] = &cloud.seen()[..] else { panic!("one request") };
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/measurement/upload"));
    assert_eq!(seen.header("authorization"), "Bearer access-0");
    assert_eq!(seen.header("idempotency-key"), a_table().idempotency_key);
    assert_eq!(seen.header("content-length"), seen.body.len().to_string(), "not chunked");
    let parts = parts(seen);
    let heads: Vec<&str> = parts.iter().map(|(head, _)| head.as_str()).collect();
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"HEART_RATE.zip\"\r\nContent-Type: application/zip";
    assert_eq!(heads, [file, "Content-Disposition: form-data; name=\"type\""]);
    assert_eq!(parts[0].1, a_table().zip);
    assert_eq!(parts[1].1, b"HEART_RATE");
}

#[tokio::test]
async fn a_retry_after_401_carries_the_same_bytes_and_key() {
    let cloud = ScriptedCloud::answering(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v1/auth/refresh", _) => crate::support::cloud::tokens(1),
        (_, "Bearer access-1") => answer(204, "text/plain", ""),
        _ => crate::support::cloud::refusal(401, "jwt expired"),
    })
    .await;
    let (client, _directory) = logged_in(&cloud);
    let receipt = client.upload(a_table()).await.unwrap();
    assert_eq!((receipt.status, receipt.body.as_str()), (204, ""));
    let [first, _refresh, second] = &cloud.seen()[..] else { panic!("{:?}", cloud.paths()) };
    let contents = |seen: &Seen| parts(seen).into_iter().map(|(_, content)| content).collect::<Vec<_>>();
    assert_eq!(contents(first), contents(second));
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
}

#[tokio::test]
async fn what_the_cloud_holds_is_read_back() {
    let cloud = ScriptedCloud::answering(|seen| {
        let (kind, values) = if seen.query.contains("HEART_BEAT") {
            ("HEART_BEAT", r#"{"1":["010204e8030000000000",4]}"#)
        } else {
            ("TEMPERATURE", r#"{"0":[36.44,4],"60":[36,null]}"#)
        };
        let row = json!({
            "values": values, "count": 2, "type": kind, "day": "2023-01-01T00:00:00.000Z",
            "created": "2023-01-02T00:00:00.000Z", "updatedAt": "2023-01-02T00:00:00.000Z",
        });
        json_answer(200, &json!([row]))
    })
    .await;
    let (client, _directory) = logged_in(&cloud);
    let (from, to) = ("2023-01-01".parse().unwrap(), "2023-01-07".parse().unwrap());
    let query = MeasurementQuery { kind: Kind::Temperature, from, to, sort: Sort::Descending };
    let days = client.measurements(query).await.unwrap();
    assert_eq!((days.len(), days[0].day, days[0].count), (1, from, 2));
    assert_eq!(days[0].readings[1].at, from.at(60));
    assert_eq!(days[0].readings[0].value, Value::Decimal(36.44));

    let days = client.measurements(MeasurementQuery { kind: Kind::HeartBeat, ..query }).await.unwrap();
    assert_eq!(days[0].readings[0].value.to_string(), "010204e8030000000000");

    client.delete_measurements(Kind::Temperature, from, to).await.unwrap();
    let asked: Vec<_> = cloud.seen().into_iter().map(|seen| (seen.method.to_string(), seen.query)).collect();
    let days = "start_day=2023-01-01&end_day=2023-01-07";
    assert_eq!(asked[0], ("GET".to_owned(), format!("type=TEMPERATURE&{days}&sort=DESC")));
    assert_eq!(asked[2], ("DELETE".to_owned(), format!("type=TEMPERATURE&{days}")));
}

#[tokio::test]
async fn an_answer_of_another_form_is_refused_without_quoting_it() {
    let cloud = ScriptedCloud::answering(|_| json_answer(200, &json!([{ "values": 77 }]))).await;
    let (client, _directory) = logged_in(&cloud);
    let day = "2023-01-01".parse().unwrap();
    let query = MeasurementQuery { kind: Kind::HeartRate, from: day, to: day, sort: Sort::Ascending };
    let error = client.measurements(query).await.unwrap_err();
    assert!(matches!(error, CloudError::Unexpected { .. }) && !error.is_transient(), "{error}");
    assert!(!format!("{error} {error:?}").contains("77"), "{error:?}");
}
