//! What docs/sinks.md shows can be copied as it is; what contradicts itself is refused where it stands.

use nowbridge::config::{Config, ConfigError, Env, SinkStart};

fn config(text: &str) -> Result<Config, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("my.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), &Env::rooted(home.path()))
}

#[test]
fn every_example_is_a_configuration() {
    let docs = include_str!("../../../docs/sinks.md");
    let examples: Vec<&str> =
        docs.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let mut seen = [false; 3];
    for example in &examples {
        let sinks = config(example).unwrap_or_else(|error| panic!("{error}\n{example}")).sinks;
        let has = [sinks.folder.is_some(), sinks.influxdb.is_some(), sinks.mqtt.is_some()];
        for (seen, has) in seen.iter_mut().zip(has) {
            *seen |= has;
        }
    }
    assert_eq!(seen, [true; 3], "one for each sink");
}

#[test]
fn what_contradicts_itself_is_refused_where_it_stands() {
    let influx = |rest: &str| format!("[sink.influxdb]\nurl = \"http://127.0.0.1:8086\"\n{rest}\n");
    let mqtt = |rest: &str| format!("[sink.mqtt]\n{rest}\n");
    for (text, wanted) in [
        ("[sink.folder]\nformat = \"csv\"\n".to_owned(), ":1:1: sink.folder: missing field `path`"),
        ("[sink.folder]\npath = \"\"\n".to_owned(), "name a folder"),
        ("[sink.folder]\npath = \"x\"\nformat = \"xml\"\n".to_owned(), ":3:10: sink.folder.format"),
        ("[sink.folder]\npath = \"x\"\nstart = \"yesterday\"\n".to_owned(), "\"all\", \"now\" or \"7d\""),
        ("[sink.folder]\npath = \"x\"\npause = true\n".to_owned(), "did you mean \"paused\"?"),
        ("[sink.influx]\n".to_owned(), "unknown key \"influx\" in [sink]; did you mean \"influxdb\"?"),
        (influx("org = \"o\""), "set org and bucket, or path"),
        (influx("path = \"/write?db=x\""), "precision=s"),
        (influx("path = \"write?precision=s\""), "is no path"),
        (influx("org = \"o\"\npath = \"/write?precision=s\""), "leave out org and bucket, or path"),
        (
            "[sink.influxdb]\nurl = \"http://192.0.2.1:8086\"\norg = \"o\"\nbucket = \"b\"\n".to_owned(),
            "health data in the clear; write https://",
        ),
        (mqtt("url = \"mqtt://broker.example.org\""), "health data in the clear; write mqtts://"),
        (mqtt("url = \"tcp://127.0.0.1\""), "write it as \"mqtts://"),
        (mqtt("url = \"mqtt://me:canary@127.0.0.1\""), "would show up in logs"),
        (mqtt("url = \"mqtt://127.0.0.1\"\npassword_file = \"p\""), "set username, too"),
        (mqtt("url = \"mqtt://127.0.0.1\"\ntopic = \"a/#\""), "is no beginning of a topic"),
    ] {
        let error = config(&text).expect_err(&text).to_string();
        assert!(error.contains(wanted), "{text}\n{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn what_is_left_out_is_what_most_would_choose() {
    let sinks = config("[sink.mqtt]\nurl = \"mqtt://localhost\"\nstart = \"7d\"\n").unwrap().sinks;
    let mqtt = sinks.mqtt.unwrap();
    assert_eq!((mqtt.topic.as_str(), mqtt.discovery.as_deref()), ("nowbridge", Some("homeassistant")));
    assert_eq!(mqtt.sink.start, SinkStart::Back(std::time::Duration::from_hours(7 * 24)));
    let influx =
        "[sink.influxdb]\nurl = \"https://db.example.org/influx/\"\norg = \"my home\"\nbucket = \"b&c\"\n";
    let influx = config(influx).unwrap().sinks.influxdb.unwrap();
    assert_eq!(
        influx.write.as_str(),
        "https://db.example.org/influx/api/v2/write?org=my+home&bucket=b%26c&precision=s"
    );
}
