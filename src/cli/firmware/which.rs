//! For which watch firmware is asked: the one that is described, or those that the daemon knows.

use super::super::daemon;
use crate::clock::Clock;
use crate::cloud::{Channel, Client};
use crate::config::Config;
use crate::daemon::Cloud;

/// For which watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Which {
    /// What kind of watch; without it, those that the daemon knows
    #[arg(long, value_name = "NAME")]
    product: Option<String>,

    /// Its hardware revision
    #[arg(long, value_name = "REVISION", requires = "product")]
    hw: Option<String>,

    /// The version that it runs; without it, the latest is offered
    #[arg(long, value_name = "VERSION", requires = "product")]
    installed: Option<String>,
}

/// A kind of watch to ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    pub product: String,
    pub hardware: Option<String>,
    pub installed: Option<String>,
}

/// Nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// Whom to ask.
    #[error("there is no cloud to ask for firmware; set cloud.base_url in the configuration")]
    Cloud,
    /// For what.
    #[error("no watch is known that has told what it is; name it with --product")]
    Watch,
    /// For which of several.
    #[error("the watches here are of several kinds ({0}); name one with --product")]
    Several(String),
    /// The latest is another one.
    #[error("the cloud offers {offered}, not {asked}; give the address of {asked} with --url")]
    Version {
        /// What is wanted.
        asked: String,
        /// What there is.
        offered: String,
    },
    /// There is nothing newer.
    #[error("the cloud offers nothing newer for {0}")]
    Nothing(String),
}

impl Which {
    /// The watch that was described, or all that the daemon knows of. Each kind once.
    pub async fn watches(&self, config: &Config) -> anyhow::Result<Vec<Watch>> {
        if let Some(product) = &self.product {
            let (hardware, installed) = (self.hw.clone(), self.installed.clone());
            return Ok(vec![Watch { product: product.clone(), hardware, installed }]);
        }
        let status = daemon(config).await?.status().await?;
        let told = status.watches.into_iter().filter_map(|watch| watch.identity);
        let mut watches: Vec<Watch> = told
            .filter_map(|identity| {
                Some(Watch { product: identity.model?, hardware: None, installed: identity.firmware })
            })
            .collect();
        watches.sort();
        watches.dedup();
        Ok(watches)
    }

    /// The same, if it comes down to one.
    pub async fn watch(&self, config: &Config) -> anyhow::Result<Watch> {
        let mut watches = self.watches(config).await?;
        match (watches.pop(), watches.last()) {
            (None, _) => Err(Unasked::Watch.into()),
            (Some(only), None) => Ok(only),
            (Some(last), Some(_)) => {
                watches.push(last);
                let names: Vec<String> = watches.into_iter().map(|watch| watch.product).collect();
                Err(Unasked::Several(names.join(", ")).into())
            }
        }
    }
}

/// The cloud that is configured. Must be called within a runtime.
pub fn client(config: &Config) -> anyhow::Result<Client> {
    Cloud::client(config, Clock::System)?.ok_or_else(|| Unasked::Cloud.into())
}

/// The channel that is configured.
pub fn channel(config: &Config) -> anyhow::Result<Option<Channel>> {
    Ok(config.firmware.channel.as_deref().map(str::parse).transpose()?)
}
