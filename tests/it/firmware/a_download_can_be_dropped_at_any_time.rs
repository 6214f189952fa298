//! Whenever it ends, the next one makes it whole; and two never write the same file.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use nowbridge::firmware::{DownloadError, StoreError, Stored};
use nowbridge::wire::Sha256;

use crate::support::cloud::{ScriptedCloud, Seen};
use crate::support::files::{Fetcher, content, cut, good, offer, stalled};
use crate::support::process::until;

/// Polls a future so many times and drops it, unless it ends before.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Downloads as soon as the last write of whoever was dropped is done.
async fn once_free(fetcher: &Fetcher, host: &ScriptedCloud, whole: &[u8]) -> Stored {
    until("the store is free", async || match fetcher.fetch(host, offer(host, whole)).await {
        Err(DownloadError::Store(StoreError::Busy { .. })) => None,
        done => Some(done.unwrap()),
    })
    .await
}

#[tokio::test]
async fn whenever_it_is_dropped_the_next_one_makes_it_whole() {
    let whole = content(300_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        // The one in the middle breaks, so that going on is among the steps.
        async move {
            if seen.earlier % 3 == 1 {
                cut(good(&seen, &served), 140_000).await
            } else {
                good(&seen, &served)
            }
        }
    })
    .await;
    let name = Sha256::of(&whole);
    for times in 1.. {
        assert!(times < 10_000, "it never ends");
        let fetcher = Fetcher::new();
        if let Some(done) = polled(fetcher.fetch(&host, offer(&host, &whole)), times).await {
            assert!(done.unwrap().bytes == whole && times > 5, "{times}");
            break;
        }
        // Before the name, there is nothing in the store; after it, all.
        if let Some(stored) = fetcher.store.get(name).await.unwrap() {
            assert!(stored.bytes == whole);
        }
        assert!(once_free(&fetcher, &host, &whole).await.bytes == whole, "dropped after {times} polls");
        // The last step of the one that was dropped may still be under way.
        let names = [format!("{name}.bin"), format!("{name}.json")];
        until("the store is tidy", async || (fetcher.files() == names).then_some(())).await;
    }
}

#[tokio::test]
async fn the_second_of_two_waits_for_another_day() {
    let whole = content(300_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        async move {
            if seen.earlier == 0 {
                stalled(good(&seen, &served), 200_000).await
            } else {
                good(&seen, &served)
            }
        }
    })
    .await;
    let fetcher = Fetcher::new();
    let mut seen = fetcher.progress.subscribe();
    let mut first = Box::pin(fetcher.fetch(&host, offer(&host, &whole)));
    tokio::select! {
        done = &mut first => panic!("{done:?}"),
        _ = seen.wait_for(|progress| progress.bytes == 200_000) => {}
    }
    let error = fetcher.fetch(&host, offer(&host, &whole)).await.unwrap_err();
    assert!(
        matches!(error, DownloadError::Store(StoreError::Busy { .. })) && error.is_transient(),
        "{error}"
    );
    drop(first);
    assert!(once_free(&fetcher, &host, &whole).await.bytes == whole);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_after_30_seconds() {
    let whole = content(300_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        async move { stalled(good(&seen, &served), 200_000).await }
    })
    .await;
    let mut fetcher = Fetcher::new();
    fetcher.limits.attempts = 1;
    let mut seen = fetcher.progress.subscribe();
    let mut first = Box::pin(fetcher.fetch(&host, offer(&host, &whole)));
    tokio::select! {
        done = &mut first => panic!("{done:?}"),
        _ = seen.wait_for(|progress| progress.bytes == 200_000) => {}
    }
    // All that will ever come is here: from now on, time is all that passes.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = first.await.unwrap_err();
    assert!(matches!(error, DownloadError::Stalled { got: 200_000, .. }) && error.is_transient(), "{error}");
    assert!((29..=31).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(fetcher.part().unwrap().len(), 200_000);
}

#[tokio::test]
async fn a_server_that_dribbles_keeps_nobody_for_longer_than_an_hour() {
    let whole = content(3_000);
    let served = whole.clone();
    let host = ScriptedCloud::serving(move |seen: Seen| {
        let served = served.clone();
        async move { stalled(good(&seen, &served), 1).await }
    })
    .await;
    let mut fetcher = Fetcher::new();
    fetcher.limits.attempts = u32::MAX;
    let mut seen = fetcher.progress.subscribe();
    let mut first = Box::pin(fetcher.fetch(&host, offer(&host, &whole)));
    tokio::select! {
        done = &mut first => panic!("{done:?}"),
        _ = seen.wait_for(|progress| progress.bytes == 1) => {}
    }
    tokio::time::pause();
    let error = first.await.unwrap_err();
    let hour = Duration::from_hours(1);
    assert!(matches!(error, DownloadError::TooSlow { after } if after == hour), "{error}");
}
