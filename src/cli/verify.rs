//! `nowbridge verify`: whether the cloud has what it was sent.

use std::fmt::Write as _;
use std::pin::pin;

use futures_util::StreamExt;

use super::radio::print;
use super::{daemon, exit, format, small_runtime};
use crate::config::Config;
use crate::control::{VerifyLine, VerifyRequest};
use crate::measurement::Day;
use crate::upload::{DayCheck, DayVerdict, VerifyEnd};

/// Which days, and what to do.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For each UTC day and kind the rows that were sent are made again from the outbox and compared with what the cloud says it has: \
their count and a hash over second, value and quality; where these differ, row by row. Of rows that are no longer kept here the number and the sum of the hashes are compared. Rows that only the cloud has are told and are no difference: \
a phone may upload to the same account. The daemon does it, with its login. Exit code 1: something is missing or different."
)]
pub struct Args {
    /// The first day [default: a week before the last]
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,

    /// The last day [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,

    /// Send the blocks again that are missing or different there
    #[arg(long)]
    repair: bool,

    /// Print JSON, an object for each day and kind; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// The daemon ended in the middle of it.
#[derive(Debug, thiserror::Error)]
#[error("the daemon broke off; go on with {0}")]
pub struct BrokenOff(String);

/// Has the daemon compare, and prints.
pub fn verify(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let text = |day: &Option<Day>| day.map(|day| day.to_string());
    let request = VerifyRequest { from: text(&args.from), to: text(&args.to), repair: args.repair };
    let mut checks = Vec::new();
    let end = small_runtime()?.block_on(follow(config, &request, args.json, &mut checks));
    // What was found before it broke off is worth something, too.
    if !args.json && !checks.is_empty() {
        print(&table(&checks))?;
    }
    let end = end?;
    if args.json {
        print(&serde_json::to_string(&VerifyLine::End { end })?)?;
    } else {
        print(&sum(end, args.repair))?;
    }
    Ok(if end.different == 0 { exit::OK } else { exit::DIFFERENT })
}

async fn follow(
    config: &Config,
    request: &VerifyRequest,
    json: bool,
    checks: &mut Vec<DayCheck>,
) -> anyhow::Result<VerifyEnd> {
    let client = daemon(config).await?;
    let mut lines = pin!(client.verify(request).await?);
    while let Some(line) = lines.next().await {
        match line? {
            VerifyLine::End { end } => return Ok(end),
            VerifyLine::Failed(complaint) => return Err(complaint.into()),
            VerifyLine::Day(check) if json => print(&serde_json::to_string(&check)?)?,
            VerifyLine::Day(check) => checks.push(check),
        }
    }
    let place =
        checks.last().map_or_else(|| "the same days".to_owned(), |check| format!("--from {}", check.day));
    Err(BrokenOff(place).into())
}

fn table(checks: &[DayCheck]) -> String {
    let row = |check: &DayCheck| {
        let counts = [check.sent, check.cloud].map(format::count);
        let [sent, cloud] = counts;
        let hashes = [&check.sent_sha256, &check.cloud_sha256].map(|hash| hash.chars().take(8).collect());
        let [ours, theirs]: [String; 2] = hashes;
        [check.day.to_string(), check.kind.to_string(), sent, cloud, ours, theirs, verdict(check)]
    };
    let heading = ["day", "kind", "sent", "in the cloud", "hash sent", "hash there", "result"];
    format::table(heading, &checks.iter().map(row).collect::<Vec<_>>())
}

fn verdict(check: &DayCheck) -> String {
    let mut told = vec![match &check.verdict {
        DayVerdict::Same => "same".to_owned(),
        DayVerdict::Fewer { rows } => format!("the cloud has fewer ({})", format::count(*rows)),
        DayVerdict::Differs => "the cloud differs".to_owned(),
        DayVerdict::Unsure { because } => format!("cannot be compared: {because}"),
    }];
    let counts = [(check.missing, "missing"), (check.changed, "different"), (check.extra, "only there")];
    let freed = (check.freed, "no longer kept here");
    let counts = counts.into_iter().chain([freed]).filter(|(count, _)| *count > 0);
    told.extend(counts.map(|(count, what)| format!("{} {what}", format::count(count))));
    told.join(", ")
}

fn sum(VerifyEnd { compared, different, unsure }: VerifyEnd, repair: bool) -> String {
    let mut told = match (compared, different) {
        (0, _) => "Nothing that is known here was sent of these days.".to_owned(),
        (_, 0) => "Nothing that was sent is known to be missing or different in the cloud.".to_owned(),
        (_, different) if repair => {
            format!(
                "{different} of {compared} differ; what is missing or different and still kept here is sent again by the daemon."
            )
        }
        (_, different) => {
            format!(
                "{different} of {compared} differ; --repair sends again what is missing or different and still kept here."
            )
        }
    };
    if unsure > 0 {
        let _ = write!(told, " {unsure} of {compared} cannot be compared.");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Kind;

    #[test]
    fn a_difference_is_told_in_numbers() {
        let check = DayCheck {
            day: Day::from_number(20_000),
            kind: Kind::HeartRate,
            sent: 86_400,
            cloud: 86_398,
            sent_sha256: "a".repeat(64),
            cloud_sha256: "b".repeat(64),
            missing: 3,
            changed: 2,
            extra: 1,
            repairs: 1,
            freed: 0,
            verdict: DayVerdict::Differs,
        };
        let (verdict, kind) = (DayVerdict::Same, Kind::HeartBeat);
        let equal = DayCheck { missing: 0, changed: 0, extra: 7, kind, verdict, ..check.clone() };
        let fewer = DayCheck { extra: 0, freed: 90, verdict: DayVerdict::Fewer { rows: 4 }, ..equal.clone() };
        insta::assert_snapshot!(table(&[check, equal, fewer]), @r"
        day         kind        sent    in the cloud  hash sent  hash there  result
        2024-10-04  HEART_RATE  86,400  86,398        aaaaaaaa   bbbbbbbb    the cloud differs, 3 missing, 2 different, 1 only there
        2024-10-04  HEART_BEAT  86,400  86,398        aaaaaaaa   bbbbbbbb    same, 7 only there
        2024-10-04  HEART_BEAT  86,400  86,398        aaaaaaaa   bbbbbbbb    the cloud has fewer (4), 90 no longer kept here
        ");
        assert!(sum(VerifyEnd { compared: 2, different: 1, unsure: 0 }, false).contains("--repair"));
    }
}
