//! The way in: one trunk that takes every call, and one rule that gives each call a room of its
//! own and asks for one of our agents.
//!
//! LiveKit lets calls that match no trunk ring for ever. So the trunk takes all numbers, and a
//! node says no where a number is not ours.

use crate::api::{Api, DEPARTED_ROOM_S, EMPTY_ROOM_S};
use livekit_api::services::ServiceError;
use livekit_api::services::sip::{
    CreateSIPDispatchRuleOptions, CreateSIPInboundTrunkOptions, ListSIPDispatchRuleFilter,
    ListSIPInboundTrunkFilter,
};
use livekit_protocol::sip_dispatch_rule::Rule;
use livekit_protocol::{
    RoomAgentDispatch, RoomConfiguration, SipDispatchRuleCallee, SipHeaderOptions, SipInboundTrunkInfo,
};
use std::time::Duration;

/// A call that no node takes rings this long. Nodes answer or refuse long before.
const RING_WITHIN: Duration = Duration::from_secs(30);

/// Makes what is not there and brings the trunk's addresses up to date. Run by every node; what
/// another one makes meanwhile is taken as ours.
pub(crate) async fn open(api: &Api, allow: &[String]) -> Result<(), ServiceError> {
    let trunk = match find_trunk(api).await? {
        Some(trunk) => update_trunk(api, trunk, allow).await?,
        // LiveKit refuses a second trunk for the same calls: then somebody was faster.
        None => match create_trunk(api, allow).await {
            Ok(id) => id,
            Err(error) => find_trunk(api).await?.ok_or(error)?.sip_trunk_id,
        },
    };
    if !has_rule(api, &trunk).await? {
        match create_rule(api, &trunk).await {
            Err(_) if has_rule(api, &trunk).await? => {}
            made => made?,
        }
    }
    Ok(())
}

async fn find_trunk(api: &Api) -> Result<Option<SipInboundTrunkInfo>, ServiceError> {
    let trunks = api.livekit.sip().list_sip_inbound_trunk(ListSIPInboundTrunkFilter::All).await?;
    Ok(trunks.into_iter().find(|trunk| trunk.name == api.names.agent()))
}

async fn create_trunk(api: &Api, allow: &[String]) -> Result<String, ServiceError> {
    let options = CreateSIPInboundTrunkOptions {
        allowed_addresses: Some(allow.to_vec()),
        ringing_timeout: Some(RING_WITHIN),
        ..CreateSIPInboundTrunkOptions::default()
    };
    let name = api.names.agent().to_owned();
    let made = api.livekit.sip().create_sip_inbound_trunk(name, Vec::new(), options).await?;
    tracing::info!(trunk = made.sip_trunk_id, "made the inbound trunk");
    // The client cannot ask for headers when it makes a trunk.
    update_trunk(api, made, allow).await
}

async fn update_trunk(
    api: &Api,
    trunk: SipInboundTrunkInfo,
    allow: &[String],
) -> Result<String, ServiceError> {
    let (id, headers) = (trunk.sip_trunk_id.clone(), i32::from(SipHeaderOptions::SipXHeaders));
    if trunk.allowed_addresses != allow || trunk.include_headers != headers {
        let wanted =
            SipInboundTrunkInfo { allowed_addresses: allow.to_vec(), include_headers: headers, ..trunk };
        api.livekit.sip().update_sip_inbound_trunk_replace(id.clone(), wanted).await?;
        tracing::info!(trunk = id, "updated the inbound trunk");
    }
    Ok(id)
}

async fn has_rule(api: &Api, trunk: &str) -> Result<bool, ServiceError> {
    let rules = api.livekit.sip().list_sip_dispatch_rule(ListSIPDispatchRuleFilter::All).await?;
    Ok(rules.iter().any(|rule| rule.name == api.names.agent() && rule.trunk_ids.iter().any(|id| id == trunk)))
}

async fn create_rule(api: &Api, trunk: &str) -> Result<(), ServiceError> {
    let name = api.names.agent().to_owned();
    let agent = RoomAgentDispatch { agent_name: name.clone(), ..RoomAgentDispatch::default() };
    let room_config = RoomConfiguration {
        empty_timeout: EMPTY_ROOM_S,
        departure_timeout: DEPARTED_ROOM_S,
        agents: vec![agent],
        ..RoomConfiguration::default()
    };
    let options = CreateSIPDispatchRuleOptions {
        name,
        trunk_ids: vec![trunk.to_owned()],
        room_config: Some(room_config),
        ..CreateSIPDispatchRuleOptions::default()
    };
    // Named by our number, not by the caller's, which is somebody's personal datum.
    let rule = SipDispatchRuleCallee {
        room_prefix: api.names.inbound_prefix(),
        randomize: true,
        ..SipDispatchRuleCallee::default()
    };
    let made = api.livekit.sip().create_sip_dispatch_rule(Rule::DispatchRuleCallee(rule), options).await?;
    tracing::info!(rule = made.sip_dispatch_rule_id, "made the dispatch rule");
    Ok(())
}
