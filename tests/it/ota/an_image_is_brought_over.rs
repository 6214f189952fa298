//! An image over one link or several.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use nowbridge::ota::smp::{GattSmpLink, ImageUpload, SmpClient, UploadError, UploadOptions};
use nowbridge::wire::smp::upload::UploadFailure;
use tokio::time::{Instant, timeout};

use super::bench::Bench;

fn image(len: usize) -> Bytes {
    (0..len).map(|at| (at * 31 % 253) as u8).collect::<Vec<_>>().into()
}

async fn client(bench: &Bench) -> SmpClient<GattSmpLink<&Bench>> {
    SmpClient::open(GattSmpLink::open(bench).await.unwrap()).await.unwrap()
}

fn upload(len: usize, client: &SmpClient<GattSmpLink<&Bench>>) -> ImageUpload {
    ImageUpload::new(image(len), UploadOptions::default(), client.session(), client.path()).unwrap()
}

/// The same watch over another link.
fn again(bench: &Bench) -> Bench {
    Bench { flash: Arc::clone(&bench.flash), ..Bench::new(247) }
}

#[tokio::test(start_paused = true)]
async fn it_arrives_and_progress_is_told() {
    let bench = Bench::new(498);
    let mut client = client(&bench).await;
    let mut upload = upload(100_000, &client);
    let progress = upload.progress();
    upload.run(&mut client).await.unwrap();
    assert_eq!(bench.flash.lock().unwrap().image, image(100_000));
    let told = *progress.borrow();
    assert_eq!((told.progress.acked, told.progress.resent, told.progress.timeouts), (100_000, 0, 0));
    assert_eq!(told.remaining().unwrap_or_default(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_over_the_next_link() {
    let first = Bench::new(247);
    let mut over = client(&first).await;
    let mut upload = upload(60_000, &over);
    first.breaks_after.store(150, Ordering::SeqCst);
    let began = Instant::now();
    let stopped = upload.run(&mut over).await.unwrap_err();
    assert!(matches!(stopped, UploadError::LinkNeeded(Some(_))), "{stopped}");
    assert_eq!(began.elapsed(), Duration::ZERO, "a broken link is noticed at once");
    let before = upload.progress().borrow().progress.acked;
    assert!(before > 20_000);
    let second = again(&first);
    let mut over = client(&second).await;
    upload.run(&mut over).await.unwrap();
    assert_eq!(second.flash.lock().unwrap().image, image(60_000));
    let progress = upload.progress().borrow().progress;
    assert!(progress.resent <= 3 * 2475, "{} bytes were sent again", progress.resent);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_given_up_and_taken_up_again() {
    let bench = Bench::new(247);
    let mut client = client(&bench).await;
    let mut upload = upload(60_000, &client);
    for _ in 0..20 {
        tokio::select! {
            biased;
            ended = upload.run(&mut client) => return ended.unwrap(),
            () = async { for _ in 0..7 { tokio::task::yield_now().await } } => {}
        }
    }
    upload.run(&mut client).await.unwrap();
    assert_eq!(bench.flash.lock().unwrap().image, image(60_000));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_puts_no_pieces_together_gets_it_as_well() {
    let bench = Bench { no_pieces: true, ..Bench::new(247) };
    let mut client = client(&bench).await;
    let mut upload = upload(20_000, &client);
    upload.run(&mut client).await.unwrap();
    assert_eq!(bench.flash.lock().unwrap().image, image(20_000));
    assert_eq!(bench.unsubscribed.load(Ordering::SeqCst), 1);
    assert_eq!(upload.progress().borrow().progress.message, 244);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_given_up_in_time() {
    let bench = Bench::new(247);
    let mut over = client(&bench).await;
    let mut upload = upload(60_000, &over);
    let mut progress = upload.progress();
    let silence = async {
        progress.wait_for(|told| told.progress.acked > 20_000).await.unwrap();
        bench.silent.store(true, Ordering::SeqCst);
        Instant::now()
    };
    let (stopped, fell_silent) = tokio::join!(upload.run(&mut over), silence);
    assert!(matches!(stopped, Err(UploadError::LinkNeeded(None))), "{stopped:?}");
    assert!(fell_silent.elapsed() <= Duration::from_secs(15));
    // Over two more links it does not answer a single part.
    for links in 2..=3 {
        let next = again(&bench);
        let mut over = client(&next).await;
        next.silent.store(true, Ordering::SeqCst);
        let stopped = timeout(Duration::from_secs(100), upload.run(&mut over)).await.unwrap().unwrap_err();
        let for_good = matches!(stopped, UploadError::Failed(UploadFailure::Silent { .. }));
        assert_eq!(for_good, links == 3, "{stopped}");
    }
}
