//! The object store of recordings, as far as the workers need it. Where recordings lie and how
//! they are encrypted is known to whoever implements this.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

/// Reads and deletes recordings.
#[async_trait]
pub trait Recordings: Send + Sync {
    /// The decrypted WAV at `path`, in pieces.
    ///
    /// # Errors
    /// `NotFound` if there is none; others if it cannot be read or decrypted.
    async fn open(&self, path: &str) -> std::io::Result<BoxStream<'static, std::io::Result<Bytes>>>;

    /// Deletes what lies at `path`. Deleting what is not there succeeds.
    ///
    /// # Errors
    /// If it cannot be deleted.
    async fn delete(&self, path: &str) -> std::io::Result<()>;
}
