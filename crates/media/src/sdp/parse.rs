//! Reading a description.

use super::{Direction, MediaLine, Remote, SdpError};
use crate::g711::Law;

/// Lines and media lines beyond these are not read: a description of a telephone call has a
/// dozen lines.
const MAX_LINES: usize = 512;
const MAX_MEDIA: usize = 16;

/// Reads a description.
///
/// # Errors
/// [`SdpError::NoAudio`] if there is no audio line over `RTP/AVP`-like transport with an address.
/// Which codecs are common is decided later, by [`super::Local::answer`] or
/// [`super::Local::accept`].
pub fn parse(text: &str) -> Result<Remote, SdpError> {
    let mut session = Section::default();
    let mut media: Vec<Section> = Vec::new();
    for (kind, value) in text.lines().take(MAX_LINES).filter_map(split_line) {
        match kind {
            'm' if media.len() == MAX_MEDIA => break,
            'm' => media.push(Section::of_media(value)),
            _ => media.last_mut().unwrap_or(&mut session).read(kind, value),
        }
    }
    remote(&session, &media)
}

/// `x=value`, trimmed; anything else is skipped.
fn split_line(line: &str) -> Option<(char, &str)> {
    let (kind, value) = line.trim_end().split_once('=')?;
    let mut letters = kind.chars();
    match (letters.next(), letters.next()) {
        (Some(kind), None) => Some((kind, value.trim())),
        _ => None,
    }
}

/// The session part, or one media line with its attributes.
#[derive(Default)]
struct Section {
    kind: String,
    port: u16,
    protocol: String,
    formats: String,
    host: Option<String>,
    direction: Option<Direction>,
    ptime_ms: Option<u32>,
    rtpmaps: Vec<(u8, String)>,
}

impl Section {
    fn of_media(value: &str) -> Self {
        let mut words = value.split_whitespace();
        let kind = words.next().unwrap_or_default().to_ascii_lowercase();
        // `5004/2` announces two ports; only the first matters.
        let port = words.next().and_then(|port| port.split('/').next()?.parse().ok()).unwrap_or(0);
        let protocol = words.next().unwrap_or_default().to_owned();
        let formats = words.collect::<Vec<_>>().join(" ");
        Self { kind, port, protocol, formats, ..Self::default() }
    }

    fn read(&mut self, kind: char, value: &str) {
        match kind {
            'c' => self.host = self.host.take().or_else(|| host_of(value)),
            'a' => self.read_attribute(value),
            _ => {}
        }
    }

    fn read_attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name.trim() {
            "sendrecv" => self.direction = Some(Direction::SendRecv),
            "sendonly" => self.direction = Some(Direction::SendOnly),
            "recvonly" => self.direction = Some(Direction::RecvOnly),
            "inactive" => self.direction = Some(Direction::Inactive),
            "ptime" => self.ptime_ms = value.trim().parse().ok(),
            "rtpmap" => self.rtpmaps.extend(rtpmap(value)),
            _ => {}
        }
    }

    fn is_plain_rtp_audio(&self) -> bool {
        let plain = matches!(self.protocol.to_ascii_uppercase().as_str(), "RTP/AVP" | "RTP/AVPF");
        self.kind == "audio" && plain
    }

    fn codecs(&self) -> Vec<Law> {
        let mut codecs = Vec::new();
        for codec in self.payload_types().filter_map(|number| self.codec_of(number)) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        codecs
    }

    fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.split(' ').filter_map(|number| number.parse().ok())
    }

    /// The static numbers mean their codec even without an `a=rtpmap`; a map that gives them
    /// another meaning is nonsense, but it is what the writer said.
    fn codec_of(&self, number: u8) -> Option<Law> {
        let law = Law::of_payload_type(number)?;
        let mapped = self.rtpmaps.iter().find(|(mapped, _)| *mapped == number);
        mapped.is_none_or(|(_, name)| encoding_is(name, law.name())).then_some(law)
    }

    /// A number that is a codec's already stays that: packets of it are heard, not read as keys.
    fn telephone_event(&self) -> Option<u8> {
        let is_audio = |number: u8| self.codec_of(number).is_some();
        let listed = |number: &u8| self.payload_types().any(|listed| listed == *number) && !is_audio(*number);
        let named = self.rtpmaps.iter().filter(|(_, name)| encoding_is(name, "telephone-event"));
        named.map(|(number, _)| *number).find(listed)
    }
}

/// `IN IP4 192.0.2.1/127` → `192.0.2.1`.
fn host_of(value: &str) -> Option<String> {
    let mut words = value.split_whitespace().skip(2);
    let host = words.next()?.split('/').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

fn rtpmap(value: &str) -> Option<(u8, String)> {
    let (number, encoding) = value.trim().split_once(' ')?;
    Some((number.parse().ok().filter(|number| *number < 128)?, encoding.trim().to_owned()))
}

/// Whether `PCMU/8000/1` is the named encoding at 8 kHz.
fn encoding_is(encoding: &str, name: &str) -> bool {
    let mut parts = encoding.split('/');
    parts.next().is_some_and(|found| found.eq_ignore_ascii_case(name)) && parts.next() == Some("8000")
}

/// Picks the first plain audio line that is not refused, or else the first plain audio line.
fn remote(session: &Section, media: &[Section]) -> Result<Remote, SdpError> {
    let alive = media.iter().position(|section| section.is_plain_rtp_audio() && section.port != 0);
    let chosen = alive.or_else(|| media.iter().position(Section::is_plain_rtp_audio));
    let any_audio = media.iter().any(|section| section.kind == "audio");
    let missing = if any_audio { SdpError::NoCodec } else { SdpError::NoAudio };
    let chosen = chosen.ok_or(missing)?;
    let audio = media.get(chosen).ok_or(SdpError::NoAudio)?;
    let host = audio.host.clone().or_else(|| session.host.clone()).ok_or(SdpError::NoAudio)?;
    Ok(Remote {
        direction: direction(session, audio, &host),
        host,
        port: audio.port,
        codecs: audio.codecs(),
        telephone_event: audio.telephone_event(),
        ptime_ms: audio.ptime_ms.or(session.ptime_ms),
        media: media.iter().enumerate().map(|(at, section)| line(section, at == chosen)).collect(),
    })
}

fn direction(session: &Section, audio: &Section, host: &str) -> Direction {
    let written = audio.direction.or(session.direction).unwrap_or_default();
    match (host, written) {
        ("0.0.0.0" | "::", Direction::SendRecv | Direction::RecvOnly) => Direction::Inactive,
        _ => written,
    }
}

fn line(section: &Section, chosen: bool) -> MediaLine {
    let Section { kind, protocol, formats, .. } = section;
    MediaLine { kind: kind.clone(), protocol: protocol.clone(), formats: formats.clone(), chosen }
}
