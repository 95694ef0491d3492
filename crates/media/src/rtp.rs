//! RTP packets (RFC 3550): parsing what a stranger sends, stamping what we send.

/// The version every packet carries in its first two bits.
const VERSION: u8 = 2;
/// Bytes of the fixed header.
const FIXED: usize = 12;

/// The fixed header, without CSRCs and extension, which telephony does not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// 7 bits: 0 is PCMU, 8 is PCMA, 96 and up as SDP says.
    pub payload_type: u8,
    /// Start of a talk spurt or of a telephone-event.
    pub marker: bool,
    /// Counts packets, wraps.
    pub sequence: u16,
    /// Counts samples, wraps.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
}

/// A packet whose payload is borrowed from the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// What it carries, without padding.
    pub payload: &'a [u8],
}

/// A datagram that is not RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRtp {
    /// The datagram ends before its header, CSRC list, extension or padding does.
    #[error("truncated")]
    Truncated,
    /// Another version: STUN, DTLS or garbage.
    #[error("not RTP version 2")]
    Version,
    /// RTCP sent to the same port.
    #[error("RTCP")]
    Rtcp,
}

impl<'a> Packet<'a> {
    /// Reads a datagram, skipping CSRCs, extension and padding.
    ///
    /// # Errors
    /// If it is not RTP or its lengths do not fit.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, NotRtp> {
        let (fixed, rest) = datagram.split_first_chunk::<FIXED>().ok_or(NotRtp::Truncated)?;
        if fixed[0] >> 6 != VERSION {
            return Err(NotRtp::Version);
        }
        // RFC 5761: these values of the second byte are RTCP packet types.
        if (192..=223).contains(&fixed[1]) {
            return Err(NotRtp::Rtcp);
        }
        let rest = skip_csrcs_and_extension(fixed[0], rest).ok_or(NotRtp::Truncated)?;
        let payload = strip_padding(fixed[0], rest).ok_or(NotRtp::Truncated)?;
        Ok(Self { header: Header::of_fixed(fixed), payload })
    }
}

impl Header {
    fn of_fixed(fixed: &[u8; FIXED]) -> Self {
        let [_, type_byte, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        Self {
            payload_type: type_byte & 0x7f,
            marker: type_byte & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        }
    }

    /// Appends the packet of this header and `payload` to `into`.
    pub fn write(&self, payload: &[u8], into: &mut Vec<u8>) {
        into.push(VERSION << 6);
        into.push((u8::from(self.marker) << 7) | (self.payload_type & 0x7f));
        into.extend(self.sequence.to_be_bytes());
        into.extend(self.timestamp.to_be_bytes());
        into.extend(self.ssrc.to_be_bytes());
        into.extend(payload);
    }
}

fn skip_csrcs_and_extension(first: u8, rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.get(usize::from(first & 0x0f) * 4..)?;
    if first & 0x10 == 0 {
        return Some(rest);
    }
    let (head, rest) = rest.split_first_chunk::<4>()?;
    rest.get(usize::from(u16::from_be_bytes([head[2], head[3]])) * 4..)
}

fn strip_padding(first: u8, rest: &[u8]) -> Option<&[u8]> {
    if first & 0x20 == 0 {
        return Some(rest);
    }
    let padding = usize::from(*rest.last()?);
    if padding == 0 { None } else { rest.get(..rest.len().checked_sub(padding)?) }
}

/// How far sequence number `later` lies after `earlier`, negative if before, across the wrap.
#[must_use]
pub const fn sequence_distance(earlier: u16, later: u16) -> i16 {
    later.wrapping_sub(earlier).cast_signed()
}

/// How far timestamp `later` lies after `earlier`, negative if before, across the wrap.
#[must_use]
pub const fn timestamp_distance(earlier: u32, later: u32) -> i32 {
    later.wrapping_sub(earlier).cast_signed()
}

/// Stamps the packets of one outgoing stream: the sequence grows by one a packet, the timestamp
/// by the samples of every tick, whether or not a packet was sent in it.
#[derive(Debug, Clone)]
pub struct Stamper {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Stamper {
    /// A stream; RFC 3550 wants all three numbers random.
    #[must_use]
    pub const fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence, timestamp }
    }

    /// The header of a packet that starts at the present timestamp.
    pub fn stamp(&mut self, payload_type: u8, marker: bool) -> Header {
        self.stamp_at(payload_type, marker, self.timestamp)
    }

    /// The header of a packet that belongs to an earlier timestamp, such as a telephone-event.
    pub fn stamp_at(&mut self, payload_type: u8, marker: bool, timestamp: u32) -> Header {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Header { payload_type, marker, sequence, timestamp, ssrc: self.ssrc }
    }

    /// Time passes by so many samples.
    pub const fn advance(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// The present timestamp.
    #[must_use]
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header =
        Header { payload_type: 8, marker: true, sequence: 65_535, timestamp: 4_000_000_000, ssrc: 7 };

    #[test]
    fn a_written_packet_reads_back() {
        let mut datagram = Vec::new();
        HEADER.write(&[1, 2, 3], &mut datagram);
        assert_eq!(Packet::parse(&datagram), Ok(Packet { header: HEADER, payload: &[1, 2, 3] }));
    }

    #[test]
    fn csrcs_extension_and_padding_are_skipped() {
        let mut datagram = Vec::new();
        HEADER.write(&[], &mut datagram);
        datagram[0] |= 0x20 | 0x10 | 2;
        datagram.extend([0; 8]); // two CSRCs
        datagram.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]); // one word of extension
        datagram.extend([42, 43, 0, 0, 3]); // payload and three bytes of padding
        assert_eq!(Packet::parse(&datagram).map(|packet| packet.payload), Ok(&[42, 43][..]));
    }

    #[test]
    fn lengths_that_do_not_fit_are_truncated_packets() {
        let mut datagram = Vec::new();
        HEADER.write(&[0, 0, 9], &mut datagram);
        for (flags, what) in [(0x2f, "15 CSRCs"), (0x10, "an extension"), (0x20, "9 bytes of padding")] {
            let mut broken = datagram.clone();
            broken[0] |= flags;
            assert_eq!(Packet::parse(&broken), Err(NotRtp::Truncated), "{what}");
        }
    }

    #[test]
    fn rtcp_and_stun_are_told_apart() {
        let mut rtcp = vec![0x80, 200];
        rtcp.resize(28, 0);
        assert_eq!(Packet::parse(&rtcp), Err(NotRtp::Rtcp));
        assert_eq!(Packet::parse(&[0; 20]), Err(NotRtp::Version));
    }

    #[test]
    fn the_stamper_wraps_and_keeps_time_through_silence() {
        let mut stamper = Stamper::new(1, 65_535, u32::MAX - 159);
        let first = stamper.stamp(0, true);
        stamper.advance(160);
        stamper.advance(160);
        let second = stamper.stamp(0, false);
        assert_eq!((first.sequence, second.sequence), (65_535, 0));
        assert_eq!(timestamp_distance(first.timestamp, second.timestamp), 320);
        assert_eq!(sequence_distance(first.sequence, second.sequence), 1);
    }

    proptest! {
        #[test]
        fn parsing_any_bytes_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fix in any::<bool>()) {
            if let (true, Some(first)) = (fix, bytes.first_mut()) {
                *first = (*first & 0x3f) | 0x80;
            }
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + 12 <= bytes.len());
            }
        }
    }
}
