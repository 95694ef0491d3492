use std::time::Duration;

/// Why a provider could not be used. Texts never quote a vendor's answer, which may quote the
/// conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No provider for this part of the loop has a key and an address.
    #[error("no {0} provider is configured")]
    NotConfigured(&'static str),
    /// A key or an address of the configuration cannot be used.
    #[error("{vendor}: {detail}")]
    Configuration {
        /// Whose.
        vendor: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The vendor did not answer in time.
    #[error("{vendor} did not answer within {} ms", limit.as_millis())]
    Timeout {
        /// Who.
        vendor: &'static str,
        /// The limit that passed.
        limit: Duration,
    },
    /// The vendor refused with an HTTP status.
    #[error("{vendor} refused with status {status}")]
    Refused {
        /// Who.
        vendor: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// The connection failed or ended.
    #[error("{vendor}: {detail}")]
    Connection {
        /// To whom.
        vendor: &'static str,
        /// How.
        detail: String,
    },
}
