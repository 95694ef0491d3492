//! The keys of a local installation, made once.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// Keys that must stay the same as long as the data does: losing them loses what they sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// SIP passwords and webhook secrets at rest.
    pub(crate) fernet_key: String,
    /// Recordings at rest: base64 of 32 bytes.
    pub(crate) recording_key: String,
    /// Signed artifact addresses: hex of 32 bytes.
    pub(crate) artifacts_key: String,
}

impl Secrets {
    /// The environment's keys where it names them, else those of `path`, made at first use and
    /// readable by the owner alone.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self> {
        let mut secrets = match std::fs::read_to_string(path) {
            Ok(text) => {
                serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(path)?,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        for (name, slot) in [
            ("FERNET_KEY", &mut secrets.fernet_key),
            ("RECORDING_KEY", &mut secrets.recording_key),
            ("ARTIFACTS_KEY", &mut secrets.artifacts_key),
        ] {
            if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
                *slot = value;
            }
        }
        Ok(secrets)
    }

    fn create(path: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let random = || {
            let mut bytes = [0_u8; 32];
            rand::rng().fill_bytes(&mut bytes);
            bytes
        };
        let secrets = Self {
            fernet_key: talkif_rules::secret::new_key(random()),
            recording_key: base64::engine::general_purpose::STANDARD.encode(random()),
            artifacts_key: hex::encode(random()),
        };
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&serde_json::to_vec_pretty(&secrets)?)?;
        Ok(secrets)
    }
}
