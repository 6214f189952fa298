//! Errands that mend: forgetting a bond, and the steps that get a wedged radio going again.

use std::time::Duration;

use tokio::sync::watch;

use super::discovery;
use super::errand::Errand;
use super::error::{Fault, Meaning, within};
use super::ground::{Footing, Ground, STEP_DEADLINE};
use crate::radio::{Bond, CALL_DEADLINE, LinkClosed, PeerAddress, RadioError};

const ERRAND_DEADLINE: Duration = Duration::from_secs(10);

/// Forgets a bond.
#[derive(Debug)]
pub(super) struct Forget(pub PeerAddress);

impl Errand for Forget {
    type Gain = bool;

    const WHAT: &'static str = "the removal of a bond";

    fn limit(&self) -> Duration {
        ERRAND_DEADLINE
    }

    /// Removes the device only if there is a bond: BlueZ would throw away one that is merely connected as well.
    async fn run(&mut self, ground: &Ground) -> Result<bool, RadioError> {
        if ground.bond(&self.0).await? == Bond::None {
            return Ok(false);
        }
        let path = ground.path(&self.0)?;
        let removed = async {
            let adapter = ground.adapter().await?;
            within(STEP_DEADLINE, Self::WHAT, adapter.remove_device(&path)).await
        };
        match removed.await {
            Ok(()) => Ok(true),
            // Somebody else was faster.
            Err(fault) if fault.meaning() == Meaning::Unknown => Ok(false),
            Err(fault) => Err(fault.into_radio(&self.0, true, Self::WHAT)),
        }
    }

    async fn clean_up(&mut self, _ground: &Ground) {}
}

/// Stops a discovery of ours that may be stuck. Those of other programs are their own.
#[derive(Debug)]
pub(super) struct StopDiscovery;

impl Errand for StopDiscovery {
    type Gain = ();

    const WHAT: &'static str = "the end of a discovery";
    const QUEUES: bool = false;

    fn limit(&self) -> Duration {
        ERRAND_DEADLINE
    }

    async fn run(&mut self, ground: &Ground) -> Result<(), RadioError> {
        discovery::stop(ground).await;
        Ok(())
    }

    async fn clean_up(&mut self, _ground: &Ground) {}
}

/// Disconnects one device, whatever BlueZ believes of it.
#[derive(Debug)]
pub(super) struct Disconnect(pub PeerAddress);

impl Errand for Disconnect {
    type Gain = ();

    const WHAT: &'static str = "a disconnect";
    const QUEUES: bool = false;

    fn limit(&self) -> Duration {
        ERRAND_DEADLINE
    }

    async fn run(&mut self, ground: &Ground) -> Result<(), RadioError> {
        ground.disconnect(&self.0).await;
        Ok(())
    }

    async fn clean_up(&mut self, _ground: &Ground) {}
}

/// Switches the adapter off and on. Only one that is on: whoever switched it off has meant it.
#[derive(Debug)]
pub(super) struct PowerCycle {
    footing: watch::Receiver<Footing>,
    off: bool,
}

impl PowerCycle {
    pub fn new(footing: watch::Receiver<Footing>) -> Self {
        Self { footing, off: false }
    }
}

impl Errand for PowerCycle {
    type Gain = ();

    const WHAT: &'static str = "a power cycle of the adapter";
    const QUEUES: bool = false;
    const OUTLIVES_GROUND: bool = true;

    fn limit(&self) -> Duration {
        CALL_DEADLINE / 2 + ERRAND_DEADLINE / 2
    }

    async fn run(&mut self, ground: &Ground) -> Result<(), RadioError> {
        self.off = true;
        power(ground, false).await?;
        power(ground, true).await?;
        self.off = false;
        let newer = |footing: &Footing| match footing {
            Footing::On(now) => now.generation > ground.generation,
            Footing::None(_) | Footing::Unknown => false,
        };
        self.footing.wait_for(newer).await.map(drop).map_err(|_| LinkClosed::RadioGone.into())
    }

    async fn clean_up(&mut self, ground: &Ground) {
        if self.off
            && let Err(error) = power(ground, true).await
        {
            tracing::warn!(%error, "The adapter could not be switched on again.");
        }
    }
}

async fn power(ground: &Ground, on: bool) -> Result<(), RadioError> {
    let what = if on { "switching the adapter on" } else { "switching the adapter off" };
    let switched = async {
        let adapter = ground.adapter().await?;
        within(STEP_DEADLINE, what, adapter.set_powered(on)).await
    };
    switched.await.map_err(|fault: Fault| fault.into_radio(&PeerAddress(String::new()), false, what))
}
