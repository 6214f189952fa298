use std::path::Path;

use nowbridge::config::AdapterChoice;
use nowbridge::config::{Config, RadioConfig, WatchMode};

use super::{User, config};

/// The example as its comments say to use it: with the `#` taken away from every key but those that exclude another.
fn uncommented() -> String {
    let example = include_str!("../../../packaging/config.toml");
    let is_key = |line: &&str| {
        !line.starts_with("# ")
            && *line != "#"
            && !line.starts_with("#air")
            && !line.starts_with("#path = \"/write")
    };
    example.lines().filter(is_key).map(|line| line.trim_start_matches('#').to_owned() + "\n").collect()
}

#[test]
fn as_shipped_it_changes_nothing() {
    let user = User::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/config.toml");
    let shipped = Config::load(Some(&example), &user.env()).unwrap();
    let defaults = Config::load(None, &user.env()).unwrap();
    assert_eq!(Config { file: None, ..shipped }, defaults);
}

#[test]
fn with_every_comment_removed_it_shows_the_defaults() {
    let shown = config(&uncommented()).unwrap();
    let user = User::new();
    let defaults = Config::load(None, &user.env()).unwrap();
    assert_eq!(shown.upload, defaults.upload);
    assert_eq!(shown.log, defaults.log);
    assert_eq!(shown.links, defaults.links);
    assert_eq!(shown.control, defaults.control);
    assert_eq!(shown.cloud.upload, defaults.cloud.upload);
    let sinks = shown.sinks;
    let shortest = "[sink.folder]\npath = \"/srv/nowbridge\"\n";
    assert_eq!(sinks.folder, config(shortest).unwrap().sinks.folder);
    assert_eq!(
        sinks.influxdb.unwrap().write.as_str(),
        "https://influxdb.example.org:8086/api/v2/write?org=home&bucket=nowbridge&precision=s"
    );
    assert_eq!(sinks.mqtt.unwrap().discovery.as_deref(), Some("homeassistant"));

    let bare = config(
        "[[watch]]\naddress = \"E7:12:0A:00:00:01\"\nname = \"left wrist\"\nquiet = \"23:00-07:00\"\n",
    )
    .unwrap();
    assert_eq!(shown.watches, bare.watches);
    assert_eq!(shown.watches[0].mode, WatchMode::Stay);
    assert!(shown.cloud.uploads() && shown.cloud.password.is_some() && shown.cloud.x_auth_token.is_some());
    assert!(matches!(shown.radio, RadioConfig::Bluez { adapter: AdapterChoice::Controller(_) }));
}
