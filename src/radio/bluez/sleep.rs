//! Going to sleep with the computer, and waking up with it.
//!
//! A watch whose host falls asleep in the middle of a connection waits for its supervision timeout, and BlueZ often comes back
//! with a connection that is none. So suspend is held back for the moment that it takes to close what is open (systemd's
//! inhibitor locks), and whoever waits for a watch hears at once when the computer is awake again.
//! Without logind all of this is missing, and nothing else.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use zbus::{Connection, OwnedFd};

use super::bus::{self, LoginManagerProxy};
use crate::backoff::Backoff;

/// How long suspend is held back for links that are still open; logind itself grants 5 s unless told otherwise.
const CLOSE_DEADLINE: Duration = Duration::from_secs(4);
/// Who runs that long after the computer was about to sleep, is awake: time that it sleeps through does not count.
const AWAKE_AFTER: Duration = Duration::from_mins(1);
/// The first call after boot may be denied while polkit is still starting.
const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// A call to a logind that is missing has the bus look for one to start, so it is not made often.
const RETRY_CEILING: Duration = Duration::from_mins(10);

/// Tells by `asleep` that the computer is about to sleep and that it is awake again, and holds sleep back until `open_links` is
/// zero. Ends when it is cancelled or when the connection to the bus ends.
pub(super) async fn attend(
    bus: Connection,
    asleep: watch::Sender<bool>,
    open_links: watch::Receiver<usize>,
    cancel: CancellationToken,
) {
    let backoff = Backoff::new(RETRY_FLOOR, RETRY_CEILING, fastrand::Rng::new());
    let told = asleep.clone();
    let attended = Box::pin(async {
        let logind = LoginManagerProxy::new(&bus).await?;
        let sleeper = Sleeper { logind, asleep: told, open_links, hold: None, due: Instant::now(), backoff };
        sleeper.attend().await
    });
    if let Some(ended) = cancel.run_until_cancelled(attended).await {
        tracing::debug!(?ended, "Sleep and resume go unnoticed from now on.");
        // Nobody would tell of the resume.
        asleep.send_replace(false);
    }
}

struct Sleeper {
    logind: LoginManagerProxy<'static>,
    asleep: watch::Sender<bool>,
    open_links: watch::Receiver<usize>,
    /// Sleep waits while this descriptor is open.
    hold: Option<OwnedFd>,
    /// When to look again: for the next try to get a hold, or for a resume that was not told.
    due: Instant,
    backoff: Backoff,
}

impl Sleeper {
    async fn attend(mut self) -> zbus::Result<()> {
        let mut sleeps = bus::promptly(self.logind.receive_prepare_for_sleep()).await?;
        let mut owners = bus::promptly(self.logind.inner().receive_owner_changed()).await?;
        loop {
            tokio::select! {
                news = sleeps.next() => match news {
                    Some(news) if news.args()?.start => self.go_to_sleep().await,
                    Some(_) => self.wake_up().await,
                    None => return Ok(()),
                },
                owner = owners.next() => match owner {
                    Some(Some(_)) => self.wake_up().await,
                    // Nobody is left who would tell of a resume; the descriptor holds nothing any more.
                    Some(None) => self.lose_hold(),
                    None => return Ok(()),
                },
                () = sleep_until(self.due), if self.hold.is_none() => self.wake_up().await,
            }
        }
    }

    async fn go_to_sleep(&mut self) {
        self.tell(true);
        if !all_closed(&mut self.open_links).await {
            tracing::warn!("Going to sleep with a watch still connected.");
        }
        self.hold = None;
        self.due = Instant::now() + AWAKE_AFTER;
    }

    /// The computer is awake, for all that is known: tells so if it is news, and holds the next sleep back.
    async fn wake_up(&mut self) {
        self.tell(false);
        let asked = self.logind.inhibit("sleep", "nowbridge", "close the connection to the watch", "delay");
        match bus::promptly(asked).await {
            Ok(hold) => {
                self.hold = Some(hold);
                self.backoff.succeeded();
            }
            Err(error) => {
                if self.backoff.failures() == 0 {
                    tracing::debug!(%error, "Sleep cannot be held back for now.");
                }
                self.hold = None;
                self.due = Instant::now() + self.backoff.failed(Duration::ZERO);
            }
        }
    }

    fn lose_hold(&mut self) {
        self.tell(false);
        self.hold = None;
        self.due = Instant::now() + self.backoff.failed(Duration::ZERO);
    }

    fn tell(&self, asleep: bool) {
        if self.asleep.send_if_modified(|told| std::mem::replace(told, asleep) != asleep) {
            tracing::info!("This computer {}.", if asleep { "is going to sleep" } else { "is awake again" });
        }
    }
}

