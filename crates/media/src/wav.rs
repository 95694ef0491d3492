//! WAV files of 16-bit PCM: the header for a recording, and a reader for tests and prompts.

/// Bytes of the header [`header`] makes.
pub const HEADER: usize = 44;
/// 16-bit samples.
const SAMPLE_BYTES: u32 = 2;
/// PCM, in the format chunk.
const PCM: u16 = 1;

/// The header of a file with `data_bytes` of interleaved little-endian 16-bit samples.
#[must_use]
pub fn header(rate: u32, channels: u16, data_bytes: u32) -> [u8; HEADER] {
    let frame_bytes = u32::from(channels) * SAMPLE_BYTES;
    let byte_rate = rate.saturating_mul(frame_bytes);
    let [align0, align1, ..] = frame_bytes.to_le_bytes();
    let mut bytes = [0; HEADER];
    let parts: [&[u8]; 12] = [
        b"RIFF",
        &data_bytes.saturating_add(36).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        &PCM.to_le_bytes(),
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &byte_rate.to_le_bytes(),
        &[align0, align1],
        &16_u16.to_le_bytes(),
        b"data",
        &data_bytes.to_le_bytes(),
    ];
    for (to, from) in bytes.iter_mut().zip(parts.concat()) {
        *to = from;
    }
    bytes
}

/// A whole file of interleaved samples.
#[must_use]
pub fn write(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data_bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut file = header(rate, channels, data_bytes).to_vec();
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// A file read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second and channel.
    pub rate: u32,
    /// Channels, interleaved in `samples`.
    pub channels: u16,
    /// The samples.
    pub samples: Vec<i16>,
}

/// A file that is not 16-bit PCM WAV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWav {
    /// No RIFF/WAVE header.
    #[error("not a RIFF/WAVE file")]
    Header,
    /// Another encoding than 16-bit PCM.
    #[error("not 16-bit PCM")]
    Encoding,
    /// No format before the data, or no data.
    #[error("no format or data chunk")]
    Chunks,
}

/// Reads a file, skipping chunks it does not know. A file cut short, or one whose writer never
/// came to fill in the lengths, yields the samples that are there.
///
/// # Errors
/// If it is not 16-bit PCM WAV.
pub fn read(file: &[u8]) -> Result<Wav, NotWav> {
    let (riff, mut rest) = file.split_first_chunk::<12>().ok_or(NotWav::Header)?;
    if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
        return Err(NotWav::Header);
    }
    let mut format = None;
    while let Some((id, body, after)) = chunk(rest) {
        match id {
            b"fmt " => format = Some(read_format(body)?),
            b"data" => return read_data(format, body),
            _ => {}
        }
        rest = after;
    }
    Err(NotWav::Chunks)
}

/// Name, body and what follows; chunks are padded to even lengths.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?.min(rest.len());
    let (body, after) = rest.split_at(length);
    Some((id, body, after.get(length % 2..).unwrap_or_default()))
}

fn read_format(body: &[u8]) -> Result<(u32, u16), NotWav> {
    let head = body.first_chunk::<16>().ok_or(NotWav::Encoding)?;
    let [f0, f1, c0, c1, r0, r1, r2, r3, .., b0, b1] = *head;
    let (format, channels) = (u16::from_le_bytes([f0, f1]), u16::from_le_bytes([c0, c1]));
    if format != PCM || u16::from_le_bytes([b0, b1]) != 16 || channels == 0 {
        return Err(NotWav::Encoding);
    }
    Ok((u32::from_le_bytes([r0, r1, r2, r3]), channels))
}

fn read_data(format: Option<(u32, u16)>, body: &[u8]) -> Result<Wav, NotWav> {
    let (rate, channels) = format.ok_or(NotWav::Chunks)?;
    let (pairs, _) = body.as_chunks::<2>();
    Ok(Wav { rate, channels, samples: pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stereo_file_reads_back() {
        let samples = vec![1, -1, 300, -300, i16::MAX, i16::MIN];
        let file = write(8_000, 2, &samples);
        assert_eq!(file.len(), HEADER + 12);
        assert_eq!(read(&file), Ok(Wav { rate: 8_000, channels: 2, samples }));
    }

    #[test]
    fn the_header_has_the_fields_where_players_look_for_them() {
        let header = header(48_000, 2, 1_000);
        assert_eq!(header[4..8], 1_036_u32.to_le_bytes());
        assert_eq!(header[22..24], [2, 0]);
        assert_eq!(header[28..32], 192_000_u32.to_le_bytes());
        assert_eq!((header[32..34].to_vec(), header[34..36].to_vec()), (vec![4, 0], vec![16, 0]));
        assert_eq!(header[40..44], 1_000_u32.to_le_bytes());
    }

    #[test]
    fn unknown_chunks_are_skipped_and_a_missing_length_is_tolerated() {
        let mut file = write(8_000, 1, &[5, 6]);
        file.splice(36..36, *b"LIST\x03\0\0\0abc\0");
        assert_eq!(read(&file).map(|wav| wav.samples), Ok(vec![5, 6]));
        let mut streamed = header(8_000, 1, u32::MAX).to_vec();
        streamed.extend([5, 0, 6, 0]);
        assert_eq!(read(&streamed).map(|wav| wav.samples), Ok(vec![5, 6]));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(read(b"OggS"), Err(NotWav::Header));
        let mut eight_bit = write(8_000, 1, &[1]);
        eight_bit[34] = 8;
        assert_eq!(read(&eight_bit), Err(NotWav::Encoding));
    }

    proptest! {
        #[test]
        fn reading_any_bytes_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), fix in any::<bool>()) {
            if fix && bytes.len() > 16 {
                bytes.splice(0..16, *b"RIFF\0\0\0\0WAVEfmt ");
            }
            let _ = read(&bytes);
        }
    }
}
