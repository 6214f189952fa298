//! `nowbridge probe`: what a device offers.

use super::{look, print};
use crate::cli::{exit, format, small_runtime};
use crate::config::Config;
use crate::control::{Job, News, Probe, ProbedService};

/// Which device.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Connects, reads who it is, and lets go again. Nothing is stored. `nowbridge scan` shows the addresses around.\n\
Without a daemon the command uses the radio itself."
)]
pub struct Args {
    /// The address of a device, or the name of a watch
    #[arg(value_name = "ADDRESS")]
    watch: String,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Looks and prints.
pub fn probe(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let news = small_runtime()?.block_on(look(config, &Job::Probe { watch: args.watch.clone() }))?;
    match &news {
        _ if args.json => print(&serde_json::to_string(&news)?)?,
        News::Probed(probe) => print(&text(probe))?,
        _ => {}
    }
    Ok(exit::OK)
}

fn text(probe: &Probe) -> String {
    let bond = if probe.bonded { "paired with this computer" } else { "not paired with this computer" };
    let mut lines = vec![format!("{}: {bond}, MTU {}", probe.address, probe.mtu)];
    lines.extend(who(probe));
    lines.push(match probe.driver {
        Some(driver) if probe.abilities.is_empty() => format!("driver: {}", format::driver(driver)),
        Some(driver) => format!("driver: {} ({})", format::driver(driver), probe.abilities.join(", ")),
        None => "driver: none; nowbridge cannot collect from it".to_owned(),
    });
    if probe.wants_pairing {
        lines.push(format!(
            "It wants to be paired before it tells more: run `nowbridge pair {}`.",
            probe.address
        ));
    } else if let Some(trouble) = &probe.trouble {
        lines.push(format!("It told no more: {trouble}."));
    }
    lines.extend(probe.services.iter().map(service));
    lines.join("\n")
}

fn who(probe: &Probe) -> Vec<String> {
    let identity = &probe.identity;
    let mut lines = Vec::new();
    if let Some(model) = format::model(identity) {
        lines.push(format!("model: {model}"));
    }
    if let Some(firmware) = &identity.firmware {
        lines.push(format!("firmware: {}", format::safe(firmware)));
    }
    if let Some(battery) = identity.battery {
        lines.push(format!("battery: {battery} %"));
    }
    if let Some(device) = identity.device {
        lines.push(format!("device id: {device}"));
    }
    if identity.synthetic {
        lines.push("Its measurements are simulated or replayed.".to_owned());
    }
    lines
}

fn service(service: &ProbedService) -> String {
    let name = |uuid: Option<uuid::Uuid>, name: Option<&String>| match (name, uuid) {
        (Some(name), _) => name.clone(),
        (None, Some(uuid)) => uuid.to_string(),
        (None, None) => "characteristics".to_owned(),
    };
    let rows: Vec<_> = service
        .characteristics
        .iter()
        .map(|characteristic| {
            let name = name(Some(characteristic.uuid), characteristic.name.as_ref());
            let properties = characteristic.properties.join(", ");
            format!("  {name:<38} {properties}").trim_end().to_owned()
        })
        .collect();
    format!("\n{}\n{}", name(service.uuid, service.name.as_ref()), rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Identity;

    #[test]
    fn a_strap_with_a_driver() {
        insta::assert_snapshot!(text(&Probe::example()), @r"
        E7:12:0A:00:00:01: not paired with this computer, MTU 247
        model: Example Strap 2
        battery: 87 %
        driver: sensor (live, battery)

        Heart Rate
          Heart Rate Measurement                 notify
          Body Sensor Location                   read

        Battery
          Battery Level                          read, notify

        0000fd00-0000-1000-8000-00805f9b34fb
          0000fd01-0000-1000-8000-00805f9b34fb   write, write without response
        ");
    }

    #[test]
    fn a_device_that_wants_to_be_paired_first() {
        let shy = Probe {
            driver: None,
            abilities: Vec::new(),
            identity: Identity::default(),
            wants_pairing: true,
            services: Vec::new(),
            ..Probe::example()
        };
        insta::assert_snapshot!(text(&shy), @r"
        E7:12:0A:00:00:01: not paired with this computer, MTU 247
        driver: none; nowbridge cannot collect from it
        It wants to be paired before it tells more: run `nowbridge pair E7:12:0A:00:00:01`.
        ");
    }
}
