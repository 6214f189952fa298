//! What is too large, something else, or unwelcome never gets a name in the store, and does not fill the disk.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use nowbridge::cloud::FirmwareOffer;
use nowbridge::firmware::{DownloadError, Judge, Papers, Refusal, StoreError};
use nowbridge::wire::Sha256;

use crate::support::cloud::{ScriptedCloud, answer};
use crate::support::files::{ETAG, Fetcher, bare_offer, content, good, offer};

/// Bytes without end and without a length.
fn endless() -> Response {
    let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>(content(16_384)));
    Response::builder().header("etag", ETAG).body(Body::from_stream(chunks)).unwrap()
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_or_while_it_comes() {
    let declared =
        ScriptedCloud::answering(|_| answer(200, "application/octet-stream", content(50_001))).await;
    let lying = ScriptedCloud::answering(|_| endless()).await;
    let mut fetcher = Fetcher::new();
    fetcher.limits.largest = 50_000;
    for host in [&declared, &lying] {
        let error = fetcher.fetch(host, bare_offer(host)).await.unwrap_err();
        assert!(matches!(error, DownloadError::TooLarge { cap: 50_000, .. }), "{error}");
        assert!(!error.is_transient() && error.to_string().contains("firmware.max_size"));
        let offered = FirmwareOffer { size: Some(40_000), ..bare_offer(host) };
        let error = fetcher.fetch(host, offered).await.unwrap_err();
        assert!(matches!(error, DownloadError::WrongSize { offered: 40_000, .. }), "{error}");
        assert_eq!(fetcher.files(), [""; 0]);
    }
    // An offer that says it itself is not even asked for.
    let asked = declared.seen().len();
    let offered = FirmwareOffer { size: Some(50_001), ..bare_offer(&declared) };
    assert!(matches!(fetcher.fetch(&declared, offered).await, Err(DownloadError::TooLarge { .. })));
    assert_eq!(declared.seen().len(), asked);
}

#[tokio::test]
async fn a_sign_in_page_is_no_firmware() {
    for kind in ["text/html; charset=utf-8", "application/octet-stream"] {
        let page = "\n<!doctype html><title>Hotel WiFi</title>";
        let host = ScriptedCloud::answering(move |_| answer(200, kind, page)).await;
        let fetcher = Fetcher::new();
        let error = fetcher.fetch(&host, bare_offer(&host)).await.unwrap_err();
        assert!(matches!(error, DownloadError::WebPage { .. }) && error.is_transient(), "{error}");
        assert_eq!(host.seen().len(), 1);
        assert!(fetcher.store.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn another_file_is_thrown_away() {
    let whole = content(5_000);
    let host = ScriptedCloud::answering(|seen| good(seen, &content(5_001).slice(..5_000))).await;
    let fetcher = Fetcher::new();
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert!(matches!(error, DownloadError::WrongHash { .. }) && !error.is_transient(), "{error}");
    assert_eq!((host.seen().len(), fetcher.files()), (1, vec![]));

    let short = ScriptedCloud::answering(|seen| good(seen, &content(5_000).slice(..4_999))).await;
    let error = fetcher.fetch(&short, offer(&short, &whole)).await.unwrap_err();
    assert!(matches!(error, DownloadError::WrongSize { offered: 5_000, got: 4_999 }), "{error}");
    assert!(fetcher.files().is_empty());
}

#[tokio::test]
async fn what_is_packed_though_nobody_asked_is_not_unpacked() {
    let host = ScriptedCloud::answering(|_| {
        let mut response = answer(200, "application/octet-stream", content(100));
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    })
    .await;
    let error = Fetcher::new().fetch(&host, bare_offer(&host)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Encoded { .. }), "{error}");
}

/// Wants a manifest that says "good".
struct Strict;

impl Judge for Strict {
    fn papers(&self, _: &FirmwareOffer, papers: &Papers) -> Result<(), Refusal> {
        if papers.manifest.is_some() { Ok(()) } else { Err("it has no manifest".into()) }
    }

    fn file(&self, _: &FirmwareOffer, _: &[u8], papers: &Papers) -> Result<(), Refusal> {
        if papers.manifest.as_deref() == Some(b"good") { Ok(()) } else { Err("its manifest is bad".into()) }
    }
}

#[tokio::test]
async fn whoever_judges_has_the_last_word() {
    let whole = content(5_000);
    let served = whole.clone();
    let host = ScriptedCloud::answering(move |seen| match seen.path.as_str() {
        "/good" | "/bad" => answer(200, "text/plain", seen.path[1..].to_owned()),
        "/long" => answer(200, "text/plain", content(70_000)),
        _ => good(seen, &served),
    })
    .await;
    let fetcher = Fetcher { judge: Arc::new(Strict), ..Fetcher::new() };
    let with = |paper: &str| FirmwareOffer {
        manifest: Some(format!("{}/{paper}", host.base_url).parse().unwrap()),
        ..offer(&host, &whole)
    };
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert_eq!(error.to_string(), "it has no manifest");
    assert!(host.seen().is_empty(), "not a byte was asked for");
    assert!(matches!(fetcher.fetch(&host, with("long")).await, Err(DownloadError::TooLarge { .. })));
    let error = fetcher.fetch(&host, with("bad")).await.unwrap_err();
    assert!(matches!(error, DownloadError::Refused(_)) && fetcher.files().is_empty(), "{error}");

    let stored = fetcher.fetch(&host, with("good")).await.unwrap();
    assert_eq!(stored.papers.manifest.as_deref(), Some(&b"good"[..]));
    let kept = fetcher.store.get(Sha256::of(&whole)).await.unwrap().unwrap();
    assert_eq!(kept, stored);
    // What is in the store is judged again, by what is said of it today.
    assert!(matches!(fetcher.fetch(&host, with("bad")).await, Err(DownloadError::Refused(_))));
    assert_eq!(fetcher.store.get(Sha256::of(&whole)).await.unwrap(), Some(kept));
}

#[tokio::test]
async fn a_full_disk_is_told_and_not_made_fuller() {
    let whole = content(300_000);
    let served = whole.clone();
    let host = ScriptedCloud::answering(move |seen| good(seen, &served)).await;
    let mut fetcher = Fetcher::new();
    // A device that is always full stands where the part would be.
    std::fs::create_dir_all(fetcher.store.dir()).unwrap();
    let part = fetcher.store.dir().join(format!("{}.part", Sha256::of(&whole)));
    std::os::unix::fs::symlink("/dev/full", part).unwrap();
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Store(StoreError::DiskFull { .. })), "{error}");
    assert!(error.to_string().contains("make room") && fetcher.files().is_empty(), "{error}");

    fetcher.limits.keep_free = u64::MAX / 2;
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Store(StoreError::NoRoom { needed: 300_000, .. })), "{error}");
    assert!(fetcher.files().is_empty());
    fetcher.limits.keep_free = 0;
    fetcher.fetch(&host, offer(&host, &whole)).await.unwrap();
}
