//! A cloud that says what a story wants, over real HTTP on loopback.
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nowbridge::clock::Clock;
use nowbridge::cloud::{BaseUrl, Client, ClientConfig, Credentials};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as the cloud saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How many requests to the same path came before.
    pub earlier: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answer = Arc<dyn Fn(Seen) -> BoxFuture<'static, Response> + Send + Sync>;

/// A server that answers with a function and remembers what it was asked. Ends when dropped.
pub struct ScriptedCloud {
    pub base_url: BaseUrl,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl ScriptedCloud {
    /// Answers at once.
    pub async fn answering(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        Self::serving(move |seen| std::future::ready(answer(&seen))).await
    }

    /// Answers when the future is done.
    pub async fn serving<F>(answer: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer: Answer = Arc::new(move |seen| answer(seen).boxed());
        let router = Router::new().fallback(take).with_state((Arc::clone(&seen), answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/nowatch", listener.local_addr().unwrap()).parse().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base_url, seen, task }
    }

    /// Everything asked so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The paths asked so far.
    pub fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }
}

impl Drop for ScriptedCloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State((list, answer)): State<(Arc<Mutex<Vec<Seen>>>, Answer)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let path = head.uri.path().strip_prefix("/nowatch").expect("the base url has this prefix").to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let seen = {
        let mut list = list.lock().unwrap();
        let earlier = list.iter().filter(|seen: &&Seen| seen.path == path).count();
        let seen = Seen { method: head.method, path, query, headers: head.headers, body, earlier };
        list.push(seen.clone());
        seen
    };
    answer(seen).await
}

/// A JSON answer.
pub fn json_answer(status: u16, body: &Value) -> Response {
    answer(status, "application/json", body.to_string())
}

/// An answer of any type.
pub fn answer(status: u16, content_type: &str, body: impl Into<Body>) -> Response {
    Response::builder().status(status).header("content-type", content_type).body(body.into()).unwrap()
}

/// The documented answer of a login, with `access-<n>` and `refresh-<n>`.
pub fn tokens(n: usize) -> Response {
    let body =
        json!({ "access": format!("access-{n}"), "refresh": format!("refresh-{n}"), "expiresIn": 3600 });
    json_answer(200, &body)
}

/// The documented error body.
pub fn refusal(status: u16, message: &str) -> Response {
    let body = json!({
        "timestamp": "2022-02-07T10:00:00.000Z", "path": "/v1/user", "message": [message], "statusCode": status,
    });
    json_answer(status, &body)
}

/// Accepts one connection after the other, hears something, sends these bytes and closes its side.
pub async fn raw_cloud(bytes: &'static [u8]) -> BaseUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = Vec::new();
            stream.read_buf(&mut heard).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            // Closing with something unread would reset the connection and take our bytes back.
            let _ = stream.read_to_end(&mut heard).await;
        }
    });
    base_url
}

/// Somebody with an account.
pub fn somebody() -> Credentials {
    Credentials { email: "somebody@example.org".to_owned(), password: "canary-password".into() }
}

/// A client that keeps its login in `tokens`.
pub fn client(base_url: &BaseUrl, tokens: &Path) -> Client {
    let mut config = ClientConfig::new(base_url.clone());
    config.token_file = Some(tokens.to_owned());
    Client::new(config, Clock::System).unwrap()
}

/// Leaves a login with `access-0` and `refresh-0` in the file, `age_s` seconds old, valid for an hour.
pub fn leave_login(base_url: &BaseUrl, tokens: &Path, age_s: i64) {
    let login = json!({
        "version": 1, "cloud": base_url.to_string(), "access": "access-0", "refresh": "refresh-0",
        "expires_in_ms": 3_600_000, "obtained_at_us": Clock::System.now().0 - age_s * 1_000_000,
    });
    std::fs::write(tokens, login.to_string()).unwrap();
}
