//! Whether rfkill, the kernel's switch for radios, holds Bluetooth off.
//!
//! BlueZ tells so itself from 5.65 on (`PowerState` is `off-blocked`); this is for older ones, on which a blocked adapter
//! looks like one that was switched off.

use std::fs;
use std::path::Path;

/// Whether a switch for Bluetooth is set, by software or by hand. `sysfs` is where the kernel shows its devices, `/sys`. What
/// cannot be read blocks nothing: the adapter's own state still tells whether it can be used.
pub(super) fn blocked(sysfs: &Path) -> bool {
    let Ok(switches) = fs::read_dir(sysfs.join("class/rfkill")) else { return false };
    switches.flatten().any(|switch| is_blocked_bluetooth(&switch.path()))
}

fn is_blocked_bluetooth(switch: &Path) -> bool {
    let holds = |file: &str, wanted: &str| {
        fs::read_to_string(switch.join(file)).is_ok_and(|text| text.trim() == wanted)
    };
    holds("type", "bluetooth") && (holds("soft", "1") || holds("hard", "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(sysfs: &Path, name: &str, files: &[(&str, &[u8])]) {
        let directory = sysfs.join("class/rfkill").join(name);
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in files {
            fs::write(directory.join(file), text).unwrap();
        }
    }

    #[test]
    fn only_a_set_switch_for_bluetooth_blocks() {
        let sysfs = tempfile::tempdir().unwrap();
        assert!(!blocked(sysfs.path()), "a kernel without rfkill");
        switch(sysfs.path(), "rfkill0", &[("type", b"wlan\n"), ("soft", b"1\n"), ("hard", b"1\n")]);
        switch(sysfs.path(), "rfkill1", &[("type", b"bluetooth\n"), ("soft", b"0\n"), ("hard", b"0\n")]);
        switch(sysfs.path(), "rfkill2", &[("type", b"bluetooth\n"), ("soft", b"\xff\xfe")]);
        switch(sysfs.path(), "rfkill3", &[]);
        assert!(!blocked(sysfs.path()));
        for set in ["soft", "hard"] {
            switch(sysfs.path(), "rfkill4", &[("type", b"bluetooth\n"), ("soft", b"0\n"), ("hard", b"0\n")]);
            assert!(!blocked(sysfs.path()));
            switch(sysfs.path(), "rfkill4", &[(set, b"1\n")]);
            assert!(blocked(sysfs.path()), "{set}");
        }
    }
}
