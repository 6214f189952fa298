//! Looking around where no daemon runs: with the radio itself.

use std::time::Duration;

use tokio::time::timeout;

use crate::config::{AdapterChoice, Config, RadioConfig};
use crate::control::{DeskError, Heard, Here, Job, News};
use crate::daemon;
use crate::radio::bluez::BluezCentral;
use crate::radio::{Central, PeerAddress, RadioState, Sighting};

/// A radio that is there is ready long before.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// Does it with the radio that is configured, or with Bluetooth if nothing is.
pub async fn look(config: &Config, job: &Job) -> anyhow::Result<News> {
    let looked = match &config.radio {
        RadioConfig::Bluez { adapter } => over_bluez(config, adapter.clone(), job).await,
        RadioConfig::Off if config.file.is_none() => over_bluez(config, AdapterChoice::Any, job).await,
        RadioConfig::Off => Err(DeskError::RadioOff),
        #[cfg(feature = "sim")]
        RadioConfig::Simulated { air } => {
            with(&crate::radio::air::AirCentral::over_socket(air), config, job).await
        }
        #[cfg(not(feature = "sim"))]
        RadioConfig::Simulated { .. } => return Err(daemon::DaemonError::NoSimulation.into()),
    };
    Ok(looked.map_err(|error| error.complaint())?)
}

async fn over_bluez(config: &Config, adapter: AdapterChoice, job: &Job) -> Result<News, DeskError> {
    let central = BluezCentral::start(adapter);
    let looked = with(&central, config, job).await;
    central.shutdown().await;
    looked
}

async fn with<C: Central>(central: &C, config: &Config, job: &Job) -> Result<News, DeskError> {
    let mut state = central.state();
    // Whether or not it became ready in time, the state says what there is to say.
    let _ = timeout(READY_WITHIN, state.wait_for(RadioState::is_ready)).await;
    state.borrow().check()?;
    match job {
        Job::Scan { seconds } => {
            let heard = daemon::scan(central, Duration::from_secs((*seconds).into())).await?;
            let devices = heard.into_iter().map(|sighting| known(config, sighting)).collect();
            Ok(News::Heard { devices, unheard: Vec::new() })
        }
        Job::Probe { watch } => Ok(News::Probed(daemon::probe(central, &whichever(config, watch)?).await?)),
        Job::Pair { .. } | Job::Repair { .. } | Job::Unpair { .. } => Err(DeskError::Stopping),
    }
}

fn known(config: &Config, sighting: Sighting) -> Heard {
    let configured = config.watches.iter().find(|watch| watch.address == sighting.address);
    let here = match configured {
        Some(watch) => Here::Configured { name: watch.name.clone() },
        None if sighting.bonded => Here::Bonded,
        None => Here::Stranger,
    };
    Heard { sighting, here }
}

/// A configured watch, or any address: whoever names one means it.
fn whichever(config: &Config, asked: &str) -> Result<PeerAddress, DeskError> {
    let configured = config
        .watches
        .iter()
        .find(|watch| watch.label() == asked || watch.address.0.eq_ignore_ascii_case(asked));
    configured.map(|watch| watch.address.clone()).or_else(|| PeerAddress::parse(asked)).ok_or_else(|| {
        let known = config.watches.iter().map(|watch| watch.label().to_owned()).collect();
        DeskError::UnknownWatch { asked: asked.to_owned(), known }
    })
}
