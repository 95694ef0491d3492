//! Reads a part of a recording as WAV, and decrypts only the blocks that the part needs.
//!
//! Every block is authenticated by itself, so what is read is as it was written; that the end is
//! missing is noticed only by whoever reads the end.

use super::RecordingKey;
use super::format::{self, CHANNELS, DecryptError, HEADER_LENGTH, Opener};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use talkif_media::wav;

/// Bytes of a block's length in front of it.
const PREFIX: u64 = 4;

/// An open recording.
pub struct Reader<F = File> {
    file: F,
    opener: Opener,
    rate: u32,
    blocks: Vec<Block>,
}

/// A block: where it lies in the file, and which bytes of the WAV it holds.
#[derive(Debug, Clone)]
struct Block {
    at: u64,
    sealed: usize,
    holds: Range<u64>,
}

impl Reader {
    /// Opens the recording at `path` and finds its blocks, without decrypting any.
    ///
    /// # Errors
    /// If there is no such file, or it is no whole recording under this key.
    pub fn open(path: &Path, key: &RecordingKey) -> Result<Self, DecryptError> {
        Self::over(File::open(path)?, key)
    }
}

impl<F: Read + Seek> Reader<F> {
    /// Finds the blocks of the recording in `file`, without decrypting any.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn over(mut file: F, key: &RecordingKey) -> Result<Self, DecryptError> {
        let mut header = [0; HEADER_LENGTH];
        file.read_exact(&mut header).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => DecryptError::NotARecording,
            _ => DecryptError::Io(error),
        })?;
        let (opener, rate) = Opener::new(&header, key)?;
        let blocks = find_blocks(&mut file)?;
        Ok(Self { file, opener, rate, blocks })
    }

    /// Bytes of the whole WAV.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.blocks.last().map_or(wav::HEADER as u64, |block| block.holds.end)
    }

    /// The first of the WAV's `bytes`: at least one, unless there is none, and at most one block.
    ///
    /// # Errors
    /// If the file cannot be read, or the block is not as it was written.
    pub fn read(&mut self, bytes: Range<u64>) -> Result<Vec<u8>, DecryptError> {
        if bytes.start < wav::HEADER as u64 {
            let data = u32::try_from(self.length() - wav::HEADER as u64).unwrap_or(u32::MAX);
            return Ok(cut(&wav::header(self.rate, CHANNELS, data), 0, &bytes));
        }
        let number = self.blocks.partition_point(|block| block.holds.end <= bytes.start);
        let Some(block) = self.blocks.get(number).cloned() else { return Ok(Vec::new()) };
        let last = number + 1 == self.blocks.len();
        let mut sealed = vec![0; block.sealed];
        self.file.seek(SeekFrom::Start(block.at))?;
        self.file.read_exact(&mut sealed)?;
        let plain = self.opener.open(&sealed, number as u64, last)?;
        Ok(cut(&plain, block.holds.start, &bytes))
    }
}

/// What of `piece`, which begins at `start`, lies within `bytes`.
fn cut(piece: &[u8], start: u64, bytes: &Range<u64>) -> Vec<u8> {
    let inside = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(piece.len());
    piece.get(inside(bytes.start)..inside(bytes.end)).unwrap_or_default().to_vec()
}

/// Follows the blocks' lengths to the end of the file.
fn find_blocks(file: &mut (impl Read + Seek)) -> Result<Vec<Block>, DecryptError> {
    let end = file.seek(SeekFrom::End(0))?;
    let (mut at, mut holds) = (HEADER_LENGTH as u64, wav::HEADER as u64);
    let mut blocks = Vec::new();
    while at < end {
        let mut prefix = [0; PREFIX as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut prefix).map_err(|_| DecryptError::CutOff)?;
        let (sealed, plain) = format::block_lengths(prefix)?;
        at += PREFIX;
        blocks.push(Block { at, sealed, holds: holds..holds + plain });
        at += sealed as u64;
        holds += plain;
    }
    if at > end || blocks.is_empty() { Err(DecryptError::CutOff) } else { Ok(blocks) }
}

#[cfg(test)]
mod tests {
    use super::super::format::Sealer;
    use super::*;
    use std::path::PathBuf;

    const KEY: RecordingKey = RecordingKey([7; 32]);

    /// A file with three blocks, one of them empty, that goes with the test.
    struct Kept(PathBuf);

    impl Kept {
        fn new(change: impl FnOnce(&mut Vec<u8>)) -> Self {
            let mut sealer = Sealer::new(&KEY, [3; 16], 8_000);
            let mut bytes = sealer.header().to_vec();
            for (block, last) in [(&[1, -1, 2, -2][..], false), (&[][..], false), (&[3, -3][..], true)] {
                bytes.extend(sealer.seal(block, last).unwrap());
            }
            change(&mut bytes);
            let path = std::env::temp_dir().join(format!("talkif-reader-{:016x}", rand::random::<u64>()));
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }

        fn read(&self, bytes: Range<u64>) -> Result<Vec<u8>, DecryptError> {
            let mut reader = Reader::open(&self.0, &KEY)?;
            let (mut read, mut at) = (Vec::new(), bytes.start);
            while at < bytes.end {
                let piece = reader.read(at..bytes.end)?;
                at += piece.len() as u64;
                read.extend(piece);
            }
            Ok(read)
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).ok();
        }
    }

    #[test]
    fn every_part_of_a_recording_is_that_part_of_the_whole() {
        let kept = Kept::new(|_| ());
        let whole = format::decrypt_to_wav(&kept.0, &KEY).unwrap();
        assert_eq!(Reader::open(&kept.0, &KEY).unwrap().length(), whole.len() as u64);
        for from in 0..whole.len() {
            for until in from + 1..=whole.len() {
                assert_eq!(
                    kept.read(from as u64..until as u64).unwrap(),
                    whole[from..until],
                    "{from}..{until}"
                );
            }
        }
    }

    #[test]
    fn a_damaged_block_spoils_only_the_parts_it_is_in() {
        let kept = Kept::new(|bytes| *bytes.last_mut().unwrap() ^= 1);
        assert!(kept.read(0..52).is_ok());
        assert!(matches!(kept.read(0..56), Err(DecryptError::Damaged(2))));
    }

    #[test]
    fn a_missing_end_is_noticed_by_whoever_reads_the_end() {
        let kept = Kept::new(|bytes| bytes.truncate(HEADER_LENGTH + 4 + 8 + 16));
        assert!(matches!(kept.read(44..52), Err(DecryptError::CutOff)));
        let torn = Kept::new(|bytes| bytes.truncate(HEADER_LENGTH + 4 + 8));
        assert!(matches!(torn.read(0..44), Err(DecryptError::CutOff)));
    }
}
