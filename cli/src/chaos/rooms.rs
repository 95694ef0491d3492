//! What is left in LiveKit: by its own word, not the product's.

use crate::stack::LiveKitAddress;
use anyhow::{Context as _, Result};
use livekit_api::services::LiveKitApi;

/// The rooms, each with those who are in it.
pub(super) async fn all(address: &LiveKitAddress) -> Result<Vec<String>> {
    let api = LiveKitApi::with_api_key(&address.url, &address.api_key, &address.api_secret);
    let mut rooms = Vec::new();
    for room in api.room().list_rooms(Vec::new()).await.context("asking LiveKit for its rooms")? {
        rooms.push(format!("{} ({} participants)", room.name, room.num_participants));
    }
    Ok(rooms)
}
