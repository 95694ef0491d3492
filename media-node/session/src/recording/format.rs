//! The file format of a recording.
//!
//! ```text
//! header   8 bytes  "TALKREC1"
//!          8 bytes  key id: the first bytes of SHA-256 over the key
//!         16 bytes  salt, random per file
//!          4 bytes  samples per second and channel, little-endian
//! blocks   4 bytes  length of the sealed block, little-endian
//!          n bytes  AES-256-GCM of interleaved little-endian 16-bit stereo samples, tag last
//! ```
//!
//! Every file has its own key, HMAC-SHA256(key, salt), so a nonce need only be unique within a
//! file: it is the block's number (8 bytes, little-endian), a byte that is 1 for the last block
//! only, and three zeros. The header is authenticated with every block. So blocks cannot be
//! changed, reordered, moved to another file or cut off unnoticed.

use super::RecordingKey;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;
use talkif_media::wav;

const MAGIC: &[u8; 8] = b"TALKREC1";
/// Bytes before the first block.
pub const HEADER_LENGTH: usize = 36;
/// Left and right.
pub const CHANNELS: u16 = 2;
const TAG_LENGTH: usize = 16;
/// No block is longer: 64 MiB guard against lengths that are garbage.
const MAX_BLOCK: usize = 1 << 26;

/// Random bytes that make the key of one file.
pub type Salt = [u8; 16];

/// The first bytes of a key's SHA-256: says which key a file needs, and nothing else.
#[must_use]
pub fn key_id(key: &RecordingKey) -> [u8; 8] {
    let digest = Sha256::digest(key.0);
    digest.first_chunk().copied().unwrap_or_default()
}

/// Seals blocks of one file in order.
pub struct Sealer {
    cipher: Aes256Gcm,
    header: [u8; HEADER_LENGTH],
    block: u64,
}

impl Sealer {
    /// A sealer for a new file.
    #[must_use]
    pub fn new(key: &RecordingKey, salt: Salt, sample_rate: u32) -> Self {
        let mut header = [0; HEADER_LENGTH];
        let parts = [MAGIC.as_slice(), &key_id(key), &salt, &sample_rate.to_le_bytes()].concat();
        header.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Self { cipher: file_cipher(key, &salt), header, block: 0 }
    }

    /// What the file starts with.
    #[must_use]
    pub const fn header(&self) -> &[u8; HEADER_LENGTH] {
        &self.header
    }

    /// The next block, with its length in front.
    ///
    /// # Errors
    /// If the block is too long for the format.
    pub fn seal(&mut self, samples: &[i16], last: bool) -> Result<Vec<u8>, BlockTooLong> {
        let plain: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let payload = Payload { msg: &plain, aad: &self.header };
        let sealed = self.cipher.encrypt(&nonce(self.block, last), payload).map_err(|_| BlockTooLong)?;
        self.block += 1;
        let length = u32::try_from(sealed.len()).ok().filter(|length| *length as usize <= MAX_BLOCK);
        let mut bytes = length.ok_or(BlockTooLong)?.to_le_bytes().to_vec();
        bytes.extend(sealed);
        Ok(bytes)
    }
}

/// A block is longer than the format allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a recording block is too long")]
pub struct BlockTooLong;

fn file_cipher(key: &RecordingKey, salt: &Salt) -> Aes256Gcm {
    // HMAC takes keys of any length, so making one of 32 bytes cannot fail.
    let derived = <Hmac<Sha256> as Mac>::new_from_slice(&key.0).map(|mac| mac.chain_update(salt).finalize());
    let bytes = derived.map(|mac| mac.into_bytes()).unwrap_or_default();
    Aes256Gcm::new(&bytes)
}

fn nonce(block: u64, last: bool) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = Nonce::default();
    let bytes = block.to_le_bytes().into_iter().chain([u8::from(last)]);
    nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    nonce
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// The file or the destination failed.
    #[error("recording: {0}")]
    Io(#[from] io::Error),
    /// It is not a recording, or of a later version.
    #[error("not a recording")]
    NotARecording,
    /// It was sealed with another key.
    #[error("the recording needs another key")]
    OtherKey,
    /// A block was changed, or belongs elsewhere.
    #[error("block {0} of the recording is damaged")]
    Damaged(u64),
    /// The end is missing.
    #[error("the recording is cut off")]
    CutOff,
}

/// Decrypts the recording at `path` into a WAV file.
///
/// # Errors
/// If the file cannot be read, or anything in it is not as it was written. Nothing of a damaged
/// recording is returned.
pub fn decrypt_to_wav(path: &Path, key: &RecordingKey) -> Result<Vec<u8>, DecryptError> {
    let file = std::fs::read(path)?;
    let (rate, samples) = decrypt(&file, key)?;
    let mut wav = Vec::with_capacity(wav::HEADER + samples.len());
    let data_bytes = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    wav.write_all(&wav::header(rate, CHANNELS, data_bytes))?;
    wav.write_all(&samples)?;
    Ok(wav)
}