/// Waits until no link is open, but not for long. Whether none is.
async fn all_closed(open_links: &mut watch::Receiver<usize>) -> bool {
    // Whoever counted the links and is gone has closed them.
    timeout(CLOSE_DEADLINE, open_links.wait_for(|&open| open == 0)).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::os::fd;

    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe::Receiver;
    use tokio::sync::mpsc;
    use zbus::object_server::SignalEmitter;
    use zbus::{fdo, interface};

    use super::super::test_bus::{TestBus, within};
    use super::*;

    const LOGIND: &str = "/org/freedesktop/login1";

    /// logind: denies the first calls, then hands out descriptors, whose other ends go to the test.
    struct Logind {
        denials: usize,
        held: mpsc::UnboundedSender<Held>,
    }

    /// An inhibitor as logind sees it.
    struct Held {
        asked: [String; 4],
        pipe: Receiver,
    }

    #[interface(name = "org.freedesktop.login1.Manager")]
    impl Logind {
        fn inhibit(&mut self, what: String, who: String, why: String, mode: String) -> fdo::Result<OwnedFd> {
            if self.denials > 0 {
                self.denials -= 1;
                return Err(fdo::Error::AccessDenied("polkit is still starting".to_owned()));
            }
            let (ours, theirs) = pipe().unwrap();
            let pipe = Receiver::from_owned_fd(fd::OwnedFd::from(ours)).unwrap();
            self.held.send(Held { asked: [what, who, why, mode], pipe }).unwrap();
            Ok(OwnedFd::from(fd::OwnedFd::from(theirs)))
        }

        #[zbus(signal)]
        async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
    }

    impl Held {
        /// Waits until nobody has the other end any more.
        async fn wait_released(mut self) {
            assert_eq!(within(self.pipe.read_to_end(&mut Vec::new())).await.unwrap(), 0);
        }

        /// Whether somebody still has the other end.
        fn holds(&self) -> bool {
            self.pipe.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        }
    }

    struct Scene {
        bus: TestBus,
        asleep: watch::Receiver<bool>,
        links: watch::Sender<usize>,
        cancel: CancellationToken,
        attending: tokio::task::JoinHandle<()>,
    }

    impl Scene {
        /// Somebody attends to sleep while this many links are open.
        async fn with(open_links: usize) -> Self {
            let bus = TestBus::start().await;
            let ((told, asleep), links) = (watch::channel(false), watch::Sender::new(open_links));
            let cancel = CancellationToken::new();
            let attend = attend(bus.connect().await, told, links.subscribe(), cancel.clone());
            Self { bus, asleep, links, cancel, attending: tokio::spawn(attend) }
        }

        async fn logind(&self, denials: usize) -> (Connection, mpsc::UnboundedReceiver<Held>) {
            let (held, holds) = mpsc::unbounded_channel();
            let logind = self.bus.builder().name("org.freedesktop.login1");
            let logind = logind.serve_at(LOGIND, Logind { denials, held }).build();
            (within(logind).await.unwrap(), holds)
        }

        async fn is_told(&mut self, asleep: bool) {
            within(self.asleep.wait_for(|&told| told == asleep)).await.unwrap();
        }
    }

    async fn prepare(logind: &Connection, start: bool) {
        let emitter = SignalEmitter::new(logind, LOGIND).unwrap();
        Logind::prepare_for_sleep(&emitter, start).await.unwrap();
    }

    #[tokio::test]
    async fn sleep_waits_for_open_links_and_waking_is_told_at_once() {
        let mut scene = Scene::with(2).await;
        let (logind, mut holds) = scene.logind(1).await;
        let hold = within(holds.recv()).await.expect("asked again after a denial");
        assert_eq!(hold.asked[..2], ["sleep", "nowbridge"]);
        assert_eq!(hold.asked[3], "delay");
        prepare(&logind, true).await;
        scene.is_told(true).await;
        scene.links.send_replace(1);
        assert!(hold.holds(), "one link is still open");
        scene.links.send_replace(0);
        hold.wait_released().await;
        prepare(&logind, false).await;
        scene.is_told(false).await;
        let hold = within(holds.recv()).await.expect("the next sleep waits, too");
        scene.cancel.cancel();
        within(scene.attending).await.unwrap();
        hold.wait_released().await;
    }

    #[tokio::test]
    async fn a_logind_that_starts_anew_is_asked_anew() {
        let mut scene = Scene::with(0).await;
        let (logind, mut holds) = scene.logind(0).await;
        let hold = within(holds.recv()).await.unwrap();
        prepare(&logind, true).await;
        hold.wait_released().await;
        scene.is_told(true).await;
        drop(logind);
        scene.is_told(false).await;
        let (logind, mut holds) = scene.logind(0).await;
        let hold = within(holds.recv()).await.unwrap();
        prepare(&logind, true).await;
        scene.is_told(true).await;
        hold.wait_released().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_does_not_close_holds_sleep_back_for_a_while_only() {
        let (stuck, mut links) = watch::channel(1);
        let before = Instant::now();
        assert!(!all_closed(&mut links).await);
        assert_eq!(before.elapsed(), CLOSE_DEADLINE);
        drop(stuck);
        assert!(all_closed(&mut links).await && before.elapsed() == CLOSE_DEADLINE);
    }
}
