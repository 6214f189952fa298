//! What a new user must bring. The rules are those of the API's registration page.

use secrecy::{ExposeSecret, SecretString};

use super::body::Fields;
use super::refusal::Refusal;

/// A user who has been checked but not stored.
pub(super) struct Registration {
    pub email: String,
    pub password: SecretString,
    pub first_name: String,
    pub last_name: String,
    pub toc_accepted_ms: i64,
    pub privacy_accepted_ms: i64,
}

impl Registration {
    /// Takes a registration from the fields of a request.
    pub fn from_fields(mut fields: Fields) -> Result<Self, Refusal> {
        let new = Self {
            email: fields.text("email"),
            password: fields.text("password").into(),
            first_name: fields.text("first_name"),
            last_name: fields.text("last_name"),
            toc_accepted_ms: fields.instant("toc_accepted_at"),
            privacy_accepted_ms: fields.instant("privacy_policy_accepted_at"),
        };
        fields.checked_with(new.faults())?;
        Ok(new)
    }

    /// A message per broken rule, each starting with the field's name.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_email(&self.email) {
            faults.push("email must be an e-mail address".to_owned());
        }
        faults.extend(password_faults(self.password.expose_secret()));
        for (field, name) in [("first_name", &self.first_name), ("last_name", &self.last_name)] {
            if !(1..=150).contains(&name.chars().count()) {
                faults.push(format!("{field} must have 1 to 150 characters"));
            }
        }
        faults
    }
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    let shaped =
        parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    shaped && text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn password_faults(password: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !(8..=99).contains(&password.chars().count()) {
        faults.push("password must have 8 to 99 characters".to_owned());
    }
    for (what, there) in [
        ("a lower-case letter", password.contains(char::is_lowercase)),
        ("an upper-case letter", password.contains(char::is_uppercase)),
        ("a digit", password.contains(|c: char| c.is_ascii_digit())),
        ("a special character", password.contains(|c: char| !c.is_alphanumeric())),
    ] {
        if !there {
            faults.push(format!("password must contain {what}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_of_a_password_is_named() {
        assert!(password_faults("Aa1!aaaa").is_empty());
        assert!(password_faults(&"Aa1!".repeat(25)).concat().contains("8 to 99"));
        for (password, missing) in [
            ("AA1!AAAA", "lower-case"),
            ("aa1!aaaa", "upper-case"),
            ("Aaa!aaaa", "digit"),
            ("Aa1aaaaa", "special"),
            ("Aa1!aaa", "8 to 99"),
        ] {
            let faults = password_faults(password);
            assert!(faults.len() == 1 && faults[0].contains(missing), "{password}: {faults:?}");
        }
    }

    #[test]
    fn an_address_has_two_halves() {
        assert!(is_email("someone@example.org"));
        for not in ["someone", "@example.org", "someone@", "a@b@c", "some one@example.org", ""] {
            assert!(!is_email(not), "{not}");
        }
    }
}
