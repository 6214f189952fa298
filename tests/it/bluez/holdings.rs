//! What this process holds that a leak would show in.

use std::collections::HashMap;
use std::fs;

use zbus::Connection;

/// What this process and its connections hold: open files, and match rules on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holdings {
    pub files: usize,
    pub rules: usize,
}

pub async fn holdings(bus: &Connection) -> Holdings {
    let (path, interface) = ("/org/freedesktop/DBus", "org.freedesktop.DBus.Debug.Stats");
    let rules =
        bus.call_method(Some("org.freedesktop.DBus"), path, Some(interface), "GetAllMatchRules", &()).await;
    let rules: HashMap<String, Vec<String>> = rules.unwrap().body().deserialize().unwrap();
    Holdings {
        files: fs::read_dir("/proc/self/fd").unwrap().count(),
        rules: rules.values().map(Vec::len).sum(),
    }
}

/// A number of kB from `/proc/PID/status`, such as `VmRSS`.
pub fn memory_kb(process: &str, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