/// Sample rate and little-endian interleaved samples of a whole file.
///
/// # Errors
/// As [`decrypt_to_wav`].
pub fn decrypt(file: &[u8], key: &RecordingKey) -> Result<(u32, Vec<u8>), DecryptError> {
    let (header, mut rest) = file.split_first_chunk::<HEADER_LENGTH>().ok_or(DecryptError::NotARecording)?;
    let (opener, rate) = Opener::new(header, key)?;
    let mut samples = Vec::with_capacity(file.len());
    for block in 0.. {
        let (sealed, after) = split_block(rest)?;
        let last = after.is_empty();
        samples.extend(opener.open(sealed, block, last)?);
        if last {
            break;
        }
        rest = after;
    }
    Ok((rate, samples))
}

/// Opens the blocks of one file, in any order.
pub(super) struct Opener {
    cipher: Aes256Gcm,
    header: [u8; HEADER_LENGTH],
}

impl Opener {
    /// For the file with this header, and its sample rate.
    pub(super) fn new(header: &[u8; HEADER_LENGTH], key: &RecordingKey) -> Result<(Self, u32), DecryptError> {
        let (salt, rate) = read_header(header, key)?;
        Ok((Self { cipher: file_cipher(key, &salt), header: *header }, rate))
    }

    /// The samples of a block, given its number and whether the file ends with it.
    pub(super) fn open(&self, sealed: &[u8], block: u64, last: bool) -> Result<Vec<u8>, DecryptError> {
        let open =
            |last| self.cipher.decrypt(&nonce(block, last), Payload { msg: sealed, aad: &self.header });
        // Cut at a block's end: the block is whole, only it is not the last one.
        open(last).map_err(|_| match last && open(false).is_ok() {
            true => DecryptError::CutOff,
            false => DecryptError::Damaged(block),
        })
    }
}

fn read_header(header: &[u8; HEADER_LENGTH], key: &RecordingKey) -> Result<(Salt, u32), DecryptError> {
    let field = |range: std::ops::Range<usize>| header.get(range).unwrap_or_default();
    if field(0..8) != MAGIC {
        return Err(DecryptError::NotARecording);
    }
    if field(8..16) != key_id(key) {
        return Err(DecryptError::OtherKey);
    }
    let salt = field(16..32).first_chunk().copied().unwrap_or_default();
    let rate = field(32..36).first_chunk().copied().map(u32::from_le_bytes).unwrap_or_default();
    Ok((salt, rate))
}

fn split_block(rest: &[u8]) -> Result<(&[u8], &[u8]), DecryptError> {
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(DecryptError::CutOff)?;
    let (sealed, _) = block_lengths(*length)?;
    rest.split_at_checked(sealed).ok_or(DecryptError::CutOff)
}

/// Sealed and plain length of the block behind these bytes.
pub(super) fn block_lengths(prefix: [u8; 4]) -> Result<(usize, u64), DecryptError> {
    let sealed = u32::from_le_bytes(prefix) as usize;
    if !(TAG_LENGTH..=MAX_BLOCK).contains(&sealed) {
        return Err(DecryptError::NotARecording);
    }
    Ok((sealed, (sealed - TAG_LENGTH) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RecordingKey = RecordingKey([7; 32]);

    fn file(blocks: &[&[i16]]) -> Vec<u8> {
        let mut sealer = Sealer::new(&KEY, [3; 16], 8_000);
        let mut bytes = sealer.header().to_vec();
        for (number, block) in blocks.iter().enumerate() {
            bytes.extend(sealer.seal(block, number + 1 == blocks.len()).unwrap());
        }
        bytes
    }

    #[test]
    fn what_was_sealed_is_read_back() {
        let (rate, samples) = decrypt(&file(&[&[1, -1, 2, -2], &[], &[3, -3]]), &KEY).unwrap();
        assert_eq!(rate, 8_000);
        assert_eq!(samples, [1, 0, 255, 255, 2, 0, 254, 255, 3, 0, 253, 255]);
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let good = file(&[&[1, 2], &[3, 4]]);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decrypt(&bad, &KEY).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_missing_end_is_noticed() {
        let good = file(&[&[1, 2], &[3, 4]]);
        for length in 0..good.len() {
            assert!(decrypt(&good[..length], &KEY).is_err(), "{length} bytes");
        }
        let one_block = HEADER_LENGTH + 4 + 4 + TAG_LENGTH;
        assert!(matches!(decrypt(&good[..one_block], &KEY), Err(DecryptError::CutOff)));
    }

    #[test]
    fn another_key_is_named_as_the_reason() {
        assert!(matches!(decrypt(&file(&[&[1, 2]]), &RecordingKey([8; 32])), Err(DecryptError::OtherKey)));
    }

    #[test]
    fn two_files_of_the_same_words_share_no_block() {
        let seal = |salt| Sealer::new(&KEY, salt, 8_000).seal(&[5; 100], true).unwrap();
        assert_ne!(seal([1; 16]), seal([2; 16]));
    }
}
