use std::os::fd::OwnedFd;

use nowbridge::radio::{Central, Link, LinkClosed, RadioError, RadioTrouble};
use tokio::process::Command;
use tokio::sync::mpsc;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use super::ours::{connected, not_ready, radio, ready};
use crate::support::fake_bluez::database::TX;
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

const LOGIND: &str = "/org/freedesktop/login1";

/// logind, which hands out what holds sleep back.
struct Logind(mpsc::UnboundedSender<std::io::PipeReader>);

#[interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::OwnedFd {
        assert_eq!((what, mode), ("sleep", "delay"));
        assert!(!who.is_empty() && !why.is_empty());
        let (ours, theirs) = std::io::pipe().unwrap();
        self.0.send(ours).unwrap();
        OwnedFd::from(theirs).into()
    }

    #[zbus(signal)]
    async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
}

#[test]
fn its_sleep_waits_until_links_are_closed() {
    story(async |stage| {
        if stage.only_on_the_fake().is_none() {
            return;
        }
        let (inhibitors, mut asked) = mpsc::unbounded_channel();
        let logind = zbus::connection::Builder::system().name("org.freedesktop.login1");
        let logind = logind.serve_at(LOGIND, Logind(inhibitors)).build().await.unwrap();
        let emitter = SignalEmitter::new(&logind, LOGIND).unwrap();
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        let mut hold = asked.recv().await.unwrap();

        Logind::prepare_for_sleep(&emitter, true).await.unwrap();
        assert_eq!(link.closed().await, LinkClosed::RadioGone);
        assert_eq!(stage.links(Wearable::Sensor).await, 0, "closed, and not only given up");
        assert_eq!(not_ready(&radio).await, RadioTrouble::Asleep);
        let refused = radio.connect(&Wearable::Sensor.address()).await;
        assert!(matches!(refused, Err(RadioError::NotReady(RadioTrouble::Asleep))), "{refused:?}");
        let released = tokio::task::spawn_blocking(move || std::io::Read::read(&mut hold, &mut [0]));
        assert_eq!(released.await.unwrap().unwrap(), 0);

        Logind::prepare_for_sleep(&emitter, false).await.unwrap();
        ready(&radio).await;
        connected(&radio, Wearable::Sensor).await;
    });
}

#[test]
fn a_bus_that_dies_takes_only_the_links_along() {
    story(async |stage| {
        if stage.only_on_the_fake().is_none() {
            return;
        }
        let bus = Connection::system().await.unwrap();
        let daemon = zbus::fdo::DBusProxy::new(&bus).await.unwrap();
        let name = zbus::names::BusName::try_from("org.freedesktop.DBus").unwrap();
        let pid = daemon.get_connection_unix_process_id(name).await.unwrap();
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        let mut values = link.subscribe(TX).await.unwrap();
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().await.unwrap();
        assert!(killed.success());

        assert_eq!(link.closed().await, LinkClosed::RadioGone);
        assert!(values.next().await.is_none());
        let trouble = until("the new trouble is told", async || {
            let trouble = not_ready(&radio).await.to_string();
            trouble.contains("systemctl start dbus").then_some(trouble)
        });
        trouble.await;
        link.disconnect().await;
        let refused = radio.connect(&Wearable::Sensor.address()).await;
        assert!(matches!(refused, Err(RadioError::NotReady(RadioTrouble::NoService { .. }))), "{refused:?}");
        radio.shutdown().await;
    });
}
