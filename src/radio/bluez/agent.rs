//! The pairing agent: whom BlueZ asks before it gives keys to a watch.
//!
//! One object answers for everything. While a [`Window`] is open it carries the questions about one device to the desk of that
//! window, and says no to everything else; without a window it says no to everybody. (That only BlueZ can ask is the bus's
//! own rule: its policy lets nobody but root call an agent.)

use std::sync::Arc;

use tokio::sync::{Mutex, oneshot, watch};
use zbus::{Connection, ObjectPath, OwnedObjectPath, interface};

use super::bus;
use super::refusals::{Refusal, Refusals};
use crate::radio::{PairingDesk, PairingPrompt};

/// Six digits at most.
const MAX_PASSKEY: u32 = 999_999;

/// The agent. Clones are the same agent: the bus owns one, whoever opens a window another.
#[derive(Clone, Debug, Default)]
pub(super) struct Agent {
    state: watch::Sender<State>,
    /// Whom nobody is pairing.
    pub(super) refusals: Refusals,
    /// How many want the agent to be registered. Locked while that changes, so that two don't undo each other's work.
    pub(super) holders: Arc<Mutex<usize>>,
}

/// In a `watch` channel, so that a waiting question learns when it is no longer wanted.
#[derive(Debug, Default)]
struct State {
    guest: Option<Guest>,
    /// Counts up when BlueZ or we end what was asked before.
    round: u64,
}

/// The device that is being paired.
#[derive(Debug)]
struct Guest {
    device: OwnedObjectPath,
    desk: PairingDesk,
    /// The passkey that the desk was told last.
    shown: Option<u32>,
    /// The desk was asked something, or told digits.
    asked: bool,
    declined: bool,
}

/// The time in which one device may pair. Dropping it closes it, and ends the questions that still wait.
#[derive(Debug)]
pub(super) struct Window(Agent);

impl Agent {
    /// Lets one device pair, and sends what must be asked meanwhile to `desk`. `None` if another one is being paired.
    pub(super) fn open(&self, device: OwnedObjectPath, desk: PairingDesk) -> Option<Window> {
        let opened = self.state.send_if_modified(|state| {
            let free = state.guest.is_none();
            if free {
                state.guest = Some(Guest { device, desk, shown: None, asked: false, declined: false });
            }
            free
        });
        opened.then(|| Window(self.clone()))
    }

