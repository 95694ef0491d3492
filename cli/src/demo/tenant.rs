//! An account with a number, a key and a webhook endpoint, as `up` and `demo` need one.

use crate::stack::Stack;
use anyhow::Result;

/// A customer of this installation.
pub(crate) struct Tenant {
    /// The API key, whole.
    pub(crate) key: String,
    /// The endpoint's secret.
    pub(crate) webhook_secret: String,
    /// The number that calls and is called.
    pub(crate) number: String,
}

impl Tenant {
    /// Makes the account `name`, its number on the lab's carrier, and an endpoint at
    /// `webhook_url`.
    pub(crate) async fn create(_stack: &Stack, _name: &str, _webhook_url: &str) -> Result<Self> {
        anyhow::bail!("bootstrap pending")
    }
}
