//! From an offer to a verified file in the store.
//!
//! Every way this can end, a power cut included, leaves either the file under its name or a part that the next attempt goes on
//! with. What has come is never believed: the whole is read back from the disk, hashed, and judged before it gets its name.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use tokio::sync::watch;

use super::disk::off_thread;
use super::leg::Leg;
use super::partial::{Note, Part};
use super::progress::Meter;
use super::request::Requests;
use super::store::{FirmwareStore, Label, Papers, Stored};
use super::url::host_of;
use super::{DownloadError, Progress, UrlGuard};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::cloud::{Api, FirmwareOffer, FirmwareQuery};
use crate::wire::Sha256;

/// A manifest or a signature is never larger.
const PAPER_BYTES: u64 = 64 << 10;
/// An address that is stale when it is fresh will not get better by asking.
const FRESH_ADDRESSES: u32 = 2;

/// Why firmware was refused, in words for its user.
pub type Refusal = Box<dyn StdError + Send + Sync>;

/// Whoever decides whether firmware may be kept. Called off the runtime's threads where it may take long.
pub trait Judge: Send + Sync + 'static {
    /// Looks at what comes with the file, before the file is asked for.
    fn papers(&self, offer: &FirmwareOffer, papers: &Papers) -> Result<(), Refusal> {
        let _ = (offer, papers);
        Ok(())
    }

    /// Looks at the whole file, whose size and hash are those that were offered, as far as they were.
    fn file(&self, offer: &FirmwareOffer, file: &[u8], papers: &Papers) -> Result<(), Refusal> {
        let _ = (offer, file, papers);
        Ok(())
    }
}

/// Nobody: the size and the hash that were offered decide alone.
impl Judge for () {}

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, bytes.
    pub largest: u64,
    /// What is left of the disk to others, bytes.
    pub keep_free: u64,
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a byte for so long, a connection is given up.
    pub stall: Duration,
    /// For everything together. A server that dribbles keeps nobody for longer.
    pub overall: Duration,
    /// Connections in a row that bring nothing new.
    pub attempts: u32,
    /// Before the next connection, at first; doubled each time, up to thirtyfold.
    pub pause: Duration,
    /// A server that asks for a longer wait than this is left to the caller.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            largest: 8 << 20,
            keep_free: 64 << 20,
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            // 8 MiB at 2.4 kB/s.
            overall: Duration::from_hours(1),
            attempts: 4,
            pause: Duration::from_secs(1),
            patience: Duration::from_mins(1),
        }
    }
}

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Job {
    /// The offer.
    pub offer: FirmwareOffer,
    /// What it answers: asked again when an address has expired.
    pub query: Option<FirmwareQuery>,
}

/// Fetches firmware into one store.
#[derive(Clone, Debug)]
pub struct Downloader {
    store: FirmwareStore,
    requests: Requests,
    limits: Limits,
}

/// What one download has on its hands.
struct Run<'a, A> {
    downloader: &'a Downloader,
    api: Option<&'a A>,
    query: Option<&'a FirmwareQuery>,
    offer: FirmwareOffer,
    judge: Arc<dyn Judge>,
    /// Fresh addresses asked for.
    fresh: u32,
    fruitless: u32,
    furthest: u64,
    backoff: Backoff,
}

impl Downloader {
    /// Fetches into `store` from addresses that `guard` lets through.
    pub fn new(store: FirmwareStore, guard: UrlGuard, limits: Limits, clock: Clock) -> Self {
        let requests = Requests { guard, connect: limits.connect, answer: limits.stall, clock };
        Self { store, requests, limits }
    }

    /// The store.
    pub const fn store(&self) -> &FirmwareStore {
        &self.store
    }

    /// Fetches what is offered, unless the store has it, and answers with the verified file. Broken connections are taken up
    /// again. Dropping the future is safe at any time. `api` gives tokens for its own origin, and fresh addresses.
    pub async fn fetch<A: Api>(
        &self,
        api: Option<&A>,
        job: &Job,
        judge: Arc<dyn Judge>,
        progress: watch::Sender<Progress>,
    ) -> Result<Stored, DownloadError> {
        let run = Run {
            downloader: self,
            api,
            query: job.query.as_ref(),
            offer: job.offer.clone(),
            judge,
            fresh: 0,
            fruitless: 0,
            furthest: 0,
            backoff: Backoff::new(self.limits.pause, self.limits.pause * 30, fastrand::Rng::new()),
        };
        let overall = self.limits.overall;
        let done = tokio::time::timeout(overall, run.run(Meter::new(progress))).await;
        done.unwrap_or(Err(DownloadError::TooSlow { after: overall }))
    }