    /// Puts a question to the desk of the device and waits for the answer, until the question is taken back.
    async fn ask<T>(
        &self,
        device: &ObjectPath<'_>,
        question: impl FnOnce(oneshot::Sender<T>) -> PairingPrompt,
    ) -> Result<T, Refusal> {
        let mut state = self.state.subscribe();
        let (desk, round) = self.desk(device)?;
        let (reply, answer) = oneshot::channel();
        let asked = async {
            desk.send(question(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::select! {
            answer = asked => answer.ok_or_else(|| self.decline()),
            _ = state.wait_for(|state| state.round != round) => Err(Refusal::Canceled("no longer wanted".to_owned())),
        }
    }

    /// The desk of the device, which is about to be used.
    fn desk(&self, device: &ObjectPath<'_>) -> Result<(PairingDesk, u64), Refusal> {
        let mut desk = None;
        self.state.send_if_modified(|state| {
            if let Some(guest) = state.guest.as_mut().filter(|guest| guest.device.as_str() == device.as_str())
            {
                guest.asked = true;
                desk = Some((guest.desk.clone(), state.round));
            }
            false
        });
        desk.ok_or_else(|| self.refusals.refuse(device))
    }

    /// Whether this passkey has not been told yet. BlueZ tells it once more for each digit that is typed into the watch.
    fn is_new(&self, passkey: u32) -> bool {
        let mut new = false;
        self.state.send_if_modified(|state| {
            new = state.guest.as_mut().is_some_and(|guest| guest.shown.replace(passkey) != Some(passkey));
            false
        });
        new
    }

    /// A person said no, or does not answer any more.
    fn decline(&self) -> Refusal {
        self.state.send_if_modified(|state| {
            if let Some(guest) = &mut state.guest {
                guest.declined = true;
            }
            false
        });
        Refusal::Rejected("declined here".to_owned())
    }

    fn agreed(&self, yes: bool) -> Result<(), Refusal> {
        if yes { Ok(()) } else { Err(self.decline()) }
    }

    /// Ends whatever was asked until now.
    fn next_round(&self) {
        self.state.send_modify(|state| state.round += 1);
    }
}

impl Window {
    /// Asks whether this is the right watch, unless the desk was asked something already. BlueZ asks nothing about a watch
    /// without screen and buttons if it was told to pair with it.
    pub(super) async fn confirm(&self, device: &ObjectPath<'_>) -> bool {
        let asked = self.0.state.borrow().guest.as_ref().is_some_and(|guest| guest.asked);
        if asked { !self.was_declined() } else { self.0.request_authorization(device.clone()).await.is_ok() }
    }

    /// Whether it was here that somebody said no.
    pub(super) fn was_declined(&self) -> bool {
        self.0.state.borrow().guest.as_ref().is_some_and(|guest| guest.declined)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| {
            state.guest = None;
            state.round += 1;
        });
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a D-Bus interface")]
#[interface(name = "org.bluez.Agent1")]
impl Agent {
    /// BlueZ has dropped the agent.
    fn release(&self) {
        tracing::debug!("The Bluetooth service let the pairing agent go.");
        self.next_round();
    }

    /// BlueZ takes back what it asked.
    fn cancel(&self) {
        self.next_round();
    }

    /// The watch shows six digits.
    async fn request_passkey(&self, device: ObjectPath<'_>) -> Result<u32, Refusal> {
        let passkey = self.ask(&device, |reply| PairingPrompt::EnterPasskey { reply }).await?;
        if passkey <= MAX_PASSKEY { Ok(passkey) } else { Err(self.decline()) }
    }

    /// Six digits are to be typed into the watch, some of which have been.
    async fn display_passkey(&self, device: ObjectPath<'_>, passkey: u32, typed: u16) -> Result<(), Refusal> {
        tracing::trace!(typed, "Digits were typed into the watch.");
        let mut state = self.state.subscribe();
        let (desk, round) = self.desk(&device)?;
        if self.is_new(passkey) {
            tokio::select! {
                // A desk that is gone can't show it; the watch then waits for digits in vain, and refuses.
                _ = desk.send(PairingPrompt::ShowPasskey { passkey }) => {}
                _ = state.wait_for(|state| state.round != round) => {}
            }
        }
        Ok(())
    }

    /// Both sides show six digits.
    async fn request_confirmation(&self, device: ObjectPath<'_>, passkey: u32) -> Result<(), Refusal> {
        let same = self.ask(&device, |reply| PairingPrompt::CompareNumbers { passkey, reply }).await?;
        self.agreed(same)
    }

    /// The watch can neither show nor ask.
    async fn request_authorization(&self, device: ObjectPath<'_>) -> Result<(), Refusal> {
        let wanted = self.ask(&device, |reply| PairingPrompt::Confirm { reply }).await?;
        self.agreed(wanted)
    }

    /// A device wants to use a service of this host. Only those may that a person has paired.
    async fn authorize_service(
        &self,
        device: ObjectPath<'_>,
        service: &str,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let paired = async { bus::device(connection, device.to_owned().into()).await?.paired().await };
        let welcome = bus::promptly(paired).await.unwrap_or(false);
        tracing::debug!(%device, service, welcome, "A device asked for a service.");
        if welcome { Ok(()) } else { Err(self.refusals.refuse(&device)) }
    }

    /// Only Bluetooth before 2.1 pairs by PIN codes; no watch with Low Energy does.
    fn request_pin_code(&self, device: ObjectPath<'_>) -> Result<String, Refusal> {
        Err(self.refusals.refuse(&device))
    }

    /// As above.
    fn display_pin_code(&self, device: ObjectPath<'_>, pin_code: &str) -> Result<(), Refusal> {
        tracing::trace!(digits = pin_code.len(), "A PIN code was to be shown.");
        Err(self.refusals.refuse(&device))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::super::bus::bluez_error;
    use super::super::standing::AGENT_PATH;
    use super::super::test_bus::{TestBus, within};
    use super::*;

    const WATCH: ObjectPath<'static> =
        ObjectPath::from_static_str_unchecked("/org/bluez/hci0/dev_E7_12_0A_00_00_01");
    const STRANGER: ObjectPath<'static> =
        ObjectPath::from_static_str_unchecked("/org/bluez/hci0/dev_E7_12_0A_00_00_02");

    /// BlueZ on one side of a bus, an agent on the other.
    struct Scene {
        _bus: TestBus,
        bluez: Connection,
        host: Connection,
        agent: Agent,
    }

    struct Device(bool);

    #[interface(name = "org.bluez.Device1")]
    impl Device {
        #[zbus(property)]
        fn paired(&self) -> bool {
            self.0
        }
    }

    impl Scene {
        async fn new() -> Self {
            let (bus, agent) = (TestBus::start().await, Agent::default());
            let bluez = bus.builder().name("org.bluez");
            let bluez = bluez.serve_at(WATCH, Device(true)).serve_at(STRANGER, Device(false)).build();
            let host = bus.builder().serve_at(AGENT_PATH, agent.clone()).build();
            let (bluez, host) = within(async { (bluez.await.unwrap(), host.await.unwrap()) }).await;
            Self { _bus: bus, bluez, host, agent }
        }

        fn open(&self) -> (Window, mpsc::Receiver<PairingPrompt>) {
            let (desk, prompts) = mpsc::channel(4);
            (self.agent.open(WATCH.into(), desk).unwrap(), prompts)
        }

        /// The agent's answer, or the name of its error.
        async fn call<B>(&self, method: &str, body: B) -> Result<zbus::Message, String>
        where
            B: serde::ser::Serialize + zbus::DynamicType,
        {
            let agent = self.host.unique_name().unwrap();
            let called =
                self.bluez.call_method(Some(agent), AGENT_PATH, Some("org.bluez.Agent1"), method, &body);
            within(called).await.map_err(|error| bluez_error(&error).unwrap_or("of another name").to_owned())
        }

        /// Every question that BlueZ can ask about a device, each answered with no.
        async fn is_refused(&self, device: &ObjectPath<'_>) {
            let refused = Err("Rejected".to_owned());
            assert_eq!(self.call("RequestPasskey", device).await.map(drop), refused);
            assert_eq!(self.call("DisplayPasskey", (device, 7_u32, 0_u16)).await.map(drop), refused);
            assert_eq!(self.call("RequestConfirmation", (device, 7_u32)).await.map(drop), refused);
            assert_eq!(self.call("RequestAuthorization", device).await.map(drop), refused);
            assert_eq!(self.call("RequestPinCode", device).await.map(drop), refused);
            assert_eq!(self.call("DisplayPinCode", (device, "0000")).await.map(drop), refused);
        }
    }

    #[tokio::test]
    async fn what_bluez_asks_is_answered_at_the_desk() {
        let scene = Scene::new().await;
        let (window, mut prompts) = scene.open();
        for (typed, refused) in [(123_456, false), (1_000_000, true)] {
            let (answer, ()) = tokio::join!(scene.call("RequestPasskey", WATCH), async {
                let Some(PairingPrompt::EnterPasskey { reply }) = prompts.recv().await else { panic!() };
                reply.send(typed).unwrap();
            });
            assert_eq!(answer.is_err(), refused);
            assert!(refused || answer.unwrap().body().deserialize::<u32>().unwrap() == typed);
        }
        for yes in [true, false] {
            let (answer, ()) = tokio::join!(scene.call("RequestConfirmation", (WATCH, 42_u32)), async {
                let Some(PairingPrompt::CompareNumbers { passkey: 42, reply }) = prompts.recv().await else {
                    panic!()
                };
                reply.send(yes).unwrap();
            });
            assert_eq!(answer.is_ok(), yes);
            let (answer, ()) = tokio::join!(scene.call("RequestAuthorization", WATCH), async {
                let Some(PairingPrompt::Confirm { reply }) = prompts.recv().await else { panic!() };
                if yes { reply.send(true).unwrap() } else { drop(reply) }
            });
            assert_eq!(answer.map(drop), if yes { Ok(()) } else { Err("Rejected".to_owned()) });
        }
        assert!(window.was_declined());
    }

    #[tokio::test]
    async fn digits_to_be_typed_are_told_once() {
        let scene = Scene::new().await;
        let (_window, mut prompts) = scene.open();
        for (passkey, typed) in [(9_u32, 0_u16), (9, 1), (9, 2), (10, 0)] {
            scene.call("DisplayPasskey", (WATCH, passkey, typed)).await.unwrap();
        }
        for told in [9, 10] {
            assert!(
                matches!(within(prompts.recv()).await, Some(PairingPrompt::ShowPasskey { passkey }) if passkey == told)
            );
        }
        assert!(prompts.try_recv().is_err());
    }

    #[tokio::test]
    async fn nobody_but_the_device_of_the_window_is_let_in() {
        let scene = Scene::new().await;
        scene.is_refused(&WATCH).await;
        let (window, mut prompts) = scene.open();
        scene.is_refused(&STRANGER).await;
        assert_eq!(scene.call("RequestPinCode", WATCH).await.map(drop), Err("Rejected".to_owned()));
        assert!(prompts.try_recv().is_err() && !window.was_declined());
        assert!(scene.agent.open(STRANGER.into(), mpsc::channel(1).0).is_none());
        drop(window);
        scene.is_refused(&WATCH).await;
    }

    #[tokio::test]
    async fn services_are_for_bonded_devices() {
        let scene = Scene::new().await;
        let service = "0000180f-0000-1000-8000-00805f9b34fb";
        assert!(scene.call("AuthorizeService", (WATCH, service)).await.is_ok());
        let unknown = ObjectPath::from_static_str_unchecked("/org/bluez/hci0/dev_E7_12_0A_00_00_03");
        for device in [STRANGER, unknown] {
            let answer = scene.call("AuthorizeService", (device, service)).await;
            assert_eq!(answer.map(drop), Err("Rejected".to_owned()));
        }
    }

    #[tokio::test]
    async fn a_question_that_is_taken_back_leaves_the_desk() {
        let scene = Scene::new().await;
        let (window, mut prompts) = scene.open();
        let mut window = Some(window);
        for end in ["Cancel", "Release", "the window closes"] {
            let (answer, ()) = tokio::join!(scene.call("RequestAuthorization", WATCH), async {
                let Some(PairingPrompt::Confirm { mut reply }) = prompts.recv().await else { panic!() };
                if end == "the window closes" {
                    drop(window.take());
                } else {
                    scene.call(end, ()).await.unwrap();
                }
                within(reply.closed()).await;
            });
            assert_eq!(answer.map(drop), Err("Canceled".to_owned()), "{end}");
        }
        assert!(within(prompts.recv()).await.is_none(), "the desk learns that it is over");
    }
}
