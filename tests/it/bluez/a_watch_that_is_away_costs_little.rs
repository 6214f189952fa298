//! What the real daemon costs while it looks for a watch that never answers. A measurement of 19 minutes: it prints, and holds the daemon
//! only to what can be counted. `NOWBRIDGE_PROGRAM` names another build than the one of the tests.

use std::env;
use std::fs;
use std::time::Duration;

use nowbridge::sync::{WaitReason, WatchState};
use tokio::process::Command;
use tokio::time::sleep;

use super::holdings::memory_kb;
use crate::support::process::{Home, Running};
use crate::support::stage::story;

/// Nobody has this address.
const CONFIG: &str =
    "[radio]\nkind = \"bluez\"\n\n[[watch]]\naddress = \"E7:12:0A:00:00:99\"\n\n[log]\nfilter = \"warn\"\n";
/// For ten minutes it is looked for often; after that once or twice a minute, for as long as it takes.
const OFTEN: Duration = Duration::from_mins(10);
/// The rows of waits have grown by then.
const BETWEEN: Duration = Duration::from_mins(1);
const SELDOM: Duration = Duration::from_mins(5);
const TRACED: Duration = Duration::from_mins(3);
const TICKS_PER_SECOND: f64 = 100.0;

#[test]
#[ignore = "takes 19 minutes; packaging/slow.sh costs_little"]
fn it_flushes_nothing_and_tells_its_share_of_a_core() {
    story(async |_stage| {
        let mut home = Home::new(CONFIG);
        if let Ok(bus) = env::var("DBUS_SYSTEM_BUS_ADDRESS") {
            home.set("DBUS_SYSTEM_BUS_ADDRESS", bus);
        }
        home.set("MALLOC_ARENA_MAX", "1"); // As systemd/nowbridge.service has it.
        let daemon = home.daemon().await;
        let away = |state: &WatchState| matches!(state, WatchState::Waiting { reason: WaitReason::Away, .. });
        home.status_when("it is missed", |status| status.watches.iter().any(|watch| away(&watch.state)))
            .await;

        let often = percent_of_a_core(&daemon, OFTEN).await;
        sleep(BETWEEN).await;
        let seldom = percent_of_a_core(&daemon, SELDOM).await;
        let process = daemon.pid().to_string();
        let resident_kb = memory_kb(&process, "VmRSS");
        let flushes = flushes(&process).await;
        // A day is ten minutes of the one and the rest of the other.
        let day = (often * OFTEN.as_secs_f64() + seldom * (86_400.0 - OFTEN.as_secs_f64())) / 86_400.0;
        println!(
            "\naway: {often:.3} % of a core in the first ten minutes, then {seldom:.3} %; {day:.3} % over a day"
        );
        println!("away: {resident_kb} kB resident; flushes in {TRACED:?}: {flushes:?}");
        assert_eq!(flushes, Some(0), "counted by strace, which must be installed and allowed");
        daemon.stop().await;
    });
}

/// User and system time of all its threads.
async fn percent_of_a_core(daemon: &Running, window: Duration) -> f64 {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap()
    };
    let before = ticks();
    sleep(window).await;
    100.0 * f64::from(ticks() - before) / TICKS_PER_SECOND / window.as_secs_f64()
}

/// Flushes of the disk while strace looks on; `None` if it is missing or not allowed.
async fn flushes(process: &str) -> Option<usize> {
    let mut strace = Command::new("timeout");
    strace.args(["-s", "INT", &TRACED.as_secs().to_string(), "strace", "-f", "-q"]);
    strace.args(["-e", "trace=fsync,fdatasync", "-e", "signal=none", "-p", process]);
    let printed = String::from_utf8(strace.output().await.ok()?.stderr).unwrap();
    let allowed = !printed.contains("Operation not permitted") && !printed.contains("No such file");
    allowed.then(|| printed.matches("sync(").count())
}
