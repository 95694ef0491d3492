//! LiveKit's API, as far as we use it, with our names and keys.

use crate::config::LiveKitConfig;
use crate::names::Names;
use livekit_api::access_token::{AccessToken, AccessTokenError, VideoGrants};
use livekit_api::services::room::UpdateParticipantOptions;
use livekit_api::services::{LiveKitApi, ServiceError};
use livekit_protocol::{ParticipantInfo, RoomConfiguration};
use std::fmt;
use std::time::Duration;

/// An agent joins right away and is sent fresh tokens while it stays, so this is for joining.
const JOIN_WITHIN: Duration = Duration::from_secs(600);
/// A worker's token is checked when its socket opens.
const REGISTER_WITHIN: Duration = Duration::from_secs(60);
/// A room that its agent never reached is gone after this many seconds.
pub(crate) const EMPTY_ROOM_S: u32 = 30;
/// A room that everybody has left is gone after this many seconds: an agent may come back.
pub(crate) const DEPARTED_ROOM_S: u32 = 20;

/// The API with keys and names.
pub(crate) struct Api {
    pub(crate) livekit: LiveKitApi,
    pub(crate) names: Names,
    pub(crate) url: String,
    key: String,
    secret: String,
}

/// Tells neither key nor secret.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("names", &self.names).field("url", &self.url).finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(config: &LiveKitConfig) -> Self {
        let livekit = LiveKitApi::with_api_key(&config.url, &config.api_key, &config.api_secret);
        Self {
            // Calls belong to a region and must not wander to another one by themselves.
            livekit: livekit.with_failover(false),
            names: Names::new(config.region),
            url: config.url.clone(),
            key: config.api_key.clone(),
            secret: config.api_secret.clone(),
        }
    }

    /// Somebody in a room, as the server that has them knows them: an update of nothing, which only
    /// that server answers. LiveKit's lists, which all servers share, may tell of people who are no
    /// longer there, and of what they were a moment ago for as long as they stay.
    pub(crate) async fn person(&self, room: &str, identity: &str) -> Result<ParticipantInfo, ServiceError> {
        self.livekit.room().update_participant(room, identity, UpdateParticipantOptions::default()).await
    }

    /// Lets an agent into one room, to hear, to speak and to send keys.
    pub(crate) fn agent_token(&self, room: &str, identity: &str) -> Result<String, AccessTokenError> {
        let grants = VideoGrants {
            room_join: true,
            room: room.to_owned(),
            can_publish: Some(true),
            can_publish_sources: vec!["microphone".to_owned()],
            can_publish_data: Some(true),
            can_subscribe: Some(true),
            can_update_own_metadata: Some(false),
            ..VideoGrants::default()
        };
        let room_config = RoomConfiguration {
            empty_timeout: EMPTY_ROOM_S,
            departure_timeout: DEPARTED_ROOM_S,
            ..RoomConfiguration::default()
        };
        AccessToken::with_api_key(&self.key, &self.secret)
            .with_ttl(JOIN_WITHIN)
            .with_identity(identity)
            .with_kind("agent")
            .with_grants(grants)
            .with_room_config(room_config)
            .to_jwt()
    }

    /// Lets a worker register, and nothing else.
    pub(crate) fn worker_token(&self) -> Result<String, AccessTokenError> {
        AccessToken::with_api_key(&self.key, &self.secret)
            .with_ttl(REGISTER_WITHIN)
            .with_grants(VideoGrants { agent: true, ..VideoGrants::default() })
            .to_jwt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::config;

    #[test]
    fn an_api_that_is_printed_tells_no_secret() {
        let config = config("ws://livekit.example");
        let printed = format!("{:?}", Api::new(&config));
        assert!(printed.contains("livekit.example"), "{printed}");
        assert!(!printed.contains(&config.api_secret), "{printed}");
    }
}
