//! What the two processes say: postcard enums. Append variants and bump nothing, or change one and bump [`VERSION`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::radio::{LinkClosed, PeerAddress, RadioError, RadioTrouble, Sighting, WriteMode};

/// Changes when the two sides could no longer understand each other.
pub const VERSION: u8 = 1;

/// From the central's process. After `Hello` comes `Scan` or `Connect`, after `Connect` any number of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToAir {
    /// The version the central speaks.
    Hello { version: u8 },
    /// Who is there?
    Scan { window: Duration },
    /// Make this connection a link.
    Connect { peer: PeerAddress },
    /// Answered with `Answer` or `Failed`, as all that carry an `id`.
    Read { id: u32, characteristic: Uuid },
    /// Without response, there is no answer either.
    Write { id: u32, characteristic: Uuid, value: Vec<u8>, mode: WriteMode },
    /// From now on `Notification` with this `id`.
    Subscribe { id: u32, characteristic: Uuid },
}

/// From the process that has the air.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromAir {
    /// The version the air speaks.
    Hello { version: u8 },
    /// Instead of `Sightings` or `Connected`.
    Refused(Failure),
    /// Ends a scan.
    Sightings(Vec<Heard>),
    /// The link is open.
    Connected { characteristics: Vec<Uuid>, mtu: u16 },
    /// A request succeeded.
    Answer { id: u32, value: Vec<u8> },
    /// A request failed.
    Failed { id: u32, failure: Failure },
    /// A notification of the subscription `id`.
    Notification { id: u32, value: Vec<u8> },
    /// The link is closed; the last message.
    Closed(LinkClosed),
}

/// A [`Sighting`] in transit: of it, what a virtual air knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    address: PeerAddress,
    name: Option<String>,
    rssi: Option<i16>,
    services: Vec<Uuid>,
}

impl From<Sighting> for Heard {
    fn from(Sighting { address, name, rssi, services, .. }: Sighting) -> Self {
        Self { address, name, rssi, services }
    }
}

impl From<Heard> for Sighting {
    fn from(Heard { address, name, rssi, services }: Heard) -> Self {
        Self { address, name, rssi, services, appearance: None, bonded: false }
    }
}

/// A [`RadioError`] in transit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Failure {
    NotReady(String),
    NotFound(PeerAddress),
    Closed(LinkClosed),
    Timeout,
    NoCharacteristic(Uuid),
    Refused { code: u8 },
    Other(String),
    Aborted(PeerAddress),
    Busy(String),
}

impl From<RadioError> for Failure {
    fn from(error: RadioError) -> Self {
        match error {
            RadioError::NotReady(why) => Self::NotReady(why.to_string()),
            RadioError::NotFound(peer) => Self::NotFound(peer),
            RadioError::Closed(reason) => Self::Closed(reason),
            RadioError::Timeout(_) => Self::Timeout,
            RadioError::NoCharacteristic(uuid) => Self::NoCharacteristic(uuid),
            RadioError::Refused { code } => Self::Refused { code },
            RadioError::Other(why) => Self::Other(why),
            RadioError::Aborted(peer) => Self::Aborted(peer),
            RadioError::Busy(why) => Self::Busy(why),
            // What only a real radio says.
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<Failure> for RadioError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotReady(detail) => Self::NotReady(RadioTrouble::NoService { detail }),
            Failure::NotFound(peer) => Self::NotFound(peer),
            Failure::Closed(reason) => Self::Closed(reason),
            Failure::Timeout => Self::Timeout("a request to the other process"),
            Failure::NoCharacteristic(uuid) => Self::NoCharacteristic(uuid),
            Failure::Refused { code } => Self::Refused { code },
            Failure::Other(why) => Self::Other(why),
            Failure::Aborted(peer) => Self::Aborted(peer),
            Failure::Busy(why) => Self::Busy(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::sig;

    fn hex(message: &impl Serialize) -> String {
        hex::encode(postcard::to_stdvec(message).unwrap())
    }

    /// If this fails, take the change back or bump [`VERSION`]; do not edit the bytes of a version that was shipped.
    #[test]
    fn version_1_on_the_wire() {
        let characteristic = sig(0x2A37);
        let write =
            ToAir::Write { id: 300, characteristic, value: vec![7], mode: WriteMode::WithoutResponse };
        assert_eq!(hex(&ToAir::Hello { version: VERSION }), "0001");
        assert_eq!(hex(&ToAir::Scan { window: Duration::from_millis(1) }), "0100c0843d");
        assert_eq!(hex(&ToAir::Connect { peer: PeerAddress("E7".into()) }), "02024537");
        assert_eq!(hex(&write), "04ac021000002a3700001000800000805f9b34fb010701");
        assert_eq!(hex(&ToAir::Subscribe { id: 1, characteristic })[..6], *"050110");
        assert_eq!(hex(&FromAir::Failed { id: 1, failure: Failure::Refused { code: 5 } }), "05010505");
        assert_eq!(hex(&FromAir::Notification { id: 1, value: vec![1, 2] }), "0601020102");
        assert_eq!(hex(&FromAir::Closed(LinkClosed::RadioGone)), "0703");
        // Added later; the older ones keep their numbers.
        assert_eq!(hex(&FromAir::Refused(Failure::Other("?".into()))), "0106013f");
        assert_eq!(hex(&FromAir::Refused(Failure::Aborted(PeerAddress("E7".into())))), "0107024537");
        assert_eq!(hex(&FromAir::Failed { id: 1, failure: Failure::Busy("?".into()) }), "050108013f");
    }

    #[test]
    fn whatever_decides_how_long_to_wait_survives_the_trip() {
        let peer = PeerAddress("E7".to_owned());
        for error in [
            RadioError::NotFound(peer.clone()),
            RadioError::Aborted(peer),
            RadioError::Busy("a scan".to_owned()),
            RadioError::Closed(LinkClosed::ByPeer),
            RadioError::Refused { code: 5 },
            RadioError::Other("?".to_owned()),
        ] {
            let told = error.to_string();
            let arrived = RadioError::from(Failure::from(error));
            assert_eq!(arrived.to_string(), told);
        }
    }
}
