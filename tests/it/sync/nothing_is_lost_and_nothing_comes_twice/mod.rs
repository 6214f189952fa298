//! The loss model: random lives of a watch and its host, with dropped links, lost and damaged notifications, power cuts and
//! crashes, and a reckoning at the end of each. The session, the SQLite file and the protocol are the real ones.
//!
//! `NOWBRIDGE_SLOW=1` lives ten times as many lives; `NOWBRIDGE_SEED=123` lives that one alone.

mod life;
mod reckoning;

use std::ops::AddAssign;

use self::life::Life;

/// Lives that each of the tests lives.
const LIVES: u64 = 25;
const LIVES_IN_THE_SLOW_TIER: u64 = 250;

/// What happened over many lives.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    blocks: u64,
    overwritten: u64,
    burned: u64,
    sessions: u64,
    complete: u64,
    crashes: u64,
    cuts_in_a_session: u64,
    resets: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.overwritten += other.overwritten;
        self.burned += other.burned;
        self.sessions += other.sessions;
        self.complete += other.complete;
        self.crashes += other.crashes;
        self.cuts_in_a_session += other.cuts_in_a_session;
        self.resets += other.resets;
    }
}

/// Tells how to repeat a life that ended badly.
struct Epitaph(u64);

impl Drop for Epitaph {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("This was life {seed}; NOWBRIDGE_SEED={seed} repeats it.", seed = self.0);
        }
    }
}

fn live(seed: u64) -> Tally {
    let _epitaph = Epitaph(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut life = Life::begin(seed).await;
        life.unfold().await;
        life.settle().await
    })
}

/// Lives an eighth of the lives.
fn live_eighth(eighth: u64) {
    if let Ok(seed) = std::env::var("NOWBRIDGE_SEED") {
        live(seed.parse().expect("NOWBRIDGE_SEED is a number"));
        return;
    }
    let slow = std::env::var_os("NOWBRIDGE_SLOW").is_some();
    let lives = if slow { LIVES_IN_THE_SLOW_TIER } else { LIVES };
    let mut tally = Tally::default();
    for seed in eighth * lives..(eighth + 1) * lives {
        tally += live(seed);
    }
    eprintln!("{tally:?}");
    let Tally { blocks, overwritten, burned, sessions, complete, crashes, cuts_in_a_session, resets } = tally;
    for happened in [overwritten, burned, crashes, cuts_in_a_session, resets, complete, sessions - complete] {
        assert!(happened > 0, "these lives were too quiet: {tally:?}");
    }
    assert!(blocks > 100 * lives, "{tally:?}");
}

#[test]
fn in_the_first_eighth_of_lives() {
    live_eighth(0);
}

#[test]
fn in_the_second_eighth_of_lives() {
    live_eighth(1);
}

#[test]
fn in_the_third_eighth_of_lives() {
    live_eighth(2);
}

#[test]
fn in_the_fourth_eighth_of_lives() {
    live_eighth(3);
}

#[test]
fn in_the_fifth_eighth_of_lives() {
    live_eighth(4);
}

#[test]
fn in_the_sixth_eighth_of_lives() {
    live_eighth(5);
}

#[test]
fn in_the_seventh_eighth_of_lives() {
    live_eighth(6);
}

#[test]
fn in_the_eighth_eighth_of_lives() {
    live_eighth(7);
}
