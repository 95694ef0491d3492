//! Outbound trunks: one for each of our numbers and the carrier that it has, made when it dials.
//!
//! A trunk is never changed: its metadata, and in short its name, hold a digest of what it was made
//! from. So whatever other nodes do, a trunk's id stands for the same credentials for as long as it
//! is there; another carrier is another trunk.

use crate::api::Api;
use crate::numbers::Numbers;
use crate::refusals::is_not_found;
use livekit_api::services::ServiceError;
use livekit_api::services::sip::{CreateSIPOutboundTrunkOptions, ListSIPOutboundTrunkFilter};
use livekit_protocol::{SipOutboundTrunkInfo, SipTransport};
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
        let id = match self.find(number, &digest).await? {
            Some(trunk) => trunk.sip_trunk_id,
            None => self.create(number, carrier, &digest).await?,
        };
        *known = Some(Known { id: id.clone(), digest });
        Ok(id)
    }

    /// Looks again before `number` dials next: its trunk is not what we thought.
    pub(crate) fn forget(&self, number: &E164) {
        self.with(|known| known.remove(number));
    }

    /// Deletes the trunks of numbers that are ours no more, and those by which a number of ours no
    /// longer dials. A call that is being dialled by one has a new one made.
    pub(crate) async fn retain(
        &self,
        ours: &HashSet<E164>,
        numbers: &dyn Numbers,
    ) -> Result<(), ServiceError> {
        let mut trunks = HashMap::<E164, Vec<SipOutboundTrunkInfo>>::new();
        for trunk in self.list().await? {
            if let Some(number) = self.api.names.number_of_trunk(&trunk.name) {
                trunks.entry(number).or_default().push(trunk);
            }
        }
        for (number, trunks) in trunks {
            if !ours.contains(&number) {
                self.delete(&number, &trunks).await?;
            } else if trunks.len() > 1
                // A carrier that cannot be told now is told in a minute.
                && let Ok(Some(carrier)) = numbers.carrier(&number).await
            {
                let digest = digest(&number, &carrier);
                let former: Vec<_> = trunks.into_iter().filter(|trunk| trunk.metadata != digest).collect();
                self.delete(&number, &former).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, number: &E164, trunks: &[SipOutboundTrunkInfo]) -> Result<(), ServiceError> {
        for trunk in trunks {
            match self.api.livekit.sip().delete_sip_trunk(&trunk.sip_trunk_id).await {
                // Another node was faster.
                Err(error) if is_not_found(&error) => {}
                deleted => drop(deleted?),
            }
            self.forget(number);
            tracing::info!(trunk = trunk.sip_trunk_id, "deleted a former outbound trunk");
        }
        Ok(())
    }

    /// Of several with the name, which two nodes may have made at once, all nodes take the same.
    async fn find(&self, number: &E164, digest: &str) -> Result<Option<SipOutboundTrunkInfo>, ServiceError> {
        let name = self.api.names.trunk(number, digest);
        let is_it = |trunk: &SipOutboundTrunkInfo| trunk.name == name && trunk.metadata == digest;
        let named = self.list().await?.into_iter().filter(is_it);
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
        let (name, numbers) = (self.api.names.trunk(number, digest), vec![number.as_str().to_owned()]);
        let sip = self.api.livekit.sip();
        let made = sip.create_sip_outbound_trunk(name, carrier.address.clone(), numbers, options).await?;
        tracing::info!(trunk = made.sip_trunk_id, "made an outbound trunk");
        Ok(made.sip_trunk_id)
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
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Reply};
    use async_trait::async_trait;
    use livekit_protocol::{
        CreateSipOutboundTrunkRequest, DeleteSipTrunkRequest, ListSipOutboundTrunkResponse, SipTrunkInfo,
    };
    use prost::Message as _;

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

    /// LiveKit's trunks, and a request of each kind that changes them.
    async fn server() -> Fake {
        let trunks = Mutex::new(Vec::<SipOutboundTrunkInfo>::new());
        Fake::start(move |method, body| {
            let mut trunks = trunks.lock().unwrap();
            match method {
                "ListSIPOutboundTrunk" => Reply::of(&ListSipOutboundTrunkResponse { items: trunks.clone() }),
                "CreateSIPOutboundTrunk" => {
                    let mut trunk = CreateSipOutboundTrunkRequest::decode(body).unwrap().trunk.unwrap();
                    trunk.sip_trunk_id = format!("ST_{}", trunks.len());
                    trunks.push(trunk.clone());
                    Reply::of(&trunk)
                }
                "DeleteSIPTrunk" => {
                    let id = DeleteSipTrunkRequest::decode(body).unwrap().sip_trunk_id;
                    trunks.retain(|trunk| trunk.sip_trunk_id != id);
                    Reply::of(&SipTrunkInfo::default())
                }
                other => panic!("{other}"),
            }
        })
        .await
    }

    /// A database in which every number has this carrier.
    struct Carrier(Trunk);

    #[async_trait]
    impl Numbers for Carrier {
        async fn all(&self) -> Result<HashSet<E164>, String> {
            Ok(HashSet::new())
        }

        async fn carrier(&self, _: &E164) -> Result<Option<Trunk>, String> {
            Ok(Some(self.0.clone()))
        }
    }

    #[tokio::test]
    async fn what_another_node_makes_of_a_carrier_does_not_change_the_trunk_that_we_know() {
        let fake = server().await;
        let (ours, theirs) = (Trunks::new(Arc::clone(&fake.api)), Trunks::new(Arc::clone(&fake.api)));
        let number: E164 = "+442079460123".parse().unwrap();
        let new = Trunk { password: Some("new".to_owned()), ..carrier() };
        let first = ours.ensure(&number, &carrier()).await.unwrap();
        let second = theirs.ensure(&number, &new).await.unwrap();
        assert_ne!(first, second);
        // The credentials are as they were.
        assert_eq!(ours.ensure(&number, &carrier()).await.unwrap(), first);
        assert_eq!(theirs.ensure(&number, &carrier()).await.unwrap(), first);
        let made = fake.requests::<CreateSipOutboundTrunkRequest>("CreateSIPOutboundTrunk");
        let passwords: Vec<_> =
            made.into_iter().map(|request| request.trunk.unwrap().auth_password).collect();
        assert_eq!(passwords, ["pass", "new"]);
    }

    #[tokio::test]
    async fn trunks_of_former_carriers_and_of_former_numbers_are_deleted() {
        let fake = server().await;
        let trunks = Trunks::new(Arc::clone(&fake.api));
        let [kept, gone]: [E164; 2] =
            ["+442079460123", "+442079460124"].map(|number| number.parse().unwrap());
        let new = Trunk { password: Some("new".to_owned()), ..carrier() };
        trunks.ensure(&kept, &carrier()).await.unwrap();
        trunks.ensure(&gone, &carrier()).await.unwrap();
        let current = trunks.ensure(&kept, &new).await.unwrap();
        trunks.retain(&HashSet::from([kept]), &Carrier(new)).await.unwrap();
        let left = trunks.list().await.unwrap();
        assert_eq!(left.iter().map(|trunk| &trunk.sip_trunk_id).collect::<Vec<_>>(), [&current]);
    }
}
