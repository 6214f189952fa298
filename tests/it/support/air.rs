//! A scripted watch for stories about the air itself.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use nowbridge::radio::air::{
    Advertisement, Air, AirCentral, AirLink, AttError, Doorbell, LinkModel, Peripheral, Presence,
};
use nowbridge::radio::{Central, Notifications, PeerAddress, sig};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

/// What is written here can be read again, and comes back as a notification.
pub const ECHO: Uuid = sig(0xFF01);
/// A number written here (u32, little endian) starts as many notifications, as long as the MTU allows, each with its number.
pub const FLOOD: Uuid = sig(0xFF02);
/// The watch hangs up right after it has notified this.
pub const BYE: &[u8] = b"bye";
/// Refuses everything.
pub const LOCKED: Uuid = sig(0xFF03);

/// What happened to a scripted watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    Connected,
    Disconnected,
    Wrote(Vec<u8>),
}

/// A notification, and when the watch has it.
type Spoken = (Instant, Uuid, Bytes);

/// The strings that a scripted watch hangs on.
pub struct Strings {
    pub happened: mpsc::UnboundedReceiver<Happened>,
    /// How often the air asked for a notification.
    pub asked: watch::Receiver<u64>,
    presence: watch::Sender<Presence>,
    spoken: mpsc::UnboundedSender<Spoken>,
    doorbell: Arc<OnceLock<Doorbell>>,
}

impl Strings {
    /// Changes whether the watch can be heard.
    pub fn set_presence(&self, presence: Presence) {
        self.presence.send_replace(presence);
        self.ring();
    }

    /// Makes the watch notify unasked.
    pub fn speak(&self, characteristic: Uuid, value: Vec<u8>) {
        self.speak_at(Instant::now(), characteristic, value);
    }

    /// Makes the watch notify by itself at this moment.
    pub fn speak_at(&self, at: Instant, characteristic: Uuid, value: Vec<u8>) {
        self.spoken.send((at, characteristic, value.into())).unwrap();
        self.ring();
    }

    fn ring(&self) {
        self.doorbell.get().unwrap().ring();
    }

    /// Waits until this has happened.
    pub async fn until(&mut self, wanted: &Happened) {
        while self.happened.recv().await.expect("the watch was dropped") != *wanted {}
    }
}

/// The watch.
pub struct ScriptedWatch {
    happened: mpsc::UnboundedSender<Happened>,
    asked: watch::Sender<u64>,
    presence: watch::Receiver<Presence>,
    spoken: mpsc::UnboundedReceiver<Spoken>,
    later: VecDeque<Spoken>,
    hanging_up: bool,
    doorbell: Arc<OnceLock<Doorbell>>,
    echo: Vec<u8>,
    echoes: VecDeque<Bytes>,
    flood: std::ops::Range<u32>,
    longest_value: usize,
}

impl ScriptedWatch {
    pub fn new() -> (Self, Strings) {
        let (happened, happened_receiver) = mpsc::unbounded_channel();
        let (spoken_sender, spoken) = mpsc::unbounded_channel();
        let asked = watch::Sender::new(0);
        let presence_sender = watch::Sender::new(Presence::Here);
        let doorbell = Arc::new(OnceLock::new());
        let strings = Strings {
            happened: happened_receiver,
            asked: asked.subscribe(),
            presence: presence_sender.clone(),
            spoken: spoken_sender,
            doorbell: Arc::clone(&doorbell),
        };
        let watch = Self {
            happened,
            asked,
            presence: presence_sender.subscribe(),
            spoken,
            later: VecDeque::new(),
            hanging_up: false,
            doorbell,
            echo: Vec::new(),
            echoes: VecDeque::new(),
            flood: 0..0,
            longest_value: 0,
        };
        (watch, strings)
    }

    fn tell(&self, what: Happened) {
        // A story may have dropped its strings.
        let _ = self.happened.send(what);
    }
}

impl Peripheral for ScriptedWatch {
    fn advertisement(&self) -> Option<Advertisement> {
        Some(Advertisement { name: Some("scripted".into()), services: vec![sig(0xFF00)] })
    }

    fn characteristics(&self) -> Vec<Uuid> {
        vec![ECHO, FLOOD, LOCKED]
    }

    fn presence(&self) -> Presence {
        if self.hanging_up { Presence::HangingUp } else { *self.presence.borrow() }
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.doorbell.set(doorbell).expect("one air at a time");
    }

    fn wake_at(&self) -> Option<Instant> {
        self.later.front().map(|(at, ..)| *at)
    }

    fn connected(&mut self, mtu: u16) {
        self.longest_value = usize::from(mtu) - 3;
        self.tell(Happened::Connected);
    }

    fn disconnected(&mut self) {
        self.flood = 0..0;
        self.hanging_up = false;
        self.tell(Happened::Disconnected);
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        if characteristic == LOCKED { Err(AttError::INSUFFICIENT_AUTHENTICATION) } else { Ok(()) }
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        if characteristic == ECHO { Ok(self.echo.clone()) } else { Err(AttError::READ_NOT_PERMITTED) }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        if characteristic == FLOOD {
            self.flood = 0..u32::from_le_bytes(value.try_into().map_err(|_| AttError::INVALID_LENGTH)?);
        } else if characteristic == ECHO {
            self.echo = value.to_vec();
            self.echoes.push_back(Bytes::copy_from_slice(value));
        } else {
            return Err(AttError::WRITE_NOT_PERMITTED);
        }
        self.tell(Happened::Wrote(value.to_vec()));
        Ok(())
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        self.asked.send_modify(|asked| *asked += 1);
        while let Ok(spoken) = self.spoken.try_recv() {
            self.later.push_back(spoken);
        }
        if let Some((_, uuid, value)) = self.later.pop_front_if(|(at, ..)| *at <= Instant::now()) {
            self.hanging_up = value == BYE;
            return Some((uuid, value));
        }
        if let Some(echo) = self.echoes.pop_front() {
            return Some((ECHO, echo));
        }
        let mut value = self.flood.next()?.to_le_bytes().to_vec();
        value.resize(self.longest_value, 0);
        Some((FLOOD, value.into()))
    }
}

/// Where the scripted watch is.
pub fn address() -> PeerAddress {
    PeerAddress("E7:00:00:00:00:01".into())
}

/// An air with a scripted watch on it.
pub fn air_with_watch(model: LinkModel) -> (Air, Strings) {
    let (watch, strings) = ScriptedWatch::new();
    let air = Air::new(model);
    air.place(address(), watch);
    (air, strings)
}

/// A link to the scripted watch.
pub async fn connected(air: &Air) -> AirLink {
    AirCentral::new(air.clone()).connect(&address()).await.expect("the watch answers")
}

/// Everything that still comes until the link closes.
pub async fn rest(mut notifications: Notifications) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Some(value) = notifications.next().await {
        all.push(value);
    }
    all
}
