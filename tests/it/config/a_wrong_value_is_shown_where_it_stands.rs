use super::{complaint, config};

#[track_caller]
fn refused(text: &str, place_and_key: &str, way_out: &str) {
    let complaint = complaint(text);
    assert!(complaint.starts_with(place_and_key), "{complaint}");
    assert!(complaint.contains(way_out), "{complaint}");
}

#[test]
fn a_value_of_the_wrong_type() {
    refused("[cloud]\nupload = \"yes\"\n", "my.toml:2:10: cloud.upload: ", "expected a boolean");
    refused("[log]\nformat = \"xml\"\n", "my.toml:2:10: log.format: ", "`text` or `json`");
    refused("cloud = 7\n", "my.toml:1:9: cloud: ", "expected");
}

#[test]
fn a_duration_that_is_none() {
    let watch = "[[watch]]\naddress = \"A\"\n[[watch]]\naddress = \"B\"\n";
    refused(&format!("{watch}sync_every = \"soon\"\n"), "my.toml:5:14: watch.sync_every: ", "\"15m\"");
    refused(&format!("{watch}sync_every = 900\n"), "my.toml:5:14: watch.sync_every: ", "\"15m\"");
    refused(
        "upload = { consent_check_every = \"0s\" }\n",
        "my.toml:1:34: upload.consent_check_every: ",
        "1 second",
    );
}

#[test]
fn a_number_out_of_range() {
    refused("[upload]\nmax_rows = 0\n", "my.toml:2:12: upload.max_rows: ", "1 to 500000");
    refused("[upload]\nmax_rows = -1\n", "my.toml:2:12: upload.max_rows: ", "1 to 500000");
}

#[test]
fn an_address_that_is_none() {
    for url in ["api.example.org", "ftp://example.org", "https://", ""] {
        refused(&format!("[cloud]\nbase_url = \"{url}\"\n"), "my.toml:2:12: cloud.base_url: ", "https://");
    }
    refused("[cloud]\nbase_url = \"https://example.org/?a=b\"\n", "my.toml:2:12: cloud.base_url: ", "query");
}

#[test]
fn a_password_in_an_address_is_refused_without_being_repeated() {
    let text = "[cloud]\nbase_url = \"https://you:hunter2@example.org\"\n";
    refused(text, "my.toml:2:12: cloud.base_url: ", "password_file");
    assert!(!complaint(text).contains("hunter2"));
}

#[test]
fn a_log_filter_that_is_none() {
    refused("[log]\nfilter = \"nowbridge=loud\"\n", "my.toml:2:10: log.filter: ", "debug");
}

#[test]
fn what_only_the_whole_file_shows() {
    refused("[radio]\nkind = \"bluetooth\"\n", "my.toml:2:8: radio.kind: ", "did you mean \"bluez\"");
    refused("[radio]\nkind = \"wifi\"\n", "my.toml:2:8: radio.kind: ", "\"bluez\" or \"simulated\"");
    refused(
        "[radio]\nadapter = \"00:1A:7D:DA:71:13\"\n",
        "my.toml:2:11: radio.adapter: ",
        "kind = \"bluez\"",
    );
    let bluez = "[radio]\nkind = \"bluez\"\n";
    refused(&format!("{bluez}air = \"a\"\n"), "my.toml:3:7: radio.air: ", "kind = \"simulated\"");
    refused(
        &format!("{bluez}adapter = \"hci0\"\n"),
        "my.toml:3:11: radio.adapter: \"hci0\"",
        "`bluetoothctl list`",
    );
    refused(
        &format!("{bluez}[[watch]]\naddress = \"left wrist\"\n"),
        "my.toml:4:11: watch.address: ",
        "E7:12:0A:00:00:01",
    );
    refused("[radio]\nkind = \"simulated\"\n", "my.toml:2:8: radio.kind: ", "set air");
    refused("[radio]\nair = \"a\"\n", "my.toml:2:7: radio.air: ", "kind = \"simulated\"");
    refused("[cloud]\npassword_file = \"pw\"\n", "my.toml:2:17: cloud.password_file: ", "set email");
}

#[test]
fn watches_that_cannot_be_told_apart() {
    let watch = "[[watch]]\naddress = \"e7:12:0a:00:00:01\"\nname = \"left\"\n";
    refused(
        &format!("{watch}[[watch]]\naddress = \"E7:12:0A:00:00:01\"\n"),
        "my.toml:5:11: watch.address: ",
        "another [[watch]]",
    );
    refused(
        &format!("{watch}[[watch]]\naddress = \"B\"\nname = \"left\"\n"),
        "my.toml:6:8: watch.name: ",
        "another [[watch]]",
    );
    assert_eq!(config(watch).unwrap().watches[0].address.0, "E7:12:0A:00:00:01");
}

#[test]
fn a_watch_without_an_address() {
    refused("[[watch]]\nname = \"left\"\n", "my.toml:1:1: watch: ", "`address`");
}

#[test]
fn a_single_watch_in_single_brackets() {
    refused("[watch]\naddress = \"A\"\n", "my.toml:1:1: watch: ", "[[watch]]");
}

#[test]
fn text_that_is_not_toml() {
    refused("[cloud]\nupload = true\nupload = false\n", "my.toml:3:1: ", "duplicate key");
    refused("[cloud\n", "my.toml:1:", "not TOML");
}

#[test]
fn a_socket_path_that_no_system_can_hold() {
    let long = "x".repeat(120);
    refused(&format!("[control]\nsocket = \"/{long}\"\n"), "the socket path", "[control] socket");
    refused(&format!("[radio]\nkind = \"simulated\"\nair = \"/{long}\"\n"), "the socket path", "[radio] air");
}

#[test]
fn a_key_for_firmware_that_is_none() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let table = "[firmware]\nsigning_keys";
    let place = "my.toml:2:17: firmware.signing_keys: ";
    refused(&format!("{table} = [\"RWQf\"]\n"), place, "begins with RW");
    refused(
        &format!("{table} = [\"untrusted comment: minisign encrypted secret key\"]\n"),
        place,
        "tell nobody",
    );
    let third = format!("my.toml:2:{}: firmware.signing_keys: ", 17 + 2 * (key.len() + 4));
    refused(&format!("{table} = [\"{key}\", \"{key}\", \"{key}\"]\n"), &third, "there may be two");
    refused("[firmware]\nimage_keys = [\"x\"]\n", "my.toml:2:15: firmware.image_keys: ", "imgtool getpub");
    refused("[firmware]\nrequire = \"all\"\n", "my.toml:2:11: firmware.require: ", "`strictest`");
}
