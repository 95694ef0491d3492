//! LiveKit between the node and the telephones: a private pair of servers, or the one that the
//! environment names.

use anyhow::{Result, bail};
use std::path::Path;
use talkif_embedded::LiveKit;

const VARIABLES: [&str; 3] = ["LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"];

/// Where LiveKit is, and what opens it.
#[derive(Debug, Clone)]
pub(crate) struct LiveKitAddress {
    /// `ws://…` or `wss://…`.
    pub(crate) url: String,
    /// The key of the secret.
    pub(crate) api_key: String,
    /// Signs tokens.
    pub(crate) api_secret: String,
    /// `host:port` on which it takes calls.
    pub(crate) sip: String,
}

/// LiveKit, ours or somebody else's.
pub(super) struct Line {
    pub(super) address: LiveKitAddress,
    servers: Option<LiveKit>,
}

impl Line {
    /// What the environment names, or a private pair with its files in `folder`.
    /// `webhook` is the node's; servers of somebody else are told by whoever runs them.
    pub(super) async fn start(folder: &Path, webhook: &str) -> Result<Self> {
        if let Some(address) = named()? {
            return Ok(Self { address, servers: None });
        }
        if !LiveKit::is_built() {
            eprintln!("building livekit-server and livekit-sip from source, once: this takes minutes");
        }
        let servers = LiveKit::start(folder, Some(webhook)).await?;
        let address = LiveKitAddress {
            url: servers.url(),
            api_key: servers.api_key().to_owned(),
            api_secret: servers.api_secret().to_owned(),
            sip: servers.sip().to_string(),
        };
        Ok(Self { address, servers: Some(servers) })
    }

    /// The servers, where they are ours.
    pub(super) const fn servers(&mut self) -> Option<&mut LiveKit> {
        self.servers.as_mut()
    }

    pub(super) fn check(&mut self) -> Result<()> {
        Ok(self.servers.as_mut().map_or(Ok(()), LiveKit::check)?)
    }

    pub(super) fn stop(self) {
        if let Some(servers) = self.servers {
            servers.stop();
        }
    }
}

/// All three variables, or none.
fn named() -> Result<Option<LiveKitAddress>> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match VARIABLES.map(value) {
        [Some(url), Some(api_key), Some(api_secret)] => {
            let sip = sip_of(&url);
            Ok(Some(LiveKitAddress { url, api_key, api_secret, sip }))
        }
        [None, None, None] => Ok(None),
        _ => bail!("set all of {}, or none to start LiveKit here", VARIABLES.join(", ")),
    }
}

/// The usual port on the same host: LiveKit's API does not tell.
fn sip_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    format!("{host}:5060")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sip_is_expected_at_the_usual_port_of_the_same_host() {
        assert_eq!(sip_of("wss://livekit.example/"), "livekit.example:5060");
        assert_eq!(sip_of("ws://10.0.0.7:7880"), "10.0.0.7:5060");
    }
}
