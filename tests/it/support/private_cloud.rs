//! A private cloud in a temporary directory, called without a socket.

#![cfg(feature = "sim")]
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::sim::cloud::PrivateCloud;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use zip::write::SimpleFileOptions;

pub const EMAIL: &str = "someone@example.org";
pub const PASSWORD: &str = "Correct-horse-1";
const BOUNDARY: &str = "nowbridge-test";

/// A part of an upload: its name and what it holds.
pub type Part<'a> = (&'a str, &'a [u8]);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    /// The text at `name` of a JSON object.
    pub fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.json())).to_owned()
    }

    /// The messages of an error, in one line. Checks the error's shape on the way.
    pub fn refused(&self, status: StatusCode) -> String {
        let body = self.json();
        assert_eq!((self.status, &body["statusCode"]), (status, &json!(status.as_u16())), "{body}");
        assert!(body["path"].as_str().unwrap().starts_with('/'), "{body}");
        let timestamp = body["timestamp"].as_str().unwrap();
        assert!(timestamp.starts_with("2023-") && timestamp.ends_with('Z'), "{body}");
        let messages = body["message"].as_array().unwrap().iter();
        messages.map(|message| message.as_str().unwrap()).collect::<Vec<_>>().join("; ")
    }
}

/// A private cloud whose clock stands at 2023-01-02T00:00:00Z and runs with tokio's.
pub struct Home {
    pub cloud: PrivateCloud,
    directory: TempDir,
}

impl Home {
    pub fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { cloud: open_at(directory.path()), directory }
    }

    /// With one user, who is logged in; the second value is the access token.
    pub async fn with_user() -> (Self, String) {
        let home = Self::open();
        home.cloud.add_user(EMAIL, PASSWORD.into(), "Some", "One").await.unwrap();
        let token = home.log_in(EMAIL).await.text("access");
        (home, token)
    }

    /// Closes the database and opens the same files again.
    pub fn reopened(self) -> Self {
        let Self { cloud, directory } = self;
        drop(cloud);
        Self { cloud: open_at(directory.path()), directory }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.cloud.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::post(path).body(body.to_string().into()).unwrap()).await
    }

    pub async fn log_in(&self, email: &str) -> Answer {
        let answer = self.post("/v2/auth/login", &json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/v1/auth/refresh", &json!({ "refresh": token })).await
    }

    /// A request with a bearer token and no body.
    pub async fn call(&self, method: Method, path: &str, token: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap())
            .await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token).await
    }

    /// Uploads raw parts.
    pub async fn upload(&self, token: &str, key: Option<&str>, parts: &[Part<'_>]) -> Answer {
        let mut request = Request::post("/v1/measurement/upload")
            .header("authorization", format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(multipart(parts).into()).unwrap()).await
    }

    /// Posts a form.
    pub async fn send_form(&self, path: &str, token: &str, parts: &[Part<'_>]) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"));
        self.send(request.body(multipart(parts).into()).unwrap()).await
    }

    /// Uploads a table that must be taken.
    pub async fn store(&self, token: &str, kind: &str, rows: &str) -> Answer {
        let parts: [Part<'_>; 2] = [("file", &zipped(&table(rows))), ("type", kind.as_bytes())];
        let answer = self.upload(token, None, &parts).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer
    }

    /// The values of the first two days of 2023: seconds after the first midnight to `[value, quality]`.
    pub async fn values(&self, token: &str, kind: &str) -> BTreeMap<u32, Value> {
        let path = format!("/v1/measurement?type={kind}&sort=ASC&start_day=2023-01-01&end_day=2023-01-02");
        let mut all = BTreeMap::new();
        for day in self.get(&path, token).await.json().as_array().unwrap() {
            let midnight = if day["day"] == "2023-01-02T00:00:00.000Z" { 86_400 } else { 0 };
            let values: BTreeMap<u32, Value> = serde_json::from_str(day["values"].as_str().unwrap()).unwrap();
            assert_eq!(day["count"], values.len());
            all.extend(values.into_iter().map(|(second, value)| (midnight + second, value)));
        }
        all
    }
}

fn open_at(directory: &Path) -> PrivateCloud {
    PrivateCloud::open(directory, Clock::simulated(UtcMicros(1_672_617_600_000_000))).unwrap()
}

/// Rows under the header of the kinds that have a quality.
pub fn table(rows: &str) -> String {
    format!("datetime,value,quality_indicator\n{rows}")
}

/// A zip with one file.
pub fn zipped(text: &str) -> Vec<u8> {
    zip_of(&[("measurements.csv", text.as_bytes())])
}

/// A zip with these files.
pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let file = if *name == "file" { "; filename=\"measurements.zip\"" } else { "" };
        write!(body, "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
            .unwrap();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    write!(body, "--{BOUNDARY}--\r\n").unwrap();
    body
}
