//! A word's text as bytes: one block of the modem, and how often it is repeated.

use super::Voice;

/// Bytes carried by one symbol.
pub(super) const BYTES_PER_SYMBOL: usize = 3;
/// Length of a symbol, milliseconds.
pub(super) const SYMBOL_MS: usize = 20;
/// Longest text of one block, bytes: its length has four bits in the header.
const MAX_TEXT: usize = 16;
/// Header and checksum.
const OVERHEAD: usize = 4;
/// Ends a piece of a long word that goes on in the next block.
const GOES_ON: u8 = 0x01;
/// Starts a piece that continues the block before.
const CONTINUES: u8 = 0x02;

/// One intact copy of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) piece: Piece,
    pub(super) voice: Voice,
    /// Which repetition this is, from 0.
    pub(super) index: usize,
}

/// A word, or a part of a word too long for one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) continues: bool,
    pub(super) goes_on: bool,
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_TEXT);
        bytes.extend(self.continues.then_some(CONTINUES));
        bytes.extend(self.text.as_bytes());
        bytes.extend(self.goes_on.then_some(GOES_ON));
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (continues, bytes) = match bytes {
            [CONTINUES, rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (goes_on, bytes) = match bytes {
            [rest @ .., GOES_ON] => (true, rest),
            _ => (false, bytes),
        };
        let text = std::str::from_utf8(bytes).ok()?;
        (!text.is_empty() && !text.chars().any(char::is_control)).then(|| Self {
            text: text.to_owned(),
            continues,
            goes_on,
        })
    }

    /// Symbols of one copy, its sync symbol included.
    pub(super) fn block_symbols(&self) -> usize {
        1 + payload_symbols(self.bytes().len())
    }

    /// How often the block is sent: as often as fits into the time a person needs to say it, at
    /// least three times, so that two copies may be lost. The ear computes the same from the text.
    pub(super) fn copies(&self) -> usize {
        let natural_ms = 100 + 50 * self.text.chars().count();
        let block_ms = self.block_symbols() * SYMBOL_MS;
        (natural_ms + block_ms / 2).div_euclid(block_ms).clamp(3, 8)
    }
}

/// Symbols after the sync symbol for a text of `text_len` bytes.
pub(super) fn payload_symbols(text_len: usize) -> usize {
    (text_len + OVERHEAD).div_ceil(BYTES_PER_SYMBOL)
}

/// The text length that a block's first byte announces.
pub(super) fn announced_len(header: u8) -> usize {
    usize::from(header >> 4) + 1
}

/// Cuts a word into pieces that fit into blocks.
pub(super) fn pieces(word: &str) -> Vec<Piece> {
    let word: String = word.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    if word.is_empty() {
        return Vec::new();
    }
    if word.len() <= MAX_TEXT {
        return vec![Piece { text: word, continues: false, goes_on: false }];
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for letter in word.chars() {
        match pieces.last_mut() {
            Some(piece) if piece.text.len() + letter.len_utf8() <= MAX_TEXT - 2 => piece.text.push(letter),
            last => {
                let continues = last.is_some();
                if let Some(piece) = last {
                    piece.goes_on = true;
                }
                pieces.push(Piece { text: letter.into(), continues, goes_on: false });
            }
        }
    }
    pieces
}

/// The bytes of one copy, padded to whole symbols.
pub(super) fn pack(piece: &Piece, voice: Voice, index: usize) -> Vec<u8> {
    let text = piece.bytes();
    let voice_bit = u8::from(voice == Voice::Agent) << 3;
    let header = ((text.len() - 1) as u8) << 4 | voice_bit | (index as u8 & 7);
    let mut block = vec![header];
    block.extend(&text);
    let checksum = crc24(&block).to_be_bytes();
    block.extend(&checksum[1..]);
    block.resize(payload_symbols(text.len()) * BYTES_PER_SYMBOL, 0);
    block
}

/// Reads what [`pack`] wrote; `None` unless the checksum and every invariant hold.
pub(super) fn unpack(block: &[u8]) -> Option<Copy> {
    let header = *block.first()?;
    let end = 1 + announced_len(header);
    let (body, rest) = (block.get(..end)?, block.get(end..)?);
    let [a, b, c, padding @ ..] = rest else { return None };
    if crc24(body) != u32::from_be_bytes([0, *a, *b, *c]) || padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    let piece = Piece::parse(&body[1..])?;
    let index = usize::from(header & 7);
    let voice = if header & 8 == 0 { Voice::Caller } else { Voice::Agent };
    (index < piece.copies()).then_some(Copy { piece, voice, index })
}

/// CRC-24 with the polynomial of RFC 9580: noise passes once in sixteen million tries.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4cfb }
        })
    })
}
