//! Files in the recordings' store: strangers' bytes, and our own with one byte changed.

use crate::bytes::Bytes;
use std::io::Cursor;
use talkif_media::wav;
use talkif_session::RecordingKey;
use talkif_session::recording::Reader;
use talkif_session::recording::format::{Sealer, decrypt};

const KEY: RecordingKey = RecordingKey([0x5a; 32]);
const RATE: u32 = 8_000;

/// The first byte chooses: the bytes as a file, or a recording of them, whole and damaged.
///
/// # Panics
/// If anything is read that was not written so.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    if bytes.byte().is_multiple_of(2) { foreign(bytes.rest()) } else { own(&mut bytes) }
}

/// A file that the key's owner did not write is no recording, but for those in the corpus.
fn foreign(file: &[u8]) {
    let whole = decrypt(file, &KEY);
    let Ok(mut reader) = Reader::over(Cursor::new(file), &KEY) else {
        assert!(whole.is_err(), "what is whole can be read in parts");
        return;
    };
    let part = reader.read(wav::HEADER as u64..reader.length());
    match &whole {
        Ok((_, samples)) => assert!(part.is_ok_and(|part| samples.starts_with(&part))),
        Err(_) => assert!(part.is_err() || reader.length() > wav::HEADER as u64),
    }
}

/// `place (2 bytes) change (1 byte) block length (1 byte) samples`.
fn own(bytes: &mut Bytes<'_>) {
    let (place, change, block) = (bytes.short(), bytes.byte(), usize::from(bytes.byte()).max(1));
    let samples: Vec<i16> =
        bytes.rest().as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let plain: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut file = seal(&samples, block);
    assert_eq!(decrypt(&file, &KEY).ok(), Some((RATE, plain.clone())));
    assert_eq!(read_in_parts(&file).as_deref(), Some(plain.as_slice()));
    let at = usize::from(place) % file.len();
    if let Some(byte) = file.get_mut(at).filter(|_| change != 0) {
        *byte ^= change;
        assert!(decrypt(&file, &KEY).is_err(), "byte {at} was changed unnoticed");
        // Who reads nothing checks nothing.
        assert!(plain.is_empty() || read_in_parts(&file).is_none(), "byte {at} was changed unnoticed");
    }
    file.truncate(at);
    assert!(decrypt(&file, &KEY).is_err(), "cut off unnoticed at {at}");
}

fn seal(samples: &[i16], block: usize) -> Vec<u8> {
    let mut sealer = Sealer::new(&KEY, [7; 16], RATE);
    let mut file = sealer.header().to_vec();
    let blocks: Vec<&[i16]> = if samples.is_empty() { vec![&[]] } else { samples.chunks(block).collect() };
    for (at, samples) in blocks.iter().enumerate() {
        file.extend(sealer.seal(samples, at + 1 == blocks.len()).unwrap_or_else(|error| panic!("{error}")));
    }
    file
}

/// All samples, a block at a time; `None` if any cannot be read.
fn read_in_parts(file: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::over(Cursor::new(file), &KEY).ok()?;
    let mut samples = Vec::new();
    loop {
        let from = (wav::HEADER + samples.len()) as u64;
        let part = reader.read(from..reader.length()).ok()?;
        if from >= reader.length() {
            return Some(samples);
        }
        assert!(!part.is_empty(), "a part is at least one byte");
        samples.extend(part);
    }
}
