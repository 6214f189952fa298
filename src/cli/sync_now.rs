//! `nowbridge sync`: a session with every watch, or with one, now.

use super::{daemon, exit, small_runtime, status};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Asked;
use crate::measurement::UtcMicros;

/// Whom to sync with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this watch: its name or its address
    watch: Option<String>,
}

/// Asks the daemon; does not wait for the sessions.
pub fn sync_now(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let asked = small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        client.sync_now(args.watch.as_deref()).await
    })?;
    println!("{}", text(&asked, Clock::System.now()));
    Ok(exit::OK)
}

/// What will happen now, and what stands in the way of the rest.
fn text(Asked { watches, not_now }: &Asked, now: UtcMicros) -> String {
    let begun = match watches.saturating_sub(not_now.len() as u64) {
        0 if not_now.is_empty() => Some(
            "No watch is looked after; pair one with `nowbridge pair`, or add a [[watch]] to the configuration."
                .to_owned(),
        ),
        0 => None,
        1 => Some("Asked for a session with the watch; `nowbridge status --watch` follows it.".to_owned()),
        n => Some(format!("Asked for a session with {n} watches; `nowbridge status --watch` follows them.")),
    };
    let barred = not_now.iter().map(|watch| format!("Not now: {}.", status::in_a_line(watch, now)));
    begun.into_iter().chain(barred).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::PeerAddress;
    use crate::sync::{WatchCounts, WatchState, WatchStatus};

    #[test]
    fn whoever_asks_is_told_what_stands_in_the_way() {
        let held = WatchStatus {
            address: PeerAddress("E7:12:0A:00:00:01".to_owned()),
            name: Some("left wrist".to_owned()),
            device: None,
            driver: None,
            identity: None,
            state: WatchState::Held { until: None },
            complete_at: None,
            last_session: None,
            counts: WatchCounts::default(),
        };
        let asked = |watches, not_now| text(&Asked { watches, not_now }, UtcMicros(0));
        insta::assert_snapshot!(asked(1, vec![held.clone()]), @r#"Not now: left wrist: on hold, so that another host can have it; to take it back run `nowbridge release "left wrist"`."#);
        insta::assert_snapshot!(asked(3, vec![held]), @r#"
        Asked for a session with 2 watches; `nowbridge status --watch` follows them.
        Not now: left wrist: on hold, so that another host can have it; to take it back run `nowbridge release "left wrist"`.
        "#);
        assert!(asked(0, Vec::new()).contains("nowbridge pair"));
    }
}
