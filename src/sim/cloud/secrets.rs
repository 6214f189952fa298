//! Passwords and tokens: what is shown to a client is never what is stored.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, try_generate_salt};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::PrivateCloudError;

/// A SHA-256.
pub(super) type Sha = [u8; 32];

/// Hashes a password with argon2id in its default strength. Slow on purpose; call it off the runtime's threads.
pub(super) fn hash_password(password: &SecretString) -> Result<String, PrivateCloudError> {
    let hash = Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .map_err(PrivateCloudError::Password)?;
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed. Without a hash (no such user) it takes as long to say no, so that the
/// time tells nobody which addresses are known.
pub(super) fn password_matches(password: &SecretString, stored: Option<&str>) -> bool {
    let Some(hash) = stored.and_then(|text| PasswordHash::new(text).ok()) else {
        let _ = hash_password(password);
        return false;
    };
    Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
}

/// 256 random bits.
pub(super) fn random() -> Result<Sha, PrivateCloudError> {
    let mut bytes = Sha::default();
    for half in bytes.chunks_exact_mut(16) {
        // 16 bytes from the operating system are what a salt is made of.
        half.copy_from_slice(&try_generate_salt().map_err(|_| PrivateCloudError::Random)?);
    }
    Ok(bytes)
}

/// A bearer token. Opaque to the client, 256 bits in hex; the database knows only its hash.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    pub fn fresh() -> Result<Self, PrivateCloudError> {
        Ok(Self(hex::encode(random()?)))
    }

    /// A token as a client presents it.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The token that follows on this one in `role`. Whoever has both this token and the salt that the database keeps can
    /// work it out again: so a lost answer can be repeated although no token is stored.
    pub fn successor(&self, role: &str, salt: &Sha) -> Self {
        Self(hex::encode(digest(&[role.as_bytes(), salt, self.0.as_bytes()])))
    }

    pub fn hash(&self) -> Sha {
        digest(&[self.0.as_bytes()])
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of the parts, each marked off by its length.
pub(super) fn digest(parts: &[&[u8]]) -> Sha {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let password = SecretString::from("Correct-horse-1");
        let hash = hash_password(&password).unwrap();
        assert!(password_matches(&password, Some(&hash)));
        assert!(!password_matches(&"Correct-horse-2".into(), Some(&hash)));
        assert!(!password_matches(&password, None));
        assert!(!hash.contains("horse"));
    }

    #[test]
    fn successors_are_repeatable_and_differ_by_role_and_salt() {
        let (token, salt) = (Token::fresh().unwrap(), random().unwrap());
        let next = |role, salt| token.successor(role, salt).0;
        assert_eq!(next("access", &salt), next("access", &salt));
        assert_ne!(next("access", &salt), next("refresh", &salt));
        assert_ne!(next("access", &salt), next("access", &random().unwrap()));
    }
}
