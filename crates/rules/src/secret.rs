//! Secrets at rest: SIP passwords and webhook secrets, sealed as Fernet tokens.
//!
//! The environment names one key or several, separated by commas: the first seals, every one
//! opens. So a key is rotated by putting a new one in front and re-sealing at leisure.
//!
//! A token carries its time of sealing and a random initialisation vector. The crate behind it
//! takes both from the system; nothing else in this library does.

use fernet::{Fernet, MultiFernet};

/// The keys that seal and open. `Debug` does not show them.
pub struct SealingKey(MultiFernet);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey")
    }
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A key is not 32 bytes in URL-safe base64.
    #[error("a sealing key is 32 bytes in URL-safe base64")]
    BadKey,
    /// The token was not sealed under any of the keys, or was changed.
    #[error("the sealed secret cannot be opened with the configured keys")]
    CannotOpen,
}

impl SealingKey {
    /// Reads one key or several, separated by commas.
    ///
    /// # Errors
    /// [`SecretError::BadKey`].
    pub fn parse(keys: &str) -> Result<Self, SecretError> {
        let parse = |key: &str| Fernet::new(key.trim()).ok_or(SecretError::BadKey);
        keys.split(',').map(parse).collect::<Result<Vec<_>, _>>().map(|keys| Self(MultiFernet::new(keys)))
    }
}

/// Seals `plaintext` under the first key.
#[must_use]
pub fn seal(key: &SealingKey, plaintext: &str) -> String {
    key.0.encrypt(plaintext.as_bytes())
}

/// Opens a sealed text under any of the keys.
///
/// # Errors
/// [`SecretError::CannotOpen`].
pub fn open(key: &SealingKey, token: &str) -> Result<String, SecretError> {
    let bytes = key.0.decrypt(token).map_err(|_| SecretError::CannotOpen)?;
    String::from_utf8(bytes).map_err(|_| SecretError::CannotOpen)
}

/// A new key from 32 random bytes.
#[must_use]
pub fn new_key(random: [u8; 32]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::parse(&new_key([byte; 32])).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_again() {
        let token = seal(&key(1), "hunter2 şifre");
        assert!(!token.contains("hunter2"));
        assert_eq!(open(&key(1), &token).unwrap(), "hunter2 şifre");
    }

    #[test]
    fn a_foreign_key_or_a_changed_token_opens_nothing() {
        let token = seal(&key(1), "hunter2");
        assert_eq!(open(&key(2), &token), Err(SecretError::CannotOpen));
        assert_eq!(open(&key(1), &token.replace('g', "h")), Err(SecretError::CannotOpen));
        assert_eq!(open(&key(1), ""), Err(SecretError::CannotOpen));
    }

    #[test]
    fn the_specification_s_own_token_opens() {
        // The example of the Fernet specification: key, token, and `hello`.
        let key = SealingKey::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
        let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        assert_eq!(open(&key, token).unwrap(), "hello");
    }

    #[test]
    fn after_rotation_old_tokens_still_open() {
        let token = seal(&key(1), "hunter2");
        let both = format!("{}, {}", new_key([2; 32]), new_key([1; 32]));
        let rotated = SealingKey::parse(&both).unwrap();
        assert_eq!(open(&rotated, &token).unwrap(), "hunter2");
        assert_eq!(open(&key(2), &seal(&rotated, "new")).unwrap(), "new");
    }

    #[test]
    fn a_malformed_key_is_an_error() {
        for bad in ["", "short", "a,b"] {
            assert_eq!(SealingKey::parse(bad).err(), Some(SecretError::BadKey), "{bad}");
        }
    }
}
