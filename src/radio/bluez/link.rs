//! An open link: what callers hold.

use std::collections::BTreeSet;
use std::time::Duration;

use btleplug::api::{CharPropFlags, Characteristic, Peripheral as _, WriteType};
use btleplug::platform::Peripheral;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::ears::Ear;
use super::errand::Radio;
use super::error::{Fault, Meaning, within};
use super::ground::{Ground, STEP_DEADLINE};
use super::refusals::Refusals;
use super::session::{Deliveries, OpenLink, Order, Session};
use super::signals::DeviceNews;
use super::standing;
use crate::radio::{
    Attribute, CALL_DEADLINE, Link, LinkClosed, Notifications, PeerAddress, Properties, RadioError, WriteMode,
};

/// Opcode and handle of a write or notification.
const ATT_HEADER_BYTES: usize = 3;
/// The ATT error "invalid attribute value length".
const INVALID_LENGTH: u8 = 0x0d;
/// The ATT error "unlikely error". BlueZ fails with it what was under way when the link went.
const UNLIKELY: u8 = 0x0e;
/// Writes without response that wait for bluetoothd's receipt at the same time. BlueZ accepts them as fast as they come and queues them
/// without a bound (732 kB in 1.6 s on a link that carries 43 kB/s), and what is asked later waits behind them. So this bounds
/// only what is on the bus; who sends more than a few needs credit or acknowledgements in the protocol above.
const WRITES_IN_FLIGHT: usize = 4;
/// How long a call may still take when the agent has refused the pairing that the watch asked for. A watch that only suggests one
/// answers in that time; what really needs it is never answered.
const AFTER_REFUSAL: Duration = Duration::from_secs(2);
/// Orders to the link's task that may wait.
const QUEUED_ORDERS: usize = 64;

/// An open connection over BlueZ. Dropping it disconnects.
#[derive(Debug)]
pub struct BluezLink {
    peer: PeerAddress,
    ground: Ground,
    peripheral: Peripheral,
    /// Whom the agent refuses.
    refusals: Refusals,
    characteristics: Vec<Characteristic>,
    mtu: u16,
    orders: mpsc::Sender<Order>,
    /// ATT has one request under way at a time; two reads of one characteristic are "in progress" to BlueZ.
    requests: Semaphore,
    commands: Semaphore,
    hang_up: DropGuard,
    closed: watch::Receiver<Option<LinkClosed>>,
}

impl BluezLink {
    /// Takes over a peripheral that is connected and whose services are known.
    pub(super) async fn open(
        radio: &Radio,
        ground: &Ground,
        peer: &PeerAddress,
        ear: Ear,
        news: broadcast::Receiver<DeviceNews>,
    ) -> Result<Self, Fault> {
        let refusals = standing::export(&ground.bus).await?.refusals;
        let (orders, queue) = mpsc::channel(QUEUED_ORDERS);
        let (closing, closed) = watch::channel(None);
        let hung_up = CancellationToken::new();
        let session = Session {
            peer: peer.clone(),
            ground: ground.clone(),
            peripheral: ear.peripheral.clone(),
            orders: queue,
            news,
            asleep: radio.asleep.clone(),
            hung_up: hung_up.clone(),
            stop: radio.stop.clone(),
            deliveries: Deliveries::default(),
            open: OpenLink::enter(radio, peer),
            closed: closing,
        };
        ear.attend(session).await?;
        let mtu = ear.peripheral.mtu();
        tracing::info!(%peer, mtu, generation = ground.generation, "A link is open.");
        Ok(Self {
            peer: peer.clone(),
            ground: ground.clone(),
            refusals,
            characteristics: characteristics(&ear.peripheral),
            mtu,
            peripheral: ear.peripheral,
            orders,
            requests: Semaphore::new(1),
            commands: Semaphore::new(WRITES_IN_FLIGHT),
            hang_up: hung_up.drop_guard(),
            closed,
        })
    }

    fn find(&self, uuid: Uuid) -> Result<&Characteristic, RadioError> {
        let found = self.characteristics.iter().find(|characteristic| characteristic.uuid == uuid);
        found.ok_or(RadioError::NoCharacteristic(uuid))
    }

    /// Asks the peer something when it is its turn. Ends when the link does, when it would need a pairing, and after [`CALL_DEADLINE`]:
    /// BlueZ would take 30 s to find that nobody answers.
    async fn ask<T>(
        &self,
        what: &'static str,
        turns: &Semaphore,
        call: impl Future<Output = btleplug::Result<T>>,
    ) -> Result<T, RadioError> {
        let mut turned_away = self.refusals.of(self.ground.path(&self.peer)?);
        let in_turn = async {
            // Never closed.
            let _turn = turns.acquire().await;
            call.await
        };
        let refused = async {
            turned_away.heard().await;
            sleep(AFTER_REFUSAL).await;
        };
        let answer = tokio::select! {
            biased;
            reason = self.closed() => return Err(reason.into()),
            answer = within(CALL_DEADLINE, what, in_turn) => answer,
            () = refused => {
                let error = self.explain(Fault::turned_away(what), what).await;
                // Nothing else is answered over such a link, and after 30 s BlueZ gives it up.
                self.hang_up.token().cancel();
                return Err(error);
            }
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(fault) => Err(self.explain(fault, what).await),
        }
    }

