//! A database on loopback that parses the line protocol strictly, by its documentation and not by our writer.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use nowbridge::measurement::Kind;
use nowbridge::wire::bridge::DeviceId;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::upload::Held;

const TOKEN: &str = "the-right-token";

/// A point: its series (measurement and tags) and second, and its fields.
type Points = BTreeMap<(String, BTreeMap<String, String>, i64), BTreeMap<String, Field>>;

/// A field's value; a field that began as one type takes no other.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Integer(i64),
    Float(f64),
    Text(String),
}

/// An answer in place of the database's own.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

impl Answer {
    pub fn new(status: StatusCode, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[derive(Default)]
struct Inside {
    points: Points,
    answer: Option<Answer>,
    asked: u64,
}

/// The database. Ends when dropped.
pub struct Influxdb {
    pub url: String,
    pub token_file: NamedTempFile,
    inside: Arc<Mutex<Inside>>,
    task: JoinHandle<()>,
}

impl Influxdb {
    pub async fn start() -> Self {
        let token_file = NamedTempFile::new().unwrap();
        std::fs::write(token_file.path(), format!("{TOKEN}\n")).unwrap();
        let inside = Arc::<Mutex<Inside>>::default();
        let router = Router::new().fallback(write).with_state(Arc::clone(&inside));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let db = Self { url, token_file, inside, task };
        db.guard_token();
        db
    }

    /// Nobody else may read the token.
    pub fn guard_token(&self) {
        std::fs::set_permissions(self.token_file.path(), Permissions::from_mode(0o600)).unwrap();
    }

    /// The next request is answered so.
    pub fn answer(&self, answer: Answer) {
        self.inside.lock().unwrap().answer = Some(answer);
    }

    /// How many requests came.
    pub fn asked(&self) -> u64 {
        self.inside.lock().unwrap().asked
    }

    /// What is stored of a device.
    pub fn held(&self, device: DeviceId) -> Held {
        let tags = BTreeMap::from([("device".to_owned(), device.to_string())]);
        let mut held = Held::new();
        for ((measurement, of, second), fields) in &self.inside.lock().unwrap().points {
            assert_eq!(of, &tags);
            let kind = measurement.strip_prefix("nowatch_").unwrap().to_ascii_uppercase();
            let kind: Kind = kind.parse().unwrap();
            let value = match (&fields["value"], kind) {
                (Field::Integer(value), Kind::HeartRate) => value.to_string(),
                (Field::Float(value), Kind::Temperature) => value.to_string(),
                (Field::Text(value), Kind::HeartBeat) => value.clone(),
                (other, _) => panic!("{kind} as {other:?}"),
            };
            let quality = fields.get("quality").map(|quality| match quality {
                Field::Integer(quality) => *quality as u8,
                other => panic!("a quality that is {other:?}"),
            });
            held.insert((kind, *second), (value, quality));
        }
        held
    }
}

impl Drop for Influxdb {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(State(inside): State<Arc<Mutex<Inside>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let mut inside = inside.lock().unwrap();
    inside.asked += 1;
    if let Some(Answer { status, headers, body }) = inside.answer.take() {
        let mut response = (status, body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        return response;
    }
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("authorization") != format!("Token {TOKEN}") {
        return (StatusCode::UNAUTHORIZED, r#"{"message":"unauthorized access"}"#).into_response();
    }
    let asked = (head.method.as_str(), head.uri.path(), head.uri.query().unwrap_or_default());
    if asked != ("POST", "/api/v2/write", "org=home&bucket=b&precision=s") {
        return (StatusCode::NOT_FOUND, format!("{asked:?}")).into_response();
    }
    let text = std::str::from_utf8(&body).unwrap();
    for line in text.lines() {
        let Some((key, fields)) = parse(line) else {
            return (StatusCode::BAD_REQUEST, format!("cannot parse {line}")).into_response();
        };
        inside.points.insert(key, fields);
    }
    StatusCode::NO_CONTENT.into_response()
}

type Point = ((String, BTreeMap<String, String>, i64), BTreeMap<String, Field>);

/// `measurement,tag=value field=value,field=value second`; nothing may be left out and nothing more may be there.
fn parse(line: &str) -> Option<Point> {
    let [series, fields, second] = &split(line, ' ')[..] else { return None };
    let (series, fields) = (split(series, ','), split(fields, ','));
    let pair = |text: &String| match &split(text, '=')[..] {
        [key, value] if !key.is_empty() && !value.is_empty() => Some((unescape(key), value.clone())),
        _ => None,
    };
    let tags = series[1..].iter().map(|tag| pair(tag).map(|(key, value)| (key, unescape(&value))));
    let fields = fields.iter().map(|text| {
        let (key, value) = pair(text)?;
        let value = if let Some(text) = value.strip_prefix('"') {
            Field::Text(unescape(text.strip_suffix('"')?))
        } else if let Some(integer) = value.strip_suffix('i') {
            Field::Integer(integer.parse().ok()?)
        } else {
            Field::Float(value.parse().ok().filter(|value: &f64| value.is_finite())?)
        };
        Some((key, value))
    });
    let key = (unescape(&series[0]), tags.collect::<Option<_>>()?, second.parse().ok()?);
    Some((key, fields.collect::<Option<_>>()?))
}

/// Splits where the separator is neither escaped nor within quotes.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut escaped, mut quoted) = (vec![String::new()], false, false);
    for character in text.chars() {
        if character == at && !escaped && !quoted {
            parts.push(String::new());
            continue;
        }
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        parts.last_mut().unwrap().push(character);
    }
    parts
}

fn unescape(text: &str) -> String {
    let (mut out, mut escaped) = (String::new(), false);
    for character in text.chars() {
        escaped = character == '\\' && !escaped;
        if !escaped {
            out.push(character);
        }
    }
    out
}
