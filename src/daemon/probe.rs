//! Looking what a device offers: for the daemon's desk, and for the command line where no daemon runs.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use crate::control::{DeskError, Probe, ProbedService, abilities_in_words};
use crate::radio::{Bond, CALL_DEADLINE, Central, Link, PeerAddress, RadioError, Sighting, sig};
use crate::watch::{self, Identity, WatchError};

/// A connect and a dozen reads; a device that needs longer is not worth the wait of whoever asked.
const DEADLINE: Duration = Duration::from_secs(45);

/// Battery level and device information, which devices without a driver have, too.
const BATTERY: Uuid = sig(0x2A19);
const MAKER: Uuid = sig(0x2A29);
const MODEL: Uuid = sig(0x2A24);
const FIRMWARE: Uuid = sig(0x2A26);
/// ATT errors that mean: not over this link, but over an encrypted one (Core, Vol 3, Part F, 3.4.1.1).
const WANT_PAIRING: [u8; 3] = [0x05, 0x0C, 0x0F];

/// Listens for `window`: what was heard, the strongest first.
pub async fn scan<C: Central>(central: &C, window: Duration) -> Result<Vec<Sighting>, DeskError> {
    let heard = timeout(window.saturating_add(CALL_DEADLINE), central.scan(window)).await;
    let mut heard = heard.map_err(|_| DeskError::Overdue("the scan"))??;
    heard.sort_by_key(|sighting| (std::cmp::Reverse(sighting.rssi), sighting.address.clone()));
    Ok(heard)
}

/// Connects to a device, looks what it offers, and lets it go again.
pub async fn probe<C: Central>(central: &C, peer: &PeerAddress) -> Result<Probe, DeskError> {
    timeout(DEADLINE, look(central, peer)).await.unwrap_or(Err(DeskError::Overdue("the probe")))
}

async fn look<C: Central>(central: &C, peer: &PeerAddress) -> Result<Probe, DeskError> {
    let bonded = central.bond(peer).await? == Bond::Bonded;
    let link = central.connect(peer).await?;
    let mut probe = Probe {
        address: peer.clone(),
        mtu: link.mtu(),
        bonded,
        services: ProbedService::of(&link.profile()),
        driver: watch::driver_for(&link),
        abilities: Vec::new(),
        identity: Identity::default(),
        wants_pairing: false,
        trouble: None,
    };
    let told = if probe.driver.is_some() {
        converse(link, &mut probe).await
    } else {
        let read = read_plain(&link, &mut probe.identity).await;
        link.disconnect().await;
        read
    };
    if let Err(error) = told {
        probe.wants_pairing = wants_pairing(&error);
        probe.trouble = Some(error.to_string());
    }
    Ok(probe)
}

async fn converse<L: Link>(link: L, probe: &mut Probe) -> Result<(), WatchError> {
    let mut opened = watch::open(link).await?;
    probe.abilities = abilities_in_words(opened.abilities());
    let told = match opened.identify().await {
        Ok(identity) => {
            probe.identity = identity;
            read_plain(opened.link(), &mut probe.identity).await
        }
        Err(error) => Err(error),
    };
    opened.close().await;
    told
}

/// Reads what the driver has not told. The first refusal ends it: over a link that is not encrypted the next one may hang.
async fn read_plain<L: Link>(link: &L, identity: &mut Identity) -> Result<(), WatchError> {
    let offered = link.characteristics();
    for (uuid, text) in
        [(MAKER, &mut identity.maker), (MODEL, &mut identity.model), (FIRMWARE, &mut identity.firmware)]
    {
        if text.is_none() && offered.contains(&uuid) {
            let value = String::from_utf8_lossy(&link.read(uuid).await?).into_owned();
            let value = value.trim_matches(|end: char| end == '\0' || end.is_whitespace());
            *text = (!value.is_empty()).then(|| value.to_owned());
        }
    }
    if identity.battery.is_none() && offered.contains(&BATTERY) {
        identity.battery = link.read(BATTERY).await?.first().copied().filter(|percent| *percent <= 100);
    }
    Ok(())
}

fn wants_pairing(error: &WatchError) -> bool {
    match error {
        WatchError::Radio(RadioError::PairingNeeded(_)) => true,
        WatchError::Radio(RadioError::Refused { code }) => WANT_PAIRING.contains(code),
        _ => false,
    }
}
