//! What the media node reads from its environment: every name, in one place.
//!
//! It knows names and forms, not meanings: a key is checked for its length, an address for its
//! syntax. Vendors' keys and addresses are read where the vendors are, in `talkif-providers`.
//! To add a setting: a field of [`NodeConfig`], its line in [`NodeConfig::read`].

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use talkif_model::Region;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A setting that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no default for it.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// What it is does not fit.
    #[error("{name} must be {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its form, in words.
        expected: &'static str,
    },
}

/// Everything a node is told.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// `TALKIF_REGION`: the region whose calls it makes.
    pub region: Region,
    /// `TALKIF_NODE_ID`: unique among the region's nodes; also its consumer name.
    pub node_id: String,
    /// `DATABASE_URL`: the region's Postgres.
    pub database_url: Secret,
    /// `DIRECTORY_URL`: the directory; the region's database where it is not set.
    pub directory_url: Secret,
    /// `REDIS_URL`.
    pub redis_url: Secret,
    /// `FERNET_KEY`: opens SIP passwords and webhook secrets.
    pub fernet_key: Secret,
    /// `RECORDING_KEY`: base64 of 32 bytes.
    pub recording_key: Secret,
    /// `RECORDINGS_DIR`.
    pub recordings_dir: PathBuf,
    /// `ARTIFACTS_KEY`: hex of 32 bytes.
    pub artifacts_key: Secret,
    /// `ARTIFACTS_LISTEN`: where transcripts and recordings are served.
    pub artifacts_listen: SocketAddr,
    /// `ARTIFACTS_URL`: how customers reach that.
    pub artifacts_url: String,
    /// `TALKIF_TELEPHONY`: `direct`, as where it is not set, or `livekit`.
    pub telephony: Telephony,
    /// `SIP_ALLOW`: networks from which calls may come in, with commas between; this machine where
    /// it is not set.
    pub sip_allow: Vec<IpNet>,
    /// `TALKIF_SLOTS`: calls at once, 100 where it is not set.
    pub slots: usize,
    /// `TALKIF_LOCAL_MODE=1`: webhooks may go to private addresses.
    pub local_mode: bool,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces go, besides the database.
    pub otlp_endpoint: Option<String>,
    /// `TALKIF_READY_FILE`: written when the node is ready.
    pub ready_file: Option<PathBuf>,
}

/// How calls are placed and taken.
#[derive(Debug, Clone)]
pub enum Telephony {
    /// By our own SIP and RTP.
    Direct {
        /// `SIP_LISTEN`.
        sip_listen: SocketAddr,
        /// `SIP_ADVERTISE`: our address as others see it; that of `SIP_LISTEN` where it is not set.
        advertise: IpAddr,
        /// `RTP_PORTS`: `first-last`, 40000-49999 where it is not set.
        rtp_ports: (u16, u16),
    },
    /// Through `livekit-server` and `livekit-sip`.
    LiveKit {
        /// `LIVEKIT_URL`: `wss://…`, or `ws://…` on the same machine.
        url: String,
        /// `LIVEKIT_API_KEY`.
        api_key: String,
        /// `LIVEKIT_API_SECRET`.
        api_secret: Secret,
    },
}

/// This machine.
const LOOPBACK: &str = "127.0.0.0/8";

/// Reads one variable after another and remembers nothing else.
struct Reader<'a>(&'a BTreeMap<String, String>);

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        self.required(name)?.parse().map_err(|_| ConfigError::Invalid { name, expected })
    }

    fn telephony(&self) -> Result<Telephony, ConfigError> {
        match self.optional("TALKIF_TELEPHONY").as_deref() {
            None | Some("direct") => self.direct(),
            Some("livekit") => self.livekit(),
            Some(_) => Err(ConfigError::Invalid { name: "TALKIF_TELEPHONY", expected: "direct or livekit" }),
        }
    }

    fn direct(&self) -> Result<Telephony, ConfigError> {
        let sip_listen: SocketAddr =
            self.parsed("SIP_LISTEN", "an address and port, such as 0.0.0.0:5060")?;
        let advertise = match self.optional("SIP_ADVERTISE") {
            Some(_) => self.parsed("SIP_ADVERTISE", "an address, such as 203.0.113.7")?,
            None => sip_listen.ip(),
        };
        Ok(Telephony::Direct { sip_listen, advertise, rtp_ports: self.rtp_ports()? })
    }

    fn livekit(&self) -> Result<Telephony, ConfigError> {
        let url = self.required("LIVEKIT_URL")?;
        let schemes = ["ws://", "wss://", "http://", "https://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            let expected = "an address, such as wss://livekit.example";
            return Err(ConfigError::Invalid { name: "LIVEKIT_URL", expected });
        }
        Ok(Telephony::LiveKit {
            url,
            api_key: self.required("LIVEKIT_API_KEY")?,
            api_secret: Secret(self.required("LIVEKIT_API_SECRET")?),
        })
    }

    fn sip_allow(&self) -> Result<Vec<IpNet>, ConfigError> {
        let text = self.optional("SIP_ALLOW").unwrap_or_else(|| LOOPBACK.to_owned());
        let network =
            |word: &str| word.parse().ok().or_else(|| Some(IpNet::from(word.parse::<IpAddr>().ok()?)));
        text.split(',').map(|word| network(word.trim())).collect::<Option<_>>().ok_or(ConfigError::Invalid {
            name: "SIP_ALLOW",
            expected: "networks with commas between, such as 198.51.100.0/24,203.0.113.7",
        })
    }

    fn rtp_ports(&self) -> Result<(u16, u16), ConfigError> {
        let Some(text) = self.optional("RTP_PORTS") else { return Ok((40_000, 49_999)) };
        let ports =
            text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
        ports.filter(|(first, last): &(u16, u16)| *first >= 1024 && first < last).ok_or(
            ConfigError::Invalid { name: "RTP_PORTS", expected: "two ports above 1023, such as 40000-49999" },
        )
    }
}

