use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nowbridge::config::{Config, ConfigError, Env, SecretError, SecretSource};
use secrecy::ExposeSecret;

use super::User;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod of an own file");
}

/// The password of a config that says `password_file = "{place}"`.
fn password(user: &User, place: &str, env: &Env) -> Result<String, ConfigError> {
    let text = format!("[cloud]\nemail = \"you@example.org\"\npassword_file = \"{place}\"\n");
    let path = user.writes("my.toml", &text);
    let config = Config::load(Some(&path), env)?;
    let source = config.cloud.password.expect("the file names a password");
    source.read().map(|secret| secret.expose_secret().to_owned())
}

#[track_caller]
fn refused(secret: Result<String, ConfigError>) -> SecretError {
    match secret {
        Err(ConfigError::Secret { key: "cloud.password_file", source }) => source,
        other => panic!("the secret was to be refused, not {other:?}"),
    }
}

#[test]
fn a_private_file_beside_the_config_is_read_without_its_newline() {
    let user = User::new();
    set_mode(&user.writes("pw", " correct horse \r\n"), 0o640);
    assert_eq!(password(&user, "pw", &user.env()).unwrap(), " correct horse ");
}

#[test]
fn a_file_that_everybody_can_read_or_write_is_refused_with_the_command_that_mends_it() {
    let user = User::new();
    let path = user.writes("pw", "correct horse");
    for mode in [0o644, 0o602] {
        set_mode(&path, mode);
        let error = refused(password(&user, "pw", &user.env()));
        assert!(matches!(error, SecretError::Exposed { mode: seen, .. } if seen == mode), "{error}");
        let message = error.to_string();
        assert!(message.contains(&format!("chmod 600 '{}'", path.display())), "{message}");
        assert!(!message.contains("horse"), "{message}");
    }
    set_mode(&path, 0o600);
    assert!(password(&user, "pw", &user.env()).is_ok(), "the command mended it");
}

#[test]
fn what_cannot_be_a_secret_is_refused() {
    let user = User::new();
    std::fs::create_dir(user.path("directory")).unwrap();
    for (name, content) in [("empty", "\n".to_owned()), ("large", "x".repeat(70_000))] {
        set_mode(&user.writes(name, &content), 0o600);
    }
    for name in ["directory", "empty", "large"] {
        let error = refused(password(&user, name, &user.env()));
        assert!(matches!(error, SecretError::Unfit { .. }), "{name}: {error}");
    }
    let error = refused(password(&user, "missing", &user.env()));
    assert!(matches!(error, SecretError::Unreadable { .. }), "{error}");
}

#[test]
fn a_credential_is_looked_up_where_systemd_put_it() {
    let user = User::new();
    set_mode(&user.writes("credentials/nowbridge-password", "correct horse\n"), 0o400);
    let env = user.env().with("CREDENTIALS_DIRECTORY", user.path("credentials"));
    assert_eq!(password(&user, "credential:nowbridge-password", &env).unwrap(), "correct horse");

    let unknown = refused(password(&user, "credential:other", &env)).to_string();
    assert!(unknown.contains("LoadCredential=other:"), "{unknown}");
    let outside = refused(password(&user, "credential:nowbridge-password", &user.env())).to_string();
    assert!(outside.contains("LoadCredential=nowbridge-password:"), "{outside}");
}

#[test]
fn a_credential_cannot_lead_out_of_its_directory() {
    let user = User::new();
    for name in ["../pw", ".hidden", ""] {
        let error = password(&user, &format!("credential:{name}"), &user.env()).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { key, .. } if key == "cloud.password_file"), "{error}");
    }
}

#[test]
fn a_config_can_be_read_by_those_who_may_not_read_the_secret() {
    let user = User::new();
    let path = user.writes("my.toml", "[cloud]\nx_auth_token_file = \"missing\"\n");
    let config = Config::load(Some(&path), &user.env()).unwrap();
    assert_eq!(
        config.cloud.x_auth_token,
        Some(SecretSource::file("cloud.x_auth_token_file", user.path("missing")))
    );
}
