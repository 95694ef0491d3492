//! Outbound trunks: one for each of our numbers, made and kept up to date when the number dials.
//!
//! A trunk is known by its name. Its metadata holds a digest of what it was made from, so that
//! changed credentials are noticed without reading a password back.

use crate::api::Api;
use livekit_api::services::ServiceError;
use livekit_api::services::sip::{CreateSIPOutboundTrunkOptions, ListSIPOutboundTrunkFilter};
use livekit_protocol::{ListUpdate, SipOutboundTrunkInfo, SipOutboundTrunkUpdate, SipTransport};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use talkif_model::E164;
use talkif_telephony::{Transport, Trunk};

/// The trunks of this region.
#[derive(Debug)]
pub(crate) struct Trunks {
    api: Arc<Api>,
    /// A lock for each number, so that two of its calls do not both make its trunk.
    known: Mutex<HashMap<E164, Arc<tokio::sync::Mutex<Option<Known>>>>>,
}

/// A trunk that was there when we last looked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    id: String,
    digest: String,
}

impl Trunks {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self { api, known: Mutex::default() }
    }

    /// The id of the trunk by which `number` dials through `carrier`.
    pub(crate) async fn ensure(&self, number: &E164, carrier: &Trunk) -> Result<String, ServiceError> {
        let digest = digest(number, carrier);
        let entry = self.entry(number);
        let mut known = entry.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.digest == digest) {
            return Ok(known.id.clone());
        }
        let found = self.find(number).await?;
        let id = match found {
            Some(trunk) if trunk.metadata == digest => trunk.sip_trunk_id,
            Some(trunk) => self.update(trunk.sip_trunk_id, number, carrier, &digest).await?,
            None => self.create(number, carrier, &digest).await?,
        };
        *known = Some(Known { id: id.clone(), digest });
        Ok(id)
    }

    /// Looks again before `number` dials next: its trunk is not what we thought.
    pub(crate) fn forget(&self, number: &E164) {
        self.with(|known| known.remove(number));
    }

    /// Deletes the trunks of numbers that are ours no more.
    pub(crate) async fn retain(&self, numbers: &HashSet<E164>) -> Result<(), ServiceError> {
        for trunk in self.list().await? {
            let number = self.api.names.number_of_trunk(&trunk.name);
            let Some(number) = number.filter(|number| !numbers.contains(number)) else { continue };
            self.api.livekit.sip().delete_sip_trunk(&trunk.sip_trunk_id).await?;
            self.forget(&number);
            tracing::info!(trunk = trunk.sip_trunk_id, "deleted the trunk of a number that is gone");
        }
        Ok(())
    }

    /// Of several with the name, which two nodes may have made at once, all nodes take the same.
    async fn find(&self, number: &E164) -> Result<Option<SipOutboundTrunkInfo>, ServiceError> {
        let name = self.api.names.trunk(number);
        let named = self.list().await?.into_iter().filter(|trunk| trunk.name == name);
        Ok(named.min_by(|a, b| a.sip_trunk_id.cmp(&b.sip_trunk_id)))
    }

    async fn list(&self) -> Result<Vec<SipOutboundTrunkInfo>, ServiceError> {
        self.api.livekit.sip().list_sip_outbound_trunk(ListSIPOutboundTrunkFilter::All).await
    }

    async fn create(&self, number: &E164, carrier: &Trunk, digest: &str) -> Result<String, ServiceError> {
        let options = CreateSIPOutboundTrunkOptions {
            transport: transport(carrier.transport),
            metadata: digest.to_owned(),
            auth_username: carrier.username.clone().unwrap_or_default(),
            auth_password: carrier.password.clone().unwrap_or_default(),
            ..CreateSIPOutboundTrunkOptions::default()
        };
        let (name, numbers) = (self.api.names.trunk(number), vec![number.as_str().to_owned()]);
        let sip = self.api.livekit.sip();
        let made = sip.create_sip_outbound_trunk(name, carrier.address.clone(), numbers, options).await?;
        tracing::info!(trunk = made.sip_trunk_id, "made an outbound trunk");
        Ok(made.sip_trunk_id)
    }

    async fn update(
        &self,
        id: String,
        number: &E164,
        carrier: &Trunk,
        digest: &str,
    ) -> Result<String, ServiceError> {
        let update = SipOutboundTrunkUpdate {
            address: Some(carrier.address.clone()),
            transport: Some(transport(carrier.transport).into()),
            numbers: Some(ListUpdate { set: vec![number.as_str().to_owned()], ..ListUpdate::default() }),
            auth_username: Some(carrier.username.clone().unwrap_or_default()),
            auth_password: Some(carrier.password.clone().unwrap_or_default()),
            metadata: Some(digest.to_owned()),
            ..SipOutboundTrunkUpdate::default()
        };
        let updated = self.api.livekit.sip().update_sip_outbound_trunk(id, update).await?;
        tracing::info!(trunk = updated.sip_trunk_id, "updated an outbound trunk");
        Ok(updated.sip_trunk_id)
    }

    fn entry(&self, number: &E164) -> Arc<tokio::sync::Mutex<Option<Known>>> {
        self.with(|known| Arc::clone(known.entry(number.clone()).or_default()))
    }

    /// No panic of ours leaves the map half changed, so a poisoned lock is as good as any.
    fn with<T>(
        &self,
        change: impl FnOnce(&mut HashMap<E164, Arc<tokio::sync::Mutex<Option<Known>>>>) -> T,
    ) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) const fn transport(transport: Transport) -> SipTransport {
    match transport {
        Transport::Udp => SipTransport::Udp,
        Transport::Tcp => SipTransport::Tcp,
        Transport::Tls => SipTransport::Tls,
    }
}

/// Changes with everything a trunk is made from. The parts are told apart by their lengths.
fn digest(number: &E164, carrier: &Trunk) -> String {
    let parts = [
        number.as_str(),
        &carrier.address,
        transport(carrier.transport).as_str_name(),
        carrier.username.as_deref().unwrap_or_default(),
        carrier.password.as_deref().unwrap_or_default(),
    ];
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    format!("talkif:{}", hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier() -> Trunk {
        Trunk {
            address: "sip.carrier.example".to_owned(),
            transport: Transport::Udp,
            username: Some("user".to_owned()),
            password: Some("pass".to_owned()),
        }
    }

    #[test]
    fn a_digest_changes_with_every_part_and_tells_no_password() {
        let number: E164 = "+442079460123".parse().unwrap();
        let first = digest(&number, &carrier());
        assert_eq!(first, digest(&number, &carrier()));
        assert!(!first.contains("pass"));
        let changed = [
            Trunk { address: "sip.other.example".to_owned(), ..carrier() },
            Trunk { transport: Transport::Tls, ..carrier() },
            Trunk { password: Some("other".to_owned()), ..carrier() },
            // The same letters, cut elsewhere.
            Trunk { username: Some("userp".to_owned()), password: Some("ass".to_owned()), ..carrier() },
        ];
        for carrier in changed {
            assert_ne!(digest(&number, &carrier), first);
        }
    }
}