    async fn explain(&self, fault: Fault, what: &'static str) -> RadioError {
        match fault.meaning() {
            Meaning::NotConnected | Meaning::Unknown | Meaning::ServiceGone => self.gone().await.into(),
            Meaning::Refused(UNLIKELY) if !self.is_connected().await => self.gone().await.into(),
            _ => self.ground.explain(fault, &self.peer, what).await,
        }
    }

    async fn is_connected(&self) -> bool {
        within(STEP_DEADLINE, "a look at a link", self.peripheral.is_connected()).await.unwrap_or(false)
    }

    /// BlueZ says that the link is gone. Why it is may be known already, or never be.
    async fn gone(&self) -> LinkClosed {
        let _ = self.orders.try_send(Order::Gone);
        timeout(STEP_DEADLINE, self.closed()).await.unwrap_or(LinkClosed::Lost)
    }

    async fn order(&self, order: Order) -> Result<(), RadioError> {
        match self.orders.send(order).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.closed().await.into()),
        }
    }
}

impl Link for BluezLink {
    fn characteristics(&self) -> Vec<Uuid> {
        let all: BTreeSet<Uuid> =
            self.characteristics.iter().map(|characteristic| characteristic.uuid).collect();
        all.into_iter().collect()
    }

    fn profile(&self) -> Vec<Attribute> {
        self.characteristics.iter().map(attribute).collect()
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    async fn read(&self, characteristic: Uuid) -> Result<Vec<u8>, RadioError> {
        let target = self.find(characteristic)?;
        let read = async {
            // Told before, so that the task can tell the echo; if this is dropped, so is the promise of an answer.
            let (answer, answered) = oneshot::channel();
            let _ = self.orders.send(Order::Reading(characteristic, answered)).await;
            let value = self.peripheral.read(target).await?;
            let _ = answer.send(value.clone());
            Ok(value)
        };
        self.ask("a read", &self.requests, read).await
    }

    async fn write(&self, characteristic: Uuid, value: Vec<u8>, mode: WriteMode) -> Result<(), RadioError> {
        let target = self.find(characteristic)?;
        if value.len() + ATT_HEADER_BYTES > usize::from(self.mtu) {
            return Err(RadioError::Refused { code: INVALID_LENGTH });
        }
        let (kind, turns) = match mode {
            WriteMode::WithResponse => (WriteType::WithResponse, &self.requests),
            WriteMode::WithoutResponse => (WriteType::WithoutResponse, &self.commands),
        };
        self.ask("a write", turns, self.peripheral.write(target, &value, kind)).await
    }

    async fn subscribe(&self, characteristic: Uuid) -> Result<Notifications, RadioError> {
        let target = self.find(characteristic)?;
        let (sink, notifications) = Notifications::channel();
        // Before BlueZ is asked, so that the first notification finds somebody.
        self.order(Order::Deliver(characteristic, sink)).await?;
        if let Err(error) =
            self.ask("a subscription", &self.requests, self.peripheral.subscribe(target)).await
        {
            let _ = self.orders.try_send(Order::Stop(characteristic));
            return Err(error);
        }
        // BlueZ also subscribes when the link has just gone, and then means the next one: on this, nothing ever comes.
        match within(STEP_DEADLINE, "a look at a link", self.peripheral.is_connected()).await {
            Ok(true) => Ok(notifications),
            Ok(false) => Err(self.gone().await.into()),
            Err(fault) => Err(self.explain(fault, "a subscription").await),
        }
    }

    async fn unsubscribe(&self, characteristic: Uuid) -> Result<(), RadioError> {
        let target = self.find(characteristic)?;
        self.order(Order::Stop(characteristic)).await?;
        let asked = self.peripheral.unsubscribe(target);
        self.ask("the end of a subscription", &self.requests, asked).await
    }

    async fn closed(&self) -> LinkClosed {
        let mut closed = self.closed.clone();
        let reason = closed.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        reason.unwrap_or(LinkClosed::RadioGone)
    }

    async fn disconnect(&self) {
        self.hang_up.token().cancel();
        // Two seconds are normal; its task has a deadline of its own, and this one is for a runtime under water.
        let _ = timeout(CALL_DEADLINE, self.closed()).await;
    }
}

fn characteristics(peripheral: &Peripheral) -> Vec<Characteristic> {
    peripheral.services().into_iter().flat_map(|service| service.characteristics).collect()
}

fn attribute(characteristic: &Characteristic) -> Attribute {
    let bits = [
        (CharPropFlags::READ, Properties::READ),
        (CharPropFlags::WRITE_WITHOUT_RESPONSE, Properties::WRITE_WITHOUT_RESPONSE),
        (CharPropFlags::WRITE, Properties::WRITE),
        (CharPropFlags::NOTIFY, Properties::NOTIFY),
        (CharPropFlags::INDICATE, Properties::INDICATE),
    ];
    let set = bits.into_iter().filter(|(flag, _)| characteristic.properties.contains(*flag));
    Attribute {
        service: Some(characteristic.service_uuid),
        characteristic: characteristic.uuid,
        properties: set.fold(Properties::default(), |all, (_, bit)| all.and(bit)),
    }
}
