use super::complaint;

#[test]
fn a_misspelled_key_is_pointed_at_and_corrected() {
    assert_eq!(
        complaint("[cloud]\nupload = true\n  pasword_file = \"pw\"\n"),
        "my.toml:3:3: unknown key \"pasword_file\" in [cloud]; did you mean \"password_file\"?"
    );
}

#[test]
fn a_misspelled_table_is_corrected() {
    assert_eq!(
        complaint("[could]\nupload = true\n"),
        "my.toml:1:2: unknown key \"could\" in the top level; did you mean \"cloud\"?"
    );
}

#[test]
fn a_key_in_the_wrong_table_is_sent_to_the_right_one() {
    assert_eq!(
        complaint("max_rows = 5\n"),
        "my.toml:1:1: unknown key \"max_rows\" in the top level; it belongs in [upload]"
    );
}

#[test]
fn a_key_like_no_other_is_answered_with_what_there_is() {
    assert_eq!(
        complaint("[[watch]]\naddress = \"A\"\n\n[[watch]]\naddress = \"B\"\nzzz = 1\n"),
        "my.toml:6:1: unknown key \"zzz\" in [[watch]]; known here: address, name, mode, sync_every, quiet"
    );
}

#[test]
fn a_password_in_the_file_is_refused_without_being_repeated() {
    let complaint = complaint("[cloud]\npassword = \"hunter2\"\n");
    assert!(complaint.contains("did you mean \"password_file\"?"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}
