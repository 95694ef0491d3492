//! Recordings on the node's own disk.

use async_trait::async_trait;
use futures::stream::BoxStream;
use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};
use talkif_session::RecordingKey;
use talkif_session::recording::{DecryptError, decrypt_to_wav};
use talkif_workers::Recordings;

/// A folder of sealed recordings.
pub(crate) struct Folder {
    pub(crate) root: PathBuf,
    pub(crate) key: RecordingKey,
}

impl Folder {
    /// The file of `path`. Paths come from the database; still, none may leave the folder.
    fn file(&self, path: &str) -> Result<PathBuf> {
        let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if inside { Ok(self.root.join(path)) } else { Err(Error::from(ErrorKind::InvalidInput)) }
    }
}

/// Bytes are handed on in pieces of this size.
const PIECE: usize = 64 * 1024;

#[async_trait]
impl Recordings for Folder {
    async fn open(&self, path: &str) -> Result<BoxStream<'static, Result<bytes::Bytes>>> {
        let (file, key) = (self.file(path)?, self.key.clone());
        let wav =
            tokio::task::spawn_blocking(move || decrypt_to_wav(&file, &key)).await.map_err(Error::other)?;
        let wav = bytes::Bytes::from(wav.map_err(io_error)?);
        let pieces: Vec<Result<bytes::Bytes>> =
            (0..wav.len()).step_by(PIECE).map(|at| Ok(wav.slice(at..wav.len().min(at + PIECE)))).collect();
        Ok(Box::pin(futures::stream::iter(pieces)))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        match tokio::fs::remove_file(self.file(path)?).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn io_error(error: DecryptError) -> Error {
    match error {
        DecryptError::Io(error) => error,
        other => Error::new(ErrorKind::InvalidData, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let folder = Folder { root: PathBuf::from("recordings"), key: RecordingKey([0; 32]) };
        for bad in ["../secret", "/etc/passwd", "eu-west/../../x", "./x"] {
            assert!(folder.file(bad).is_err(), "{bad}");
        }
        assert!(folder.file("eu-west/acct_1/call_1.rec").is_ok());
    }
}
