//! Those that measurements are sent to: what they keep, and giving up on one.

use crate::cli::place::Place;
use crate::cli::radio::print;
use crate::cli::{exit, format};
use crate::config::Config;
use crate::control::{self, DeskError, SinkKeeps, SinksAnswer};
use crate::daemon::Sink;
use crate::measurement::UtcMicros;
use crate::outbox::{Room, SinkEnd, SinkName};

/// How to list them.
#[derive(Debug, clap::Args)]
pub struct SinksArgs {
    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Which one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For a sink whose section was taken out of the configuration for good: what waits for it waits no longer, and makes room. One \
that comes back begins anew. The ledger keeps how many samples it was never sent. What it has stays there."
)]
pub struct ForgetSinkArgs {
    /// Its name, as `nowbridge outbox sinks` has it
    name: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub async fn sinks(config: &Config, args: &SinksArgs) -> anyhow::Result<u8> {
    let (answer, now) = gather(config).await?;
    print(&if args.json { serde_json::to_string(&answer)? } else { text(&answer, now) })?;
    Ok(exit::OK)
}

async fn gather(config: &Config) -> anyhow::Result<(SinksAnswer, UtcMicros)> {
    let now = crate::clock::Clock::System.now();
    let answer = match Place::find(config).await? {
        Place::Daemon(client) => client.sinks().await?,
        Place::Here(outbox) => {
            let answer = SinksAnswer::gather(&outbox, &Sink::names(config)).await?;
            outbox.close().await?;
            answer
        }
    };
    Ok((answer, now))
}

/// Gives up on one.
pub async fn forget_sink(config: &Config, args: &ForgetSinkArgs) -> anyhow::Result<u8> {
    let (answer, _) = gather(config).await?;
    let name = SinkName(args.name.clone());
    match answer.sinks.iter().find(|keeps| keeps.hold.sink == name) {
        // Refused before anybody is asked.
        Some(keeps) if keeps.configured => return Err(DeskError::SinkConfigured(name).complaint().into()),
        Some(keeps) => super::confirm(args.yes, &question(keeps)).await?,
        None => {}
    }
    let end = match Place::find(config).await? {
        Place::Daemon(client) => client.forget_sink(name).await?,
        Place::Here(outbox) => {
            let end = control::forget_sink(&outbox, &Sink::names(config), name).await;
            let end = end.map_err(|error| error.complaint())?;
            outbox.close().await?;
            end
        }
    };
    print(&if args.json { serde_json::to_string(&end)? } else { ended(&end) })?;
    Ok(exit::OK)
}

fn question(SinkKeeps { hold, .. }: &SinkKeeps) -> String {
    format!(
        "{} samples wait for {}, and will never be sent to it. Give up on it?",
        format::count(hold.waiting),
        format::safe(&hold.sink.0)
    )
}

fn ended(end: &SinkEnd) -> String {
    format!(
        "Forgot {}: {} samples that waited for it were given up, {} had been sent. What nobody else waits for is freed in its time.",
        format::safe(&end.sink.0),
        format::count(end.given_up),
        format::count(end.sent)
    )
}

fn text(answer: &SinksAnswer, now: UtcMicros) -> String {
    let mut parts = Vec::new();
    if answer.sinks.is_empty() {
        parts.push("Nothing was ever sent anywhere, and nothing is freed before it was.".to_owned());
    } else {
        let heading =
            ["sink", "configured", "waiting", "room for these", "keeps", "alone", "since", "last receipt"];
        let rows: Vec<_> = answer.sinks.iter().map(|keeps| row(keeps, now)).collect();
        parts.push(format::table(heading, &rows));
    }
    let gone = answer.sinks.iter().filter(|keeps| !keeps.configured);
    parts.extend(gone.map(|SinkKeeps { hold, .. }| {
        let name = format::argument(&hold.sink.0);
        format!(
            "{} is no longer configured; `nowbridge outbox forget-sink {name}` gives up on it.",
            hold.sink
        )
    }));
    if answer.room != Room::Ample {
        parts.push(
            "There is little room: what is kept for one alone is freed once it was sent to it.".to_owned(),
        );
    }
    parts.extend(answer.forgotten.iter().map(|end| {
        let (when, given_up) = (format::relative(end.at, now), format::count(end.given_up));
        format!("{} was forgotten {when}; {given_up} samples that waited for it were given up.", end.sink)
    }));
    parts.join("\n")
}

fn row(SinkKeeps { hold, configured, last_receipt, .. }: &SinkKeeps, now: UtcMicros) -> [String; 8] {
    let when = |at: Option<UtcMicros>| at.map(|at| format::relative(at, now)).unwrap_or_default();
    [
        format::safe(&hold.sink.0),
        if *configured { "yes" } else { "no" }.to_owned(),
        format::count(hold.waiting),
        format::bytes(hold.waiting_bytes),
        format::bytes(hold.kept_bytes),
        format::bytes(hold.alone_bytes),
        when(hold.since),
        when(*last_receipt),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::SinkHold;

    #[test]
    fn who_keeps_what_is_told_with_the_way_out() {
        let now = UtcMicros(1_770_000_000_000_000);
        let ago = |hours: i64| Some(UtcMicros(now.0 - hours * 3_600_000_000));
        let keeps = |name: &str, configured, waiting, alone_bytes, since| SinkKeeps {
            hold: SinkHold {
                sink: SinkName(name.to_owned()),
                waiting,
                waiting_bytes: waiting * 2,
                kept_bytes: alone_bytes + 4_096,
                alone_bytes,
                since,
            },
            configured,
            last_receipt: ago(2),
            sent: 7,
        };
        let end = SinkEnd {
            sink: SinkName("mqtt".to_owned()),
            at: UtcMicros(now.0 - 86_400_000_000),
            sent: 5,
            dead: 0,
            missed: 0,
            given_up: 12_345,
        };
        let answer = SinksAnswer {
            room: Room::Ample,
            sinks: vec![
                keeps("folder", false, 1_000_000, 90_000_000, ago(900)),
                keeps("nowatch", true, 60, 0, ago(1)),
            ],
            forgotten: vec![end.clone()],
        };
        insta::assert_snapshot!(format!("{}\n{}\n{}", text(&answer, now), ended(&end), question(&answer.sinks[0])), @r"
        sink     configured  waiting    room for these  keeps    alone    since        last receipt
        folder   no          1,000,000  2000.0 kB       90.0 MB  90.0 MB  37 days ago  2 h ago
        nowatch  yes         60         120 B           4096 B   0 B      60 min ago   2 h ago
        folder is no longer configured; `nowbridge outbox forget-sink folder` gives up on it.
        mqtt was forgotten 24 h ago; 12,345 samples that waited for it were given up.
        Forgot mqtt: 12,345 samples that waited for it were given up, 5 had been sent. What nobody else waits for is freed in its time.
        1,000,000 samples wait for folder, and will never be sent to it. Give up on it?
        ");
    }
}
