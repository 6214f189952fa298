//! However often it breaks, each byte comes once if the server can go on, and never from two versions.

use axum::body::Body;
use axum::response::Response;
use nowbridge::firmware::DownloadError;
use nowbridge::wire::Sha256;

use crate::support::cloud::{ScriptedCloud, Seen, answer};
use crate::support::files::{ETAG, Fetcher, bare_offer, content, cut, good, offer};

/// What was asked for: the values of `Range`.
fn ranges(host: &ScriptedCloud) -> Vec<String> {
    host.seen().iter().map(|seen| seen.header("range").to_owned()).collect()
}

#[tokio::test]
async fn it_goes_on_where_the_connection_broke() {
    // Around the sizes that are gathered before they are written.
    let whole = content(300_000);
    for cuts in [vec![0, 1, 1], vec![65_536], vec![131_071, 1, 1], vec![131_072, 131_072], vec![299_999]] {
        let (served, given) = (whole.clone(), cuts.clone());
        let host = ScriptedCloud::serving(move |seen: Seen| {
            let (served, cuts) = (served.clone(), given.clone());
            async move {
                match cuts.get(seen.earlier) {
                    Some(after) => cut(good(&seen, &served), *after).await,
                    None => good(&seen, &served),
                }
            }
        })
        .await;
        let fetcher = Fetcher::new();
        let stored = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap();
        assert!(stored.bytes == whole && std::fs::read(&stored.path).unwrap() == whole, "{cuts:?}");
        let mut here = 0;
        let mut expected = vec![String::new()];
        for after in &cuts {
            here += after;
            expected.push(if here == 0 { String::new() } else { format!("bytes={here}-") });
        }
        assert_eq!(ranges(&host), expected);
        assert!(host.seen().iter().all(|seen| seen.header("accept-encoding") == "identity"));
        let name = Sha256::of(&whole);
        assert_eq!(fetcher.files(), [format!("{name}.bin"), format!("{name}.json")]);
        let progress = *fetcher.progress.borrow();
        assert_eq!((progress.bytes, progress.total), (300_000, Some(300_000)));
    }
}

#[tokio::test]
async fn the_next_download_goes_on_too_and_the_one_after_asks_nobody() {
    let whole = content(200_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        async move {
            // One connection that carries something, and none that does for as long as the first download tries.
            match seen.earlier {
                0 => cut(good(&seen, &served), 150_000).await,
                1..4 => cut(good(&seen, &served), 0).await,
                _ => good(&seen, &served),
            }
        }
    })
    .await;
    let fetcher = Fetcher::new();
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Interrupted { got: 150_000, .. }), "{error}");
    assert!(error.is_transient() && !error.to_string().contains("canary"), "{error}");
    assert_eq!(fetcher.part().unwrap(), whole[..150_000]);
    let beside = fetcher.files().into_iter().find(|name| name.ends_with(".part.json")).unwrap();
    let note = std::fs::read_to_string(fetcher.store.dir().join(beside)).unwrap();
    assert!(note.contains("/f.bin") && !note.contains("canary"), "what expires is not written down: {note}");

    fetcher.fetch(&host, offer(&host, &whole)).await.unwrap();
    assert_eq!(ranges(&host).last().unwrap(), "bytes=150000-");
    let asked = host.seen().len();
    assert!(fetcher.fetch(&host, offer(&host, &whole)).await.unwrap().bytes == whole);
    assert_eq!(host.seen().len(), asked);
}

/// A download that breaks after 1,000 bytes and then meets `then`; how often it had to ask, and what it asked for.
async fn after_a_break(then: fn(&Seen) -> Option<Response>) -> Vec<String> {
    let whole = content(5_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        async move {
            if seen.earlier == 0 {
                return cut(good(&seen, &served), 1_000).await;
            }
            then(&seen).unwrap_or_else(|| good(&seen, &served))
        }
    })
    .await;
    let fetcher = Fetcher::new();
    let stored = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap();
    assert!(stored.bytes == whole);
    ranges(&host)
}

fn partial(range: &'static str, etag: &'static str) -> Response {
    let response = Response::builder().status(206).header("content-range", range).header("etag", etag);
    response.body(Body::from(content(5_000).slice(1_000..))).unwrap()
}

#[tokio::test]
async fn a_server_that_begins_anew_is_followed() {
    let ranges = after_a_break(|_| Some(answer(200, "application/octet-stream", content(5_000)))).await;
    assert_eq!(ranges, ["", "bytes=1000-"]);
}

