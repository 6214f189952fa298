use std::process::Command as Std;
use nowbridge::radio::air::LinkModel;
use crate::support::daemon::{World, is_complete, config};
use crate::support::process::until;
fn rss(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let pick = |k: &str| text.lines().find(|l| l.starts_with(k)).unwrap_or("").split_whitespace().nth(1).unwrap_or("").to_owned();
    let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let s = |k: &str| smaps.lines().find(|l| l.starts_with(k)).unwrap_or("").split_whitespace().nth(1).unwrap_or("").to_owned();
    format!("VmHWM {} VmRSS {} Anon {} File {} Threads {} Pss {} PrivDirty {}", pick("VmHWM"), pick("VmRSS"), pick("RssAnon"), pick("RssFile"), pick("Threads"), s("Pss:"), s("Private_Dirty"))
}
#[tokio::test(flavor = "multi_thread")]
async fn measure() {
    let seconds = std::env::var("SECS").unwrap_or("20".into());
    let world = World::new(9, 8, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    for (case, conf) in [
        ("no cloud, no radio", "".to_owned()),
        ("cloud, air absent", config(&world.cloud.url).replace("air.sock", "none.sock")),
        ("cloud https (roots), air absent", config("https://api.example.org").replace("air.sock", "none.sock")),
        ("cloud, air present, 8 h synced", config(&world.cloud.url)),
    ] {
        if case.contains("8 h") { world.wrist.wear(0..8); }
        world.home.configure(&conf);
        let start = tokio::time::Instant::now();
        let daemon = world.home.daemon().await;
        let up = start.elapsed();
        if case.contains("8 h") { world.home.status_when("complete", is_complete).await; }
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let t = tokio::time::Instant::now();
        world.home.status().await.unwrap();
        println!("== {case}: first running answer {up:?}, warm answer {:?}, {}", t.elapsed(), rss(daemon.pid()));
        let pid = daemon.pid();
        let out = Std::new("timeout").args(["-s", "INT", &seconds, "strace", "-c", "-f", "-p", &pid.to_string()]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        println!("{}", text.lines().filter(|l| !l.contains("ttached")).take(14).collect::<Vec<_>>().join("\n"));
        println!("   after: {}", rss(pid));
        daemon.stop().await;
        let _ = until("x", async || Some(())).await;
    }
}
