use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nowbridge::config::{Config, ConfigError, Env, RadioConfig};

use super::User;

#[test]
fn without_a_file_the_defaults_hold() {
    let user = User::new();
    let config = Config::load(None, &user.env()).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.paths.state_dir, user.path("state"));
    assert_eq!(config.paths.control_socket, user.path("run/control.sock"));
    assert!(config.cloud.upload && !config.cloud.uploads(), "there is nowhere to upload to");
    assert_eq!(config.radio, RadioConfig::Off);
    assert_eq!(config.control.socket_mode(), 0o600);
    assert_eq!(config.upload.consent_check_every, Duration::from_hours(1));
    assert!(config.watches.is_empty());
}

#[test]
fn an_empty_file_is_as_good_as_none() {
    let user = User::new();
    let path = user.writes("config/config.toml", "");
    let config = Config::load(None, &user.env()).unwrap();
    assert_eq!(config.file, Some(path));
    assert_eq!(config.log.filter, "info");
}

#[test]
fn a_named_file_must_be_there() {
    let user = User::new();
    let missing = user.path("nowhere.toml");
    let error = Config::load(Some(&missing), &user.env()).unwrap_err();
    assert!(matches!(&error, ConfigError::Unreadable { path, .. } if *path == missing), "{error}");
}

#[test]
fn a_default_file_that_is_there_but_unreadable_is_not_passed_over() {
    let user = User::new();
    std::fs::create_dir_all(user.path("config/config.toml")).unwrap();
    let error = Config::load(None, &user.env()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn a_service_finds_everything_where_systemd_says() {
    let user = User::new();
    user.writes("config/config.toml", "[control]\ngroup_access = false\n");
    user.writes("etc/config.toml", "[control]\ngroup_access = true\n");
    let env = user
        .env()
        .with("CONFIGURATION_DIRECTORY", user.path("etc"))
        .with("STATE_DIRECTORY", "/var/lib/nowbridge:/var/lib/other")
        .with("RUNTIME_DIRECTORY", "/run/nowbridge");
    let config = Config::load(None, &env).unwrap();
    assert_eq!(config.control.socket_mode(), 0o660);
    assert_eq!(config.paths.state_dir.to_str(), Some("/var/lib/nowbridge"));
    assert_eq!(config.paths.control_socket.to_str(), Some(nowbridge::config::SYSTEM_CONTROL_SOCKET));
}

#[test]
fn relative_paths_start_at_the_file() {
    let user = User::new();
    let text = "[state]\ndir = \"data\"\n[control]\nsocket = \"c.sock\"\n[radio]\nkind = \"simulated\"\nair = \"air\"\n";
    let path = user.writes("place/my.toml", text);
    let config = Config::load(Some(&path), &user.env()).unwrap();
    assert_eq!(config.paths.state_dir, user.path("place/data"));
    assert_eq!(config.paths.outbox().parent(), Some(config.paths.state_dir.as_path()));
    assert_eq!(config.paths.control_socket, user.path("place/c.sock"));
    assert_eq!(config.radio, RadioConfig::Simulated { air: user.path("place/air") });
}

#[test]
fn without_a_home_the_state_needs_a_place() {
    let homeless = Env::default();
    let error = Config::load(None, &homeless).unwrap_err();
    assert!(error.to_string().contains("NOWBRIDGE_STATE_DIR"), "{error}");
    let config = Config::load(None, &homeless.with("NOWBRIDGE_STATE_DIR", "/srv/nowbridge")).unwrap();
    assert_eq!(config.paths.control_socket.to_str(), Some("/srv/nowbridge/control.sock"));
}

#[test]
fn directories_are_made_for_their_owner_alone() {
    let user = User::new();
    let paths = Config::load(None, &user.env()).unwrap().paths;
    paths.create().unwrap();
    paths.create().expect("what is there already is fine");
    for directory in [&paths.state_dir, &paths.runtime_dir] {
        let mode = std::fs::metadata(directory).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", directory.display());
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named_with_its_key() {
    let user = User::new();
    user.writes("state", "a file is in the way");
    let error = Config::load(None, &user.env()).unwrap().paths.create().unwrap_err().to_string();
    assert!(error.contains("[state] dir") && error.contains("state:"), "{error}");
}
