//! Recordings on the node's own disk.

use async_trait::async_trait;
use futures::stream::BoxStream;
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use talkif_session::RecordingKey;
use talkif_session::recording::{DecryptError, Reader};
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

    async fn reader(&self, path: &str) -> Result<Reader> {
        let (file, key) = (self.file(path)?, self.key.clone());
        let reader = tokio::task::spawn_blocking(move || Reader::open(&file, &key)).await;
        reader.map_err(Error::other)?.map_err(io_error)
    }
}

/// Longer than any call: what was not touched for so long is not being written.
const UNTOUCHED: Duration = Duration::from_secs(24 * 3_600);

#[async_trait]
impl Recordings for Folder {
    async fn length(&self, path: &str) -> Result<u64> {
        Ok(self.reader(path).await?.length())
    }

    /// A block at a time, so that memory never holds a call.
    async fn open(&self, path: &str, bytes: Range<u64>) -> Result<BoxStream<'static, Result<bytes::Bytes>>> {
        let reader = self.reader(path).await?;
        Ok(Box::pin(futures::stream::try_unfold((reader, bytes), next_piece)))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        match tokio::fs::remove_file(self.file(path)?).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn untouched(&self) -> Result<Vec<String>> {
        let root = self.root.clone();
        let found = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            search(&root, &root, UNTOUCHED, &mut found).map(|()| found)
        });
        found.await.map_err(Error::other)?
    }
}

/// What is left to read, and from where.
type Rest = (Reader, Range<u64>);

async fn next_piece((mut reader, bytes): Rest) -> Result<Option<(bytes::Bytes, Rest)>> {
    let asked = bytes.clone();
    let read = tokio::task::spawn_blocking(move || (reader.read(asked), reader)).await;
    let (piece, reader) = read.map_err(Error::other)?;
    let piece = piece.map_err(io_error)?;
    if piece.is_empty() {
        return Ok(None);
    }
    let rest = bytes.start + piece.len() as u64..bytes.end;
    Ok(Some((piece.into(), (reader, rest))))
}

/// The files under `folder` that are at least so old, by their paths inside `root`.
fn search(root: &Path, folder: &Path, age: Duration, found: &mut Vec<String>) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            search(root, &entry.path(), age, found)?;
        } else if metadata.modified()?.elapsed().is_ok_and(|since| since >= age) {
            let path = entry.path();
            found.extend(path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned));
        }
    }
    Ok(())
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
    fn what_was_not_touched_is_found_by_its_path_and_what_is_new_is_left() {
        let root = std::env::temp_dir().join(format!("talkif-folder-{}", std::process::id()));
        std::fs::create_dir_all(root.join("eu-west/acct_1")).unwrap();
        std::fs::write(root.join("eu-west/acct_1/call_1.rec.part"), b"x").unwrap();
        let search = |age| {
            let mut found = Vec::new();
            search(&root, &root, age, &mut found).map(|()| found).unwrap()
        };
        assert_eq!(search(Duration::ZERO), ["eu-west/acct_1/call_1.rec.part"]);
        assert!(search(UNTOUCHED).is_empty());
        std::fs::remove_dir_all(&root).unwrap();
        assert!(search(Duration::ZERO).is_empty(), "a folder that is not there has nothing in it");
    }

    #[test]
    fn no_path_leaves_the_folder() {
        let folder = Folder { root: PathBuf::from("recordings"), key: RecordingKey([0; 32]) };
        for bad in ["../secret", "/etc/passwd", "eu-west/../../x", "./x"] {
            assert!(folder.file(bad).is_err(), "{bad}");
        }
        assert!(folder.file("eu-west/acct_1/call_1.rec").is_ok());
    }
}