    async fn paper<A: Api>(
        &self,
        api: Option<&A>,
        url: Option<&Url>,
    ) -> Result<Option<Bytes>, DownloadError> {
        let Some(url) = url else { return Ok(None) };
        let mut response = self.requests.get(api, url, None).await?;
        let (host, status) = (host_of(url), response.status().as_u16());
        if status != 200 {
            return Err(DownloadError::Answer { host, status, retry_after: None });
        }
        let mut paper = Vec::new();
        loop {
            let chunk = tokio::time::timeout(self.limits.stall, response.chunk()).await;
            let got = paper.len() as u64;
            let stalled = |_| DownloadError::Stalled { host: host.clone(), got, after: self.limits.stall };
            let broken = |source: reqwest::Error| DownloadError::Interrupted {
                host: host.clone(),
                got,
                source: source.without_url(),
            };
            let Some(chunk) = chunk.map_err(stalled)?.map_err(broken)? else { return Ok(Some(paper.into())) };
            if got + chunk.len() as u64 > PAPER_BYTES {
                return Err(DownloadError::TooLarge { host, cap: PAPER_BYTES });
            }
            paper.extend_from_slice(&chunk);
        }
    }
}

impl<A: Api> Run<'_, A> {
    async fn run(mut self, mut meter: Meter) -> Result<Stored, DownloadError> {
        let Downloader { store, requests, limits } = self.downloader;
        requests.guard.check(&self.offer.url, None)?;
        if self.offer.size.is_some_and(|size| size > limits.largest) {
            return Err(DownloadError::TooLarge { host: host_of(&self.offer.url), cap: limits.largest });
        }
        if let Some(stored) = self.stored().await? {
            meter.stands(stored.bytes.len() as u64, Some(stored.bytes.len() as u64));
            return Ok(stored);
        }
        let mut part = Part::open(store, &self.offer, limits.keep_free).await?;
        self.furthest = part.len();
        let mut papers = None;
        loop {
            match self.step(&mut papers, &mut part, &mut meter).await {
                Ok(Some(file)) => return self.keep(part, file, papers.unwrap_or_default()).await,
                // A server that never sends the rest would keep us for ever.
                Ok(None) if self.fruitless >= limits.attempts => {
                    return Err(DownloadError::WrongRange { host: host_of(&self.offer.url) });
                }
                Ok(None) => self.fruitless += 1,
                Err(error) => {
                    if let Err(error) = self.recover(error, &mut part).await {
                        if error.spoils_the_part() {
                            part.discard().await?;
                        }
                        return Err(error);
                    }
                }
            }
        }
    }

    /// One connection, and the verdict if it was the last one needed.
    async fn step(
        &mut self,
        papers: &mut Option<Papers>,
        part: &mut Part,
        meter: &mut Meter,
    ) -> Result<Option<(Sha256, Bytes)>, DownloadError> {
        if papers.is_none() {
            *papers = Some(self.papers().await?);
        }
        let Downloader { requests, limits, .. } = self.downloader;
        let offer = &self.offer;
        let leg = Leg { requests, api: self.api, offer, cap: limits.largest, stall: limits.stall };
        let whole = leg.go(part, meter).await;
        if part.len() > self.furthest {
            (self.furthest, self.fruitless) = (part.len(), 0);
            self.backoff.succeeded();
        }
        if !whole? {
            return Ok(None);
        }
        let (judge, offer) = (Arc::clone(&self.judge), self.offer.clone());
        let papers = papers.clone().unwrap_or_default();
        let verdict =
            part.judged(limits.largest, move |file| verdict(&*judge, &offer, file, &papers)).await?;
        match verdict {
            // Bytes of different days may not fit together, though their note says so. From one piece, they must.
            Err(DownloadError::WrongHash { .. }) if part.is_patched() => {
                part.restart(Note::default()).await?;
                Ok(None)
            }
            verdict => verdict.map(Some),
        }
    }

    /// The file that is offered, if the store has it. What comes with it may be newer than what is beside it.
    async fn stored(&self) -> Result<Option<Stored>, DownloadError> {
        let (Some(sha256), store) = (self.offer.sha256, &self.downloader.store) else { return Ok(None) };
        let Some(mut stored) = store.get(sha256).await? else { return Ok(None) };
        let offered = self.papers().await?;
        let news = offered != Papers::default() && offered != stored.papers;
        if news {
            stored.papers = offered;
        }
        let (judge, offer, label) = (Arc::clone(&self.judge), self.offer.clone(), self.label());
        let store = store.clone();
        off_thread(move || {
            if let Err(refusal) = judge.file(&offer, &stored.bytes, &stored.papers) {
                return Ok(Err(DownloadError::Refused(refusal)));
            }
            if news {
                let _lock = store.lock()?;
                store.annotate(&stored.sha256, &stored.papers, &label)?;
            }
            Ok(Ok(Some(stored)))
        })
        .await?
    }

    async fn papers(&self) -> Result<Papers, DownloadError> {
        let Self { downloader, api, offer, .. } = self;
        let papers = Papers {
            manifest: downloader.paper(*api, offer.manifest.as_ref()).await?,
            signature: downloader.paper(*api, offer.signature.as_ref()).await?,
        };
        self.judge.papers(offer, &papers).map_err(DownloadError::Refused)?;
        Ok(papers)
    }

    /// Makes the next step possible, or gives the error back.
    async fn recover(&mut self, error: DownloadError, part: &mut Part) -> Result<(), DownloadError> {
        if error.is_expiry() && self.fresh < FRESH_ADDRESSES {
            return self.ask_anew(error, part).await;
        }
        let wait = error.retry_after().unwrap_or_default();
        self.fruitless += 1;
        if !error.is_passing()
            || self.fruitless >= self.downloader.limits.attempts
            || wait > self.downloader.limits.patience
        {
            return Err(error);
        }
        let wait = self.backoff.failed(wait);
        tracing::info!(%error, wait_s = wait.as_secs(), "the download of firmware goes on soon");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Has the cloud give a fresh address of the same file.
    async fn ask_anew(&mut self, error: DownloadError, part: &mut Part) -> Result<(), DownloadError> {
        let (Some(api), Some(query)) = (self.api, self.query) else { return Err(error) };
        self.fresh += 1;
        let fresh = api.firmware(query.clone()).await?;
        let same = |fresh: &FirmwareOffer| {
            fresh.version == self.offer.version
                && fresh.sha256 == self.offer.sha256
                && fresh.size == self.offer.size
        };
        match fresh {
            Some(fresh) if same(&fresh) => {
                if fresh.sha256.is_none() && part.len() > 0 {
                    part.restart(Note::default()).await?;
                }
                self.offer = fresh;
                Ok(())
            }
            now => Err(DownloadError::Changed {
                was: self.offer.version.clone(),
                now: now.map(|now| now.version),
            }),
        }
    }

    async fn keep(
        self,
        part: Part,
        (sha256, bytes): (Sha256, Bytes),
        papers: Papers,
    ) -> Result<Stored, DownloadError> {
        let path = part.adopt(sha256, papers.clone(), self.label()).await?;
        Ok(Stored { sha256, path, bytes, papers })
    }

    fn label(&self) -> Label {
        Label {
            product: self.query.map(|query| query.product.clone()),
            version: Some(self.offer.version.clone()),
            channel: self.query.map(|query| query.channel.to_string()),
            from: Some(host_of(&self.offer.url)),
        }
    }
}

fn verdict(
    judge: &dyn Judge,
    offer: &FirmwareOffer,
    file: Vec<u8>,
    papers: &Papers,
) -> Result<(Sha256, Bytes), DownloadError> {
    let got = Sha256::of(&file);
    if let Some(offered) = offer.sha256.filter(|offered| *offered != got) {
        return Err(DownloadError::WrongHash { offered, got });
    }
    judge.file(offer, &file, papers).map_err(DownloadError::Refused)?;
    Ok((got, file.into()))
}
