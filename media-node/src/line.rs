//! How this node reaches telephones: by its own SIP, or through LiveKit.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use talkif_config::{NodeConfig, Telephony as Choice};
use talkif_livekit::{LiveKitConfig, LiveKitTelephony, Numbers};
use talkif_model::E164;
use talkif_rules::secret::{self, SealingKey};
use talkif_store::{Db, nodes};
use talkif_telephony::direct::{DirectConfig, DirectTelephony};
use talkif_telephony::{Telephony, Transport, Trunk};

/// A node that says it is ready should be able to take calls, but need not wait for ever.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The chosen telephony.
#[derive(Clone)]
pub(crate) enum Line {
    Direct(Arc<DirectTelephony>),
    LiveKit { telephony: Arc<LiveKitTelephony>, url: String },
}

impl Line {
    /// Starts what the configuration names.
    pub(crate) async fn start(config: &NodeConfig, db: Arc<dyn Db>, key: Arc<SealingKey>) -> Result<Self> {
        match &config.telephony {
            Choice::Direct { sip_listen, advertise, rtp_ports: (first, last) } => {
                let mut direct = DirectConfig::new(*sip_listen, *first..=*last, *advertise);
                direct.inbound.allow.clone_from(&config.sip_allow);
                let telephony = DirectTelephony::start(direct).await;
                Ok(Self::Direct(Arc::new(telephony.with_context(|| format!("SIP at {sip_listen}"))?)))
            }
            Choice::LiveKit { url, api_key, api_secret } => {
                let telephony = Arc::new(LiveKitTelephony::start(LiveKitConfig {
                    url: url.clone(),
                    api_key: api_key.clone(),
                    api_secret: api_secret.expose().to_owned(),
                    region: config.region,
                    slots: config.slots,
                    allow: config.sip_allow.iter().map(ToString::to_string).collect(),
                    numbers: Some(Arc::new(RegionNumbers { db, key })),
                }));
                if tokio::time::timeout(READY_WITHIN, telephony.ready()).await.is_err() {
                    tracing::warn!(url, "LiveKit is not there yet: the node goes on trying");
                }
                Ok(Self::LiveKit { telephony, url: url.clone() })
            }
        }
    }

    /// For the workers.
    pub(crate) fn telephony(&self) -> Arc<dyn Telephony> {
        match self {
            Self::Direct(telephony) => telephony.clone(),
            Self::LiveKit { telephony, .. } => telephony.clone(),
        }
    }

    /// What is to be served by HTTP for it.
    pub(crate) fn routes(&self) -> axum::Router {
        match self {
            Self::Direct(_) => axum::Router::new(),
            Self::LiveKit { telephony, .. } => telephony.routes(),
        }
    }

    /// Where calls come in: our SIP address, or LiveKit's, whose SIP address is its own affair.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Direct(telephony) => telephony.local_addr().to_string(),
            Self::LiveKit { url, .. } => url.clone(),
        }
    }

    /// Leaves who calls from now on to other nodes, where something stands before all of them that
    /// can ask another one. Direct callers come to this node alone, and hear 503.
    pub(crate) fn refuse_new(&self) {
        match self {
            Self::Direct(_) => {}
            Self::LiveKit { telephony, .. } => telephony.refuse_new(),
        }
    }

    /// Takes no more calls and hangs up those that are left.
    pub(crate) async fn close(&self) {
        match self {
            Self::Direct(telephony) => telephony.close().await,
            Self::LiveKit { telephony, .. } => telephony.close().await,
        }
    }
}

/// The region's numbers, from its database.
struct RegionNumbers {
    db: Arc<dyn Db>,
    /// Opens the carriers' passwords.
    key: Arc<SealingKey>,
}

#[async_trait]
impl Numbers for RegionNumbers {
    async fn all(&self) -> Result<HashSet<E164>, String> {
        let rows = self.db.query(&nodes::NUMBERS, Vec::new()).await.map_err(|error| error.to_string())?;
        let phones = rows.iter().map(|row| row.text("phone")).collect::<Result<Vec<_>, _>>();
        // A number that is none has no trunk.
        Ok(phones.map_err(|error| error.to_string())?.iter().filter_map(|phone| phone.parse().ok()).collect())
    }

    async fn carrier(&self, number: &E164) -> Result<Option<Trunk>, String> {
        let told = |error: talkif_store::DbError| error.to_string();
        let row = self.db.query_one(&nodes::CARRIER, vec![number.as_str().into()]).await.map_err(told)?;
        let Some(row) = row else { return Ok(None) };
        let uri = row.text("termination_uri").map_err(told)?;
        let address = uri.strip_prefix("sips:").or_else(|| uri.strip_prefix("sip:")).unwrap_or(&uri);
        let sealed = row.opt_text("sip_password").map_err(told)?;
        let password = sealed.map(|token| secret::open(&self.key, &token)).transpose();
        Ok(Some(Trunk {
            address: address.split([';', '?']).next().unwrap_or(address).to_owned(),
            transport: match row.text("transport").map_err(told)?.as_str() {
                "tcp" => Transport::Tcp,
                "tls" => Transport::Tls,
                _ => Transport::Udp,
            },
            username: row.opt_text("sip_username").map_err(told)?,
            password: password.map_err(|_| "the carrier's password cannot be opened".to_owned())?,
        }))
    }
}
