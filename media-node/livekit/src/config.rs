//! What a LiveKit telephony is told.

use crate::numbers::Numbers;
use std::sync::Arc;
use talkif_model::Region;

/// Settings of [`crate::LiveKitTelephony`].
#[derive(Clone)]
pub struct LiveKitConfig {
    /// `ws://…` or `wss://…` of `livekit-server`.
    pub url: String,
    /// Names the secret.
    pub api_key: String,
    /// Signs requests and tokens.
    pub api_secret: String,
    /// Part of every name we use in LiveKit, so that regions may share a project.
    pub region: Region,
    /// Calls that this node holds at once.
    pub slots: usize,
    /// Addresses and networks from which calls may come in.
    pub allow: Vec<String>,
    /// The numbers that there are: trunks of others are deleted. `None` deletes none.
    pub numbers: Option<Arc<dyn Numbers>>,
}

impl std::fmt::Debug for LiveKitConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveKitConfig({} {})", self.url, self.region)
    }
}
