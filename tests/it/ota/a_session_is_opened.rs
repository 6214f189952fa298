//! What a watch is asked first, and how little it may answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nowbridge::ota::smp::{GattSmpLink, SmpClient, SmpClientError, SmpLinkError};
use nowbridge::radio::LinkClosed;
use nowbridge::wire::smp::upload::Path;
use nowbridge::wire::smp::{Params, Request, SlotState, Version};
use tokio::time::Instant;

use super::bench::Bench;

#[tokio::test(start_paused = true)]
async fn what_a_watch_was_built_without_is_tolerated() {
    let bench = Bench::new(498);
    bench.flash.lock().unwrap().state = vec![SlotState {
        version: "1.2.3.45".to_owned(),
        active: true,
        confirmed: true,
        ..SlotState::default()
    }];
    let link = GattSmpLink::open(&bench).await.unwrap();
    let mut client = SmpClient::open(link).await.unwrap();
    let session = client.session().clone();
    assert_eq!(session.version, Version::V2);
    assert_eq!(session.params, Some(Params { buf_size: 2475, buf_count: 4 }));
    assert_eq!((session.bootloader, session.slots), (None, None));
    let state = session.state.unwrap();
    assert_eq!(state.active().unwrap().image_version(), "1.2.3+45".parse().ok());
    assert_eq!(client.path(), Path { message: 2475, window: 3, piece: 495 });
    let text = "a message of several pieces ".repeat(40);
    assert_eq!(client.echo(&text).await.unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn without_parameters_one_write_is_one_message() {
    let bench = Bench { params: None, ..Bench::new(498) };
    let link = GattSmpLink::open(&bench).await.unwrap();
    let client = SmpClient::open(link).await.unwrap();
    assert_eq!(client.path(), Path { message: 252, window: 1, piece: 252 });
}

#[tokio::test(start_paused = true)]
async fn an_old_watch_is_spoken_to_in_its_version() {
    let bench = Bench { version: Version::V1, ..Bench::new(247) };
    let link = GattSmpLink::open(&bench).await.unwrap();
    let client = SmpClient::open(link).await.unwrap();
    assert_eq!(client.session().version, Version::V1);
    assert_eq!(client.session().slots, None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_costs_four_seconds() {
    let bench = Bench::new(247);
    bench.silent.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let link = GattSmpLink::open(&bench).await.unwrap();
    let error = SmpClient::open(link).await.unwrap_err();
    assert!(matches!(error, SmpClientError::Timeout { .. }), "{error}");
    assert_eq!(began.elapsed().as_secs(), 4, "two tries in each version");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_ends_a_wait_at_once() {
    let bench = Bench::new(247);
    let link = GattSmpLink::open(&bench).await.unwrap();
    let mut client = SmpClient::open(link).await.unwrap();
    bench.silent.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let request = Request::Erase { slot: None };
    let (answer, ()) = tokio::join!(client.request(&request, Duration::from_secs(40)), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.break_now();
    });
    assert!(matches!(answer, Err(SmpClientError::Link(SmpLinkError::Closed(LinkClosed::Lost)))));
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_midway_spoils_nothing() {
    let bench = Bench::new(60);
    let link = GattSmpLink::open(&bench).await.unwrap();
    let mut client = SmpClient::open(link).await.unwrap();
    let long = "x".repeat(200);
    // As far as the first of its pieces.
    tokio::select! {
        biased;
        _ = client.echo(&long) => panic!("it is not answered at once"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(client.echo("short").await.unwrap(), "short");
    assert_eq!(bench.unsubscribed.load(Ordering::SeqCst), 1);
}
