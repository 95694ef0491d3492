//! Recordings: stereo, the caller on the left and the agent on the right, encrypted block by
//! block while the call runs, so that neither memory nor a whole plain file ever holds a call.
//!
//! [`format`] documents the file. [`decrypt_to_wav`] reads it back, [`Reader`] a part of it. [`writer`] is the task that a
//! session feeds, 20 ms at a time, without ever waiting for the disk.

pub mod format;
mod reader;
pub(crate) mod writer;

pub use format::{DecryptError, decrypt_to_wav};
pub use reader::Reader;

use std::fmt;
use std::path::PathBuf;
use talkif_model::{AccountId, CallId, Region};

/// The key of a region's recordings: 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordingKey(pub [u8; 32]);

impl fmt::Debug for RecordingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingKey")
    }
}

/// Where recordings go and what seals them.
#[derive(Debug, Clone)]
pub struct RecordingConfig {
    /// Root of the region's object store.
    pub dir: PathBuf,
    /// First part of every path inside it.
    pub region: Region,
    /// Seals them.
    pub key: RecordingKey,
}

impl RecordingConfig {
    /// A recording's path inside the store: `{region}/{account}/{call}.rec`.
    #[must_use]
    pub fn path(&self, account: AccountId, call: CallId) -> String {
        format!("{}/{account}/{call}.rec", self.region)
    }
}
