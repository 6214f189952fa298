//! The `measurement` tag: uploading zipped tables, reading back what the cloud holds, deleting it.
//!
//! Documented: paths, the two parts of the form, the query and the form of the answer to `GET`. Our assumptions: that the
//! upload's verb is `POST`, that days are written `2022-02-07`, and the `Idempotency-Key` header, which is our addition: a
//! server that does not know it ignores it, and rows are keyed by second there, so sending twice does no harm.

use bytes::Bytes;
use reqwest::Method;
use serde::de::IgnoredAny;

use super::call::{Call, FileHead, FormPart, Payload, Reply};
use super::day_values::{DayOfValues, Row};
use super::{Client, CloudError};
use crate::measurement::{Day, Kind};

const MEASUREMENT: &str = "/v1/measurement";
const UPLOAD: &str = "/v1/measurement/upload";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// A day of heart beats is about 4 MiB of text; this is a week of them.
const READ_BACK_LIMIT_BYTES: usize = 32 << 20;
/// What is kept of the server's receipt: it goes into the database for every batch.
const RECEIPT_CHARS: usize = 2_000;

/// One table on its way to the cloud.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What it holds; the form's `type`.
    pub kind: Kind,
    /// The name of the zip file. Free: the API does not say what it wants.
    pub file_name: String,
    /// The zipped CSV. Shared, not copied.
    pub zip: Bytes,
    /// The same for every attempt to send the same bytes. Printable ASCII.
    pub idempotency_key: String,
}

/// The server has taken an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadReceipt {
    /// 200–299.
    pub status: u16,
    /// What the server answered: JSON or nothing, cut after 2,000 characters.
    pub body: String,
}

/// Which days of which kind, first and last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasurementQuery {
    /// The kind.
    pub kind: Kind,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// The order of the days.
    pub sort: Sort,
}

/// The order of days in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

impl Sort {
    const fn name(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// `POST /v1/measurement/upload`.
pub(super) async fn upload(client: &Client, upload: Upload) -> Result<UploadReceipt, CloudError> {
    let file = FileHead { name: upload.file_name, mime: "application/zip" };
    let parts = vec![
        FormPart { name: "file", file: Some(file), content: upload.zip },
        FormPart { name: "type", file: None, content: Bytes::from_static(upload.kind.name().as_bytes()) },
    ];
    let call = Call::post(UPLOAD, Payload::Form(parts)).header(IDEMPOTENCY_KEY, &upload.idempotency_key)?;
    receipt(&client.send(&call).await?)
}

/// A status of success is not enough: a network's sign-in page has that too.
fn receipt(reply: &Reply) -> Result<UploadReceipt, CloudError> {
    if !reply.body.trim_ascii().is_empty() {
        reply.json::<IgnoredAny>()?;
    }
    let body = String::from_utf8_lossy(&reply.body).chars().take(RECEIPT_CHARS).collect();
    Ok(UploadReceipt { status: reply.status, body })
}

/// `GET /v1/measurement`.
pub(super) async fn measurements(
    client: &Client,
    query: MeasurementQuery,
) -> Result<Vec<DayOfValues>, CloudError> {
    let mut call = over_days(Call::get(MEASUREMENT), query.kind, query.from, query.to);
    call = call.query("sort", &query.sort.name());
    call.limit_bytes = READ_BACK_LIMIT_BYTES;
    let reply = client.send(&call).await?;
    let rows: Vec<Row> = reply.json()?;
    rows.iter().map(|row| row.read().map_err(|what| reply.unexpected(what))).collect()
}

/// `DELETE /v1/measurement`. What it answers is not documented, so any JSON or nothing is success.
pub(super) async fn delete(client: &Client, kind: Kind, from: Day, to: Day) -> Result<(), CloudError> {
    let call = over_days(Call::new(Method::DELETE, MEASUREMENT), kind, from, to);
    receipt(&client.send(&call).await?).map(drop)
}

fn over_days(call: Call, kind: Kind, from: Day, to: Day) -> Call {
    call.query("type", &kind).query("start_day", &from).query("end_day", &to)
}
