use nowbridge::config::{Config, Env};

use super::User;

const FILE: &str =
    "[cloud]\nbase_url = \"https://file.example.org\"\n[state]\ndir = \"/file\"\n[log]\nfilter = \"warn\"\n";

fn load(env: impl FnOnce(Env) -> Env) -> Result<Config, String> {
    let user = User::new();
    let path = user.writes("my.toml", FILE);
    Config::load(Some(&path), &env(user.env())).map_err(|error| error.to_string())
}

#[test]
fn a_variable_overrules_the_file() {
    let config = load(|env| {
        env.with("NOWBRIDGE_BASE_URL", "http://127.0.0.1:8080/api")
            .with("NOWBRIDGE_STATE_DIR", "/variable")
            .with("STATE_DIRECTORY", "/systemd")
            .with("NOWBRIDGE_LOG", "nowbridge::cloud=trace")
    })
    .unwrap();
    assert_eq!(config.cloud.base_url.unwrap().as_str(), "http://127.0.0.1:8080/api");
    assert_eq!(config.paths.state_dir.to_str(), Some("/variable"));
    assert_eq!(config.log.filter, "nowbridge::cloud=trace");
}

#[test]
fn the_file_overrules_systemd_and_an_empty_variable_says_nothing() {
    let config = load(|env| {
        env.with("NOWBRIDGE_BASE_URL", "")
            .with("NOWBRIDGE_STATE_DIR", "")
            .with("STATE_DIRECTORY", "/systemd")
            .with("NOWBRIDGE_LOG", "")
    })
    .unwrap();
    assert_eq!(config.cloud.base_url.unwrap().host_str(), Some("file.example.org"));
    assert_eq!(config.paths.state_dir.to_str(), Some("/file"));
    assert_eq!(config.log.filter, "warn");
}

#[test]
fn a_wrong_variable_is_named() {
    let error = load(|env| env.with("NOWBRIDGE_BASE_URL", "cloud")).unwrap_err();
    assert!(error.contains("NOWBRIDGE_BASE_URL") && error.contains("https://"), "{error}");
    let error = load(|env| env.with("NOWBRIDGE_LOG", "nowbridge=loud")).unwrap_err();
    assert!(error.contains("NOWBRIDGE_LOG"), "{error}");
}
