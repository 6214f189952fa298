//! `kill -9` of the real daemon, again and again, at points nobody chose: while it starts, while it fetches, while it sends.
//!
//! Watch and cloud are processes of their own and are never disturbed. The watch's side keeps a ledger of what it gave away and of
//! what it was told is safe (`sim-watch --ledger`); after each kill the files of the outbox are held against it, and at the end the
//! cloud is.
//!
//! 50 rounds; `NOWBRIDGE_SLOW=1` (packaging/slow.sh) makes it 1,000, `NOWBRIDGE_ROUNDS=7` makes it 7, and `NOWBRIDGE_SEED=123` chooses
//! the points that are aimed at. Where exactly a kill hits is up to the machine.

mod ledger;
mod reckoning;
mod remains;
mod town;

use std::time::Duration;

use tokio::time::sleep;

use self::remains::Remains;
use self::town::Town;
use crate::support::daemon::is_complete;
use crate::support::process::{Running, until};
use crate::support::stage::at_length;

/// Where the next kill is aimed.
#[derive(Clone, Copy, Debug)]
enum Aim {
    /// So long after its start.
    Start(Duration),
    /// When it has been given so many more blocks.
    Sync(usize),
    /// When the cloud has kept so many more uploads, and a moment later.
    Upload(u64, Duration),
}

impl Aim {
    fn choose(rng: &mut fastrand::Rng) -> Self {
        match rng.u32(0..5) {
            0 => Self::Start(Duration::from_micros(rng.u64(0..200_000))),
            1 | 2 => Self::Sync(rng.usize(1..250)),
            _ => Self::Upload(rng.u64(1..6), Duration::from_micros(rng.u64(0..15_000))),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_it_is_killed_every_promise_is_kept() {
    let seed = number("NOWBRIDGE_SEED").unwrap_or(20_261_123);
    let rounds = number("NOWBRIDGE_ROUNDS").unwrap_or(if at_length() { 1_000 } else { 50 });
    eprintln!("NOWBRIDGE_SEED={seed}, {rounds} rounds");
    let mut rng = fastrand::Rng::with_seed(seed);
    // So much that the last rounds find something to do, too.
    let town = Town::new(seed, (rounds / 5).clamp(12, 336)).await;
    let (mut promised, mut hits) = (0, [0_u64; 3]);
    for round in 0..rounds {
        let aim = Aim::choose(&mut rng);
        let mut daemon = town.home.start(&["run"]);
        let hit = aim_at(&town, &mut daemon, aim).await;
        daemon.kill().await;
        hits[match aim {
            Aim::Start(_) => 0,
            Aim::Sync(_) => 1,
            Aim::Upload(..) => 2,
        }] += u64::from(hit);

        let ledger = town.ledger();
        assert!(ledger.acked >= promised, "the ledger goes back");
        promised = ledger.acked;
        Remains::of(&town.home.state()).assert_keeps(&ledger, &format!("round {round}, {aim:?}"));
    }

    town.let_batches_be_large();
    let daemon = town.home.daemon().await;
    town.home.status_when("everything is in the cloud", is_complete).await;
    daemon.stop().await;
    let [start, sync, upload] = hits;
    let ledger = town.ledger();
    let remains = Remains::of(&town.home.state());
    remains.assert_keeps(&ledger, "the end");
    let told = reckoning::assert_everything_arrived_once(&town, &ledger, &remains).await;
    eprintln!(
        "killed {start} times at the start, {sync} while it fetched, {upload} while it sent, {} times with nothing to do; \
         {} blocks given ({} more than once), {told}",
        rounds - start - sync - upload,
        ledger.given.len(),
        ledger.repeated,
    );
    assert!(start > 0 && sync > 0 && upload > 0 || rounds < 50, "too quiet: {hits:?}");
}

/// Waits for the point; whether there was one before the daemon had nothing left to do.
async fn aim_at(town: &Town, daemon: &mut Running, aim: Aim) -> bool {
    match aim {
        Aim::Start(after) => {
            sleep(after).await;
            true
        }
        Aim::Sync(blocks) => {
            let enough = town.ledger_lines("gave") + blocks;
            reached(town, daemon, || town.ledger_lines("gave") >= enough).await
        }
        Aim::Upload(uploads, later) => {
            let enough = town.receipts() + uploads;
            let hit = reached(town, daemon, || town.receipts() >= enough).await;
            sleep(later).await;
            hit
        }
    }
}

async fn reached(town: &Town, daemon: &mut Running, is_there: impl Fn() -> bool) -> bool {
    until("the daemon gets there", async || {
        assert!(daemon.is_running(), "it has ended: {}", daemon.stderr());
        if is_there() {
            return Some(true);
        }
        town.home.status().await.filter(is_complete).map(|_| false)
    })
    .await
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect("a number"))
}
