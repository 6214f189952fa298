//! A host with one file, over real HTTP on loopback, that answers as a story wants; and somebody who downloads from it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use nowbridge::clock::Clock;
use nowbridge::cloud::{Client, FirmwareOffer};
use nowbridge::config::Url;
use nowbridge::firmware::{
    DownloadError, Downloader, FirmwareStore, Job, Judge, Limits, Progress, Stored, UrlGuard,
};
use nowbridge::wire::Sha256;
use tempfile::TempDir;
use tokio::sync::watch;

use super::cloud::{ScriptedCloud, Seen};

pub const ETAG: &str = "\"one\"";

/// So many bytes that no two neighbourhoods are alike.
pub fn content(len: usize) -> Bytes {
    let mut rng = fastrand::Rng::with_seed(len as u64);
    // Never the first letter of a web page.
    std::iter::once(0x3d).chain(std::iter::repeat_with(|| rng.u8(..))).take(len).collect()
}

/// What a good server answers.
pub fn good(seen: &Seen, content: &Bytes) -> Response {
    let start = seen.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    let start: Option<usize> =
        start.filter(|_| seen.header("if-range") == ETAG).map(|start| start.parse().unwrap());
    let response =
        Response::builder().header("etag", ETAG).header("content-type", "application/octet-stream");
    let total = content.len();
    match start {
        None => response.body(Body::from(content.clone())),
        Some(start) if start >= total => {
            response.status(416).header("content-range", format!("bytes */{total}")).body(Body::empty())
        }
        Some(start) => response
            .status(206)
            .header("content-range", format!("bytes {start}-{}/{total}", total - 1))
            .body(Body::from(content.slice(start..))),
    }
    .unwrap()
}

/// The same head, and a connection that breaks after so many bytes of the body.
pub async fn cut(response: Response, after: usize) -> Response {
    let broken = async {
        // What was given so far is written out only when there is nothing more to be had at the moment.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Err(std::io::Error::other("cut"))
    };
    lengthened(response, after, stream::once(broken)).await
}

/// The same head, and nothing more after so many bytes of the body.
pub async fn stalled(response: Response, after: usize) -> Response {
    lengthened(response, after, stream::pending()).await
}

async fn lengthened(
    response: Response,
    after: usize,
    then: impl stream::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.insert("content-length", whole.len().into());
    let first = stream::once(std::future::ready(Ok(whole.slice(..after.min(whole.len())))));
    Response::from_parts(parts, Body::from_stream(first.chain(then)))
}

/// Somebody with an empty store.
pub struct Fetcher {
    pub store: FirmwareStore,
    pub hosts: Vec<String>,
    pub limits: Limits,
    pub judge: Arc<dyn Judge>,
    pub progress: watch::Sender<Progress>,
    pub dir: TempDir,
}

impl Fetcher {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { keep_free: 0, pause: Duration::from_millis(1), ..Limits::default() };
        Self {
            store: FirmwareStore::new(dir.path().join("firmware")),
            hosts: Vec::new(),
            limits,
            judge: Arc::new(()),
            progress: watch::Sender::default(),
            dir,
        }
    }

    /// A path that is not in the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn guard(&self, host: &ScriptedCloud) -> UrlGuard {
        UrlGuard::new(Some(&host.base_url), &self.hosts)
    }

    /// Downloads what is offered, from this host.
    pub async fn fetch(&self, host: &ScriptedCloud, offer: FirmwareOffer) -> Result<Stored, DownloadError> {
        self.fetch_by(self.guard(host), None, Job { offer, query: None }).await
    }

    pub fn fetch_by<'a>(
        &'a self,
        guard: UrlGuard,
        api: Option<&'a Client>,
        job: Job,
    ) -> impl Future<Output = Result<Stored, DownloadError>> + 'a {
        let downloader = Downloader::new(self.store.clone(), guard, self.limits, Clock::System);
        let (judge, progress) = (Arc::clone(&self.judge), self.progress.clone());
        async move { downloader.fetch(api, &job, judge, progress).await }
    }

    /// The names of what lies in the store.
    pub fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.store.dir()) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }

    /// What lies there of a download under way.
    pub fn part(&self) -> Option<Vec<u8>> {
        let name = self
            .files()
            .into_iter()
            .find(|name| Path::new(name).extension().is_some_and(|kind| kind == "part"))?;
        Some(std::fs::read(self.store.dir().join(name)).unwrap())
    }
}

/// An offer of `content` at this host, with size and hash.
pub fn offer(host: &ScriptedCloud, content: &[u8]) -> FirmwareOffer {
    FirmwareOffer { size: Some(content.len() as u64), sha256: Some(Sha256::of(content)), ..bare_offer(host) }
}

/// An offer that says nothing of what it is.
pub fn bare_offer(host: &ScriptedCloud) -> FirmwareOffer {
    let url: Url = format!("{}/f.bin?sig=canary", host.base_url).parse().unwrap();
    FirmwareOffer {
        version: "1.4.0".to_owned(),
        url,
        size: None,
        sha256: None,
        manifest: None,
        signature: None,
        notes: None,
    }
}