#[tokio::test]
async fn another_part_than_the_one_asked_for_is_not_taken() {
    for wrong in [
        |seen: &Seen| (seen.earlier == 1).then(|| partial("bytes 999-4999/5000", ETAG)),
        |seen: &Seen| (seen.earlier == 1).then(|| partial("bytes 1000-4999/6000", ETAG)),
        |seen: &Seen| (seen.earlier == 1).then(|| partial("bytes 1000-4999/5000", "\"two\"")),
        |seen: &Seen| (seen.earlier == 1).then(|| partial("nonsense", ETAG)),
        |seen: &Seen| {
            let refused = Response::builder().status(416).header("content-range", "bytes */999");
            (seen.earlier == 1).then(|| refused.body(Body::empty()).unwrap())
        },
    ] {
        assert_eq!(after_a_break(wrong).await, ["", "bytes=1000-", ""]);
    }
}

#[tokio::test]
async fn a_server_may_send_the_rest_in_pieces() {
    let ranges = after_a_break(|seen| {
        (seen.earlier == 1).then(|| {
            let piece = content(5_000).slice(1_000..3_000);
            let response = Response::builder().status(206).header("content-range", "bytes 1000-2999/5000");
            response.body(Body::from(piece)).unwrap()
        })
    })
    .await;
    assert_eq!(ranges, ["", "bytes=1000-", "bytes=3000-"]);
}

#[tokio::test]
async fn without_a_strong_tag_it_begins_anew() {
    let whole = content(5_000);
    for tag in ["W/\"one\"", "one", ""] {
        let served = whole.clone();
        let host = ScriptedCloud::serving(move |seen: Seen| {
            let served = served.clone();
            async move {
                let mut response = answer(200, "application/octet-stream", served);
                response.headers_mut().insert("etag", tag.parse().unwrap());
                if seen.earlier == 0 { cut(response, 1_000).await } else { response }
            }
        })
        .await;
        let fetcher = Fetcher::new();
        fetcher.fetch(&host, offer(&host, &whole)).await.unwrap();
        assert_eq!(ranges(&host), ["", ""], "{tag}");
    }
}

#[tokio::test]
async fn a_file_that_lies_there_whole_is_only_judged() {
    let whole = content(5_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        async move {
            if seen.earlier == 0 { cut(good(&seen, &served), 1_000).await } else { good(&seen, &served) }
        }
    })
    .await;
    // The size is not known: only a 416 tells that nothing is missing.
    let fetcher = Fetcher::new();
    let wanted = nowbridge::cloud::FirmwareOffer { sha256: Some(Sha256::of(&whole)), ..bare_offer(&host) };
    std::fs::create_dir_all(fetcher.store.dir()).unwrap();
    let part = fetcher.store.dir().join(format!("{}.part", Sha256::of(&whole)));
    std::fs::write(&part, &whole).unwrap();
    let note = serde_json::json!({ "url": "x", "etag": ETAG, "total": null, "sha256": Sha256::of(&whole) });
    std::fs::write(part.with_extension("part.json"), note.to_string()).unwrap();
    assert!(fetcher.fetch(&host, wanted).await.unwrap().bytes == whole);
    assert_eq!(ranges(&host), ["bytes=5000-"]);
}

#[tokio::test]
async fn bytes_that_rotted_meanwhile_cost_a_second_download_and_no_more() {
    let whole = content(5_000);
    let served = whole.clone();
    let host = ScriptedCloud::answering(move |seen| good(seen, &served)).await;
    let fetcher = Fetcher::new();
    std::fs::create_dir_all(fetcher.store.dir()).unwrap();
    let part = fetcher.store.dir().join(format!("{}.part", Sha256::of(&whole)));
    // After a power cut, the length may be there and the bytes not.
    std::fs::write(&part, vec![0; 1_000]).unwrap();
    let note = serde_json::json!({ "url": "x", "etag": ETAG, "total": 5_000, "sha256": Sha256::of(&whole) });
    std::fs::write(part.with_extension("part.json"), note.to_string()).unwrap();
    assert!(fetcher.fetch(&host, offer(&host, &whole)).await.unwrap().bytes == whole);
    assert_eq!(ranges(&host), ["bytes=1000-", ""]);
}

#[tokio::test]
async fn a_server_that_never_gets_anywhere_is_left_alone() {
    let whole = content(5_000);
    let host = ScriptedCloud::answering(|_| answer(503, "text/plain", "later")).await;
    let fetcher = Fetcher::new();
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Answer { status: 503, .. }) && error.is_transient(), "{error}");
    assert_eq!(host.seen().len(), 4);

    // One that asks for a long rest is not asked again at all.
    let host = ScriptedCloud::answering(|_| {
        let mut rest = answer(429, "text/plain", "rest");
        rest.headers_mut().insert("retry-after", 120.into());
        rest
    })
    .await;
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(120));
    assert_eq!(host.seen().len(), 1);
}
