//! The object store of recordings, as far as the workers need it. Where recordings lie and how
//! they are encrypted is known to whoever implements this.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::ops::Range;

/// Reads and deletes recordings.
#[async_trait]
pub trait Recordings: Send + Sync {
    /// The length of the decrypted WAV at `path`, in bytes.
    ///
    /// # Errors
    /// `NotFound` if there is none; others if it cannot be read.
    async fn length(&self, path: &str) -> std::io::Result<u64>;

    /// These bytes of the decrypted WAV at `path`, in pieces.
    ///
    /// # Errors
    /// As [`Recordings::length`]. What turns out to be damaged ends the stream with an error.
    async fn open(
        &self,
        path: &str,
        bytes: Range<u64>,
    ) -> std::io::Result<BoxStream<'static, std::io::Result<Bytes>>>;

    /// Deletes what lies at `path`. Deleting what is not there succeeds.
    ///
    /// # Errors
    /// If it cannot be deleted.
    async fn delete(&self, path: &str) -> std::io::Result<()>;

    /// The paths of everything that has not been written to for a day, finished or not.
    ///
    /// # Errors
    /// If the store cannot be searched.
    async fn untouched(&self) -> std::io::Result<Vec<String>>;
}
