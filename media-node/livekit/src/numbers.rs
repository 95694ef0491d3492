//! Where the numbers of this region are known: the node's database.

use async_trait::async_trait;
use std::collections::HashSet;
use talkif_model::E164;
use talkif_telephony::Trunk;

/// The region's numbers.
#[async_trait]
pub trait Numbers: Send + Sync {
    /// All that calls may go out from.
    ///
    /// # Errors
    /// A sentence for the log, where they cannot be told now.
    async fn all(&self) -> Result<HashSet<E164>, String>;

    /// The carrier by which `number` calls out: whoever called it may be put through.
    ///
    /// # Errors
    /// A sentence for the log, where it cannot be told now.
    async fn carrier(&self, number: &E164) -> Result<Option<Trunk>, String>;
}
