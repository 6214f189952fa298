//! A private cloud behind a socket, and what stands in front of it: somebody who takes notes and may answer first.

#![cfg(feature = "sim")]
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::cloud::{Api, BaseUrl, Client, ClientConfig, Credentials, MeasurementQuery, Sort};
use nowbridge::measurement::{Kind, Quality};
use nowbridge::sim::cloud::{FaultPlan, Faults, PrivateCloud};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::cloud::client;
use super::private_cloud::{EMAIL, PASSWORD};
use super::upload::{BOOTED, Held};

const UPLOAD: &str = "/v1/measurement/upload";

/// A request as it came, and how it was answered.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// Of an upload, the idempotency key and the file.
    pub key: String,
    pub file: Bytes,
    pub status: u16,
}

type Answer = Box<dyn FnMut(&Asked) -> Option<Response> + Send>;

#[derive(Clone)]
struct Front {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<Option<Answer>>>,
}

/// The cloud. Ends when dropped.
pub struct ServedCloud {
    pub base_url: BaseUrl,
    pub private: PrivateCloud,
    /// Meets uploads only.
    pub faults: Faults,
    address: SocketAddr,
    front: Front,
    dir: TempDir,
    task: JoinHandle<()>,
}

impl ServedCloud {
    /// With a user who consents.
    pub async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let faults = Faults::seeded(1);
        faults.set(FaultPlan { only: Some(UPLOAD.to_owned()), ..FaultPlan::default() });
        let private = PrivateCloud::open(dir.path(), Clock::System).unwrap().with_faults(faults.clone());
        private.add_user(EMAIL, PASSWORD.into(), "Some", "One").await.unwrap();
        private.set_consent(EMAIL, true).await.unwrap();
        let front = Front { asked: Arc::default(), answer: Arc::default() };
        let router = private.router().layer(from_fn_with_state(front.clone(), stand_in_front));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base_url = format!("http://{address}/nowatch").parse().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base_url, private, faults, address, front, dir, task }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client that keeps its login beside this cloud.
    pub fn client(&self) -> Client {
        client(&self.base_url, &self.dir.path().join("tokens"))
    }

    /// The same, with a password in its configuration.
    pub fn client_with(&self, password: &str) -> Client {
        let mut config = ClientConfig::new(self.base_url.clone());
        config.token_file = Some(self.dir.path().join("tokens"));
        config.credentials = Some(somebody(password));
        Client::new(config, Clock::System).unwrap()
    }

    /// A client that is logged in.
    pub async fn logged_in(&self) -> Client {
        let client = self.client();
        client.login(&somebody(PASSWORD)).await.unwrap();
        client
    }

    /// From now on this may answer before the cloud is asked.
    pub fn instead(&self, answer: impl FnMut(&Asked) -> Option<Response> + Send + 'static) {
        *self.front.answer.lock().unwrap() = Some(Box::new(answer));
    }

    /// Everything asked so far under a path that ends like this.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.front.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path.ends_with(path)).cloned().collect()
    }

    /// The uploads so far.
    pub fn uploads(&self) -> Vec<Asked> {
        self.asked(UPLOAD)
    }

    /// What the cloud says it holds, from the day of the watch's boot to the day after the next.
    pub async fn held(&self, client: &Client) -> Held {
        let (from, mut held) = (BOOTED.seconds().day(), Held::new());
        for kind in Kind::ALL {
            let query = MeasurementQuery { kind, from, to: from.next().next(), sort: Sort::Ascending };
            for day in client.measurements(query).await.unwrap() {
                assert_eq!(day.count, day.readings.len() as u64);
                held.extend(day.readings.into_iter().map(|reading| {
                    let value = (reading.value.to_string(), reading.quality.map(Quality::get));
                    ((kind, reading.at.0), value)
                }));
            }
        }
        held
    }
}

impl Drop for ServedCloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The user of this cloud, who says that this is the password.
pub fn somebody(password: &str) -> Credentials {
    Credentials { email: EMAIL.to_owned(), password: password.into() }
}

async fn stand_in_front(State(front): State<Front>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 16 << 20).await else {
        // The connection has ended; nobody hears this.
        return Response::builder().status(400).body(Body::empty()).unwrap();
    };
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let boundary = header("content-type").split_once("boundary=").map_or("", |(_, boundary)| boundary);
    let mut asked = Asked {
        path: head.uri.path().to_owned(),
        key: header("idempotency-key").to_owned(),
        file: if boundary.is_empty() { Bytes::new() } else { file_part(&body, boundary) },
        status: 0,
    };
    let answer = front.answer.lock().unwrap().as_mut().and_then(|answer| answer(&asked));
    let answer = match answer {
        Some(answer) => answer,
        None => next.run(Request::from_parts(head, Body::from(body))).await,
    };
    asked.status = answer.status().as_u16();
    front.asked.lock().unwrap().push(asked);
    answer
}

/// The content of the part `file`. Boundaries differ from request to request, the file must not.
fn file_part(body: &Bytes, boundary: &str) -> Bytes {
    let find = |what: &[u8], from: usize| {
        let found = body[from..].windows(what.len()).position(|window| window == what);
        from + found.expect("the form is whole")
    };
    let start = find(b"\r\n\r\n", find(b"name=\"file\"", 0)) + 4;
    body.slice(start..find(format!("\r\n--{boundary}").as_bytes(), start))
}
