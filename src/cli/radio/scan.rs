//! `nowbridge scan`: who is around.

use std::fmt::Write as _;

use super::{look, print};
use crate::cli::{exit, format, small_runtime};
use crate::config::Config;
use crate::control::{Heard, Here, Job, News, Unheard};
use crate::watch::known_name;

/// How long to listen.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A watch that is connected to a phone, or to the daemon, is silent. One that is neither near nor awake is, too.\n\
Without a daemon the command uses the radio itself."
)]
pub struct Args {
    /// How long to listen
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=120))]
    seconds: u32,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Listens and prints.
pub fn scan(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let seconds = args.seconds;
    let news = small_runtime()?.block_on(look(config, &Job::Scan { seconds }))?;
    match &news {
        _ if args.json => print(&serde_json::to_string(&news)?)?,
        News::Heard { devices, unheard } => print(&text(devices, unheard, seconds))?,
        _ => {}
    }
    Ok(exit::OK)
}

fn text(devices: &[Heard], unheard: &[Unheard], seconds: u32) -> String {
    let mut out = if devices.is_empty() {
        format!(
            "Nothing was heard within {seconds} s. A watch that is connected to a phone is silent; so is one that sleeps."
        )
    } else {
        let rows: Vec<_> = devices.iter().map(row).collect();
        format::table(["ADDRESS", "NAME", "SIGNAL", "SERVICES", "HERE"], &rows)
    };
    for watch in unheard {
        let name = watch.name.as_deref().unwrap_or(&watch.address.0);
        let why = if watch.connected {
            "connected to the daemon, and so silent"
        } else {
            "away, off, or connected elsewhere"
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "\nnot heard: {name} ({why})");
    }
    out
}

fn row(heard: &Heard) -> [String; 5] {
    let Heard { sighting, here } = heard;
    let nothing = || "–".to_owned();
    [
        sighting.address.to_string(),
        sighting.name.as_deref().map_or_else(nothing, format::safe),
        sighting.rssi.map_or_else(nothing, |rssi| format!("{rssi} dBm")),
        services(&sighting.services).unwrap_or_else(nothing),
        match here {
            Here::Stranger => nothing(),
            Here::Bonded => "paired with this computer, not looked after".to_owned(),
            Here::Paired { name: None } => "paired".to_owned(),
            Here::Paired { name: Some(name) } => format!("paired as \"{name}\""),
            Here::Configured { name: None } => "configured".to_owned(),
            Here::Configured { name: Some(name) } => format!("configured as \"{name}\""),
        },
    ]
}

/// The known ones by name, the others by number.
fn services(uuids: &[uuid::Uuid]) -> Option<String> {
    let mut names: Vec<String> =
        uuids.iter().filter_map(|uuid| known_name(*uuid)).map(str::to_owned).collect();
    match uuids.len() - names.len() {
        0 => {}
        unknown => names.push(format!("{unknown} unknown")),
    }
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::radio::{PeerAddress, Sighting, sig};
    use crate::wire::bridge;

    fn heard(address: &str, name: Option<&str>, rssi: Option<i16>, services: Vec<Uuid>, here: Here) -> Heard {
        let (address, name) = (PeerAddress(address.to_owned()), name.map(str::to_owned));
        Heard { sighting: Sighting { address, name, rssi, services, appearance: None, bonded: false }, here }
    }

    #[test]
    fn the_table_says_who_is_who() {
        let left = Some("left wrist".to_owned());
        let devices = [
            heard(
                "E7:12:0A:00:00:01",
                Some("bridge watch"),
                Some(-48),
                vec![bridge::SERVICE],
                Here::Configured { name: left },
            ),
            heard(
                "F4:00:00:00:00:02",
                Some("\u{1b}[31mStrap"),
                Some(-60),
                vec![sig(0x180D), sig(0x180F), sig(0xFDAA)],
                Here::Paired { name: None },
            ),
            heard("C1:00:00:00:00:03", None, None, Vec::new(), Here::Stranger),
        ];
        let unheard = [
            Unheard {
                address: PeerAddress("E7:12:0A:00:00:09".to_owned()),
                name: Some("right wrist".to_owned()),
                connected: true,
            },
            Unheard { address: PeerAddress("E7:12:0A:00:00:0A".to_owned()), name: None, connected: false },
        ];
        insta::assert_snapshot!(text(&devices, &unheard, 8), @r#"
        ADDRESS            NAME          SIGNAL   SERVICES                        HERE
        E7:12:0A:00:00:01  bridge watch  -48 dBm  nowbridge bridge                configured as "left wrist"
        F4:00:00:00:00:02  �[31mStrap    -60 dBm  Heart Rate, Battery, 1 unknown  paired
        C1:00:00:00:00:03  –             –        –                               –
        not heard: right wrist (connected to the daemon, and so silent)
        not heard: E7:12:0A:00:00:0A (away, off, or connected elsewhere)
        "#);
        insta::assert_snapshot!(text(&[], &[], 8), @"Nothing was heard within 8 s. A watch that is connected to a phone is silent; so is one that sleeps.");
    }
}
