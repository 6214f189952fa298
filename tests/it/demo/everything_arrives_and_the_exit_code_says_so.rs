//! With the real program, in its own process, against its own clock; the air runs faster than a real one.

use assert_cmd::Command;

fn demo(args: &[&str]) -> (Option<i32>, String) {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::cargo_bin("nowbridge")
        .unwrap()
        .env("TMPDIR", temporary.path())
        .arg("demo")
        .args(args)
        .timeout(std::time::Duration::from_mins(4))
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the temporary folder stays behind only when something differs:\n{said}");
    (output.status.code(), said)
}

#[test]
fn two_hours_arrive_whole() {
    let (code, said) = demo(&["--hours", "2", "--speed", "50", "--seed", "11"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Equal: every value and quality on the watch is in the cloud, once."), "{said}");
    for kind in ["HEART_BEAT", "HEART_RATE", "TEMPERATURE", "ACTIVITY_CADENCE", "MOTION_GRAPH"] {
        let line =
            said.lines().find(|line| line.starts_with(kind)).unwrap_or_else(|| panic!("no {kind}:\n{said}"));
        assert!(line.ends_with("equal") && !line.contains(" 0 "), "{line}");
    }
}

#[test]
fn they_arrive_whole_through_faults_and_two_kills() {
    let (code, said) = demo(&["--hours", "2", "--faults", "--seed", "5"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Equal: "), "{said}");
    assert_eq!(said.matches("killing the daemon").count(), 2, "{said}");
}
