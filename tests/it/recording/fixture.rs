//! Finds the FIT files that crate fitparser brings along for its own tests.

use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "fitparser";
const VERSION: &str = "0.11.0";

/// The fixture, or `None` after saying so: a vendored or trimmed copy of the crate may lack its tests.
pub fn fit(name: &str) -> Option<PathBuf> {
    let found = from_metadata().into_iter().chain(from_registry());
    let fixture = found.map(|package| package.join("tests/fixtures").join(name)).find(|path| path.is_file());
    if fixture.is_none() {
        eprintln!("SKIPPED: {PACKAGE} {VERSION} has no tests/fixtures/{name} on this machine");
    }
    fixture
}

/// Where cargo says that it took the crate from.
fn from_metadata() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let package = metadata["packages"]
        .as_array()?
        .iter()
        .find(|package| package["name"] == PACKAGE && package["version"] == VERSION)?;
    Some(Path::new(package["manifest_path"].as_str()?).parent()?.to_owned())
}

/// Where cargo unpacks crates; `cargo metadata` fails offline if a crate of another platform was never fetched.
fn from_registry() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok());
    let registries = sources.into_iter().flatten().flatten();
    registries.map(|registry| registry.path().join(format!("{PACKAGE}-{VERSION}"))).collect()
}