impl NodeConfig {
    /// Reads the process environment.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&std::env::vars().collect())
    }

    /// Reads `variables`.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn read(variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let reader = Reader(variables);
        let database_url = reader.required("DATABASE_URL")?;
        let slots = reader.optional("TALKIF_SLOTS").unwrap_or_else(|| "100".to_owned());
        Ok(Self {
            region: reader.parsed("TALKIF_REGION", "eu-west, us-east or tr-ist")?,
            node_id: reader.required("TALKIF_NODE_ID")?,
            directory_url: Secret(reader.optional("DIRECTORY_URL").unwrap_or_else(|| database_url.clone())),
            database_url: Secret(database_url),
            redis_url: Secret(reader.required("REDIS_URL")?),
            fernet_key: Secret(reader.required("FERNET_KEY")?),
            recording_key: Secret(reader.required("RECORDING_KEY")?),
            recordings_dir: reader.required("RECORDINGS_DIR")?.into(),
            artifacts_key: Secret(reader.required("ARTIFACTS_KEY")?),
            artifacts_listen: reader
                .parsed("ARTIFACTS_LISTEN", "an address and port, such as 127.0.0.1:8090")?,
            artifacts_url: reader.required("ARTIFACTS_URL")?,
            telephony: reader.telephony()?,
            sip_allow: reader.sip_allow()?,
            slots: slots
                .parse()
                .map_err(|_| ConfigError::Invalid { name: "TALKIF_SLOTS", expected: "a number of calls" })?,
            local_mode: reader
                .optional("TALKIF_LOCAL_MODE")
                .is_some_and(|value| value == "1" || value == "true"),
            otlp_endpoint: reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT"),
            ready_file: reader.optional("TALKIF_READY_FILE").map(PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> BTreeMap<String, String> {
        [
            ("TALKIF_REGION", "tr-ist"),
            ("TALKIF_NODE_ID", "n1"),
            ("DATABASE_URL", "postgres://u:hunter2@127.0.0.1/talkif"),
            ("REDIS_URL", "redis://127.0.0.1"),
            ("FERNET_KEY", "k"),
            ("RECORDING_KEY", "k"),
            ("RECORDINGS_DIR", "recordings"),
            ("ARTIFACTS_KEY", "k"),
            ("ARTIFACTS_LISTEN", "127.0.0.1:8090"),
            ("ARTIFACTS_URL", "http://127.0.0.1:8090"),
            ("SIP_LISTEN", "127.0.0.1:5060"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn a_complete_environment_is_read_with_its_defaults() {
        let config = NodeConfig::read(&complete()).unwrap();
        assert_eq!((config.slots, config.local_mode), (100, false));
        assert_eq!(config.directory_url, config.database_url);
        assert_eq!(config.sip_allow, [LOOPBACK.parse::<IpNet>().unwrap()]);
        let Telephony::Direct { advertise, rtp_ports, .. } = config.telephony else { panic!("not direct") };
        let own: IpAddr = [127, 0, 0, 1].into();
        assert_eq!((advertise, rtp_ports), (own, (40_000, 49_999)));
    }

    #[test]
    fn livekit_needs_an_address_and_keys_and_no_sip_of_our_own() {
        let mut variables = complete();
        variables.remove("SIP_LISTEN");
        for (name, value) in [
            ("TALKIF_TELEPHONY", "livekit"),
            ("LIVEKIT_URL", "wss://livekit.example"),
            ("LIVEKIT_API_KEY", "key"),
            ("LIVEKIT_API_SECRET", "hunter2"),
            ("SIP_ALLOW", "198.51.100.0/24, 203.0.113.7"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let config = NodeConfig::read(&variables).unwrap();
        let allowed: Vec<String> = config.sip_allow.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["198.51.100.0/24", "203.0.113.7/32"]);
        assert!(
            matches!(&config.telephony, Telephony::LiveKit { url, .. } if url == "wss://livekit.example")
        );
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (name, value, expected) in [
            ("FERNET_KEY", "", "FERNET_KEY is not set"),
            ("TALKIF_REGION", "mars", "TALKIF_REGION must be eu-west, us-east or tr-ist"),
            ("RTP_PORTS", "9-5", "RTP_PORTS must be two ports above 1023, such as 40000-49999"),
            ("TALKIF_TELEPHONY", "pigeon", "TALKIF_TELEPHONY must be direct or livekit"),
            ("TALKIF_TELEPHONY", "livekit", "LIVEKIT_URL is not set"),
            (
                "SIP_ALLOW",
                "friends",
                "SIP_ALLOW must be networks with commas between, such as 198.51.100.0/24,203.0.113.7",
            ),
            ("SIP_ADVERTISE", "here", "SIP_ADVERTISE must be an address, such as 203.0.113.7"),
        ] {
            let mut variables = complete();
            variables.insert(name.to_owned(), value.to_owned());
            assert_eq!(NodeConfig::read(&variables).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn secrets_are_never_printed() {
        let printed = format!("{:?}", NodeConfig::read(&complete()).unwrap());
        assert!(!printed.contains("hunter2"));
    }
}
