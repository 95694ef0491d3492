//! SDP offers and answers (RFC 4566, RFC 3264) for one audio stream: PCMU, PCMA and
//! telephone-event.
//!
//! [`parse`] is lenient: it skips lines it does not know and takes both `\r\n` and `\n`. What it
//! insists on is what a call needs: an `m=audio` line with a port and an address for it.
//! Other media in an offer are refused in the answer by port 0, as RFC 3264 asks.

mod parse;
mod write;

use crate::g711::Law;
use std::net::IpAddr;

pub use parse::parse;

/// The dynamic payload type we offer for telephone-events: 101, as nearly everybody does.
pub const TELEPHONE_EVENT: u8 = 101;

/// Packet time we send, milliseconds.
pub const PTIME_MS: u32 = 20;

/// Which way media flows, from the point of view of whoever wrote the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The writer only sends: it has put us on hold.
    SendOnly,
    /// The writer only listens.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// What an answer to this direction says.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::SendRecv | Self::Inactive => self,
        }
    }

    /// Whether the writer wants to hear us.
    #[must_use]
    pub const fn listens(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// Whether the writer sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Our own side of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Where the far end is to send.
    pub address: IpAddr,
    /// Its RTP port.
    pub port: u16,
    /// Number of the session, the same in every description of a call.
    pub session: u64,
    /// Grows with every new description of a call.
    pub version: u64,
    /// Codecs, the best first.
    pub codecs: Vec<Law>,
}

/// What the far end wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Host of the `c=` line that holds for the audio: an address or, rarely, a name.
    pub host: String,
    /// RTP port; 0 refuses the stream.
    pub port: u16,
    /// The codecs we know, in the writer's order.
    pub codecs: Vec<Law>,
    /// Payload type of `telephone-event/8000`, if listed.
    pub telephone_event: Option<u8>,
    /// Packet time the writer would like to receive, milliseconds.
    pub ptime_ms: Option<u32>,
    /// Direction, as the writer sees it. `c=0.0.0.0`, the old way of holding, reads as
    /// [`Direction::Inactive`] or, with `sendonly`, stays that.
    pub direction: Direction,
    /// All media lines in order, for the answer.
    pub media: Vec<MediaLine>,
}

/// One `m=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `video` …
    pub kind: String,
    /// `RTP/AVP` …
    pub protocol: String,
    /// Its formats, as written.
    pub formats: String,
    /// Whether this is the line the call uses.
    pub chosen: bool,
}

impl Remote {
    /// The address, if the host is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the writer has put us on hold: it does not want to hear us.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !self.direction.listens()
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// What we send.
    pub codec: Law,
    /// Payload type of telephone-events, if the far end takes them.
    pub telephone_event: Option<u8>,
}

/// A description that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// No audio line with an address; the text may not be SDP at all. 400.
    #[error("no usable audio line")]
    NoAudio,
    /// Audio, but neither PCMU nor PCMA over plain RTP. 488.
    #[error("no common codec")]
    NoCodec,
    /// The far end answered with port 0.
    #[error("audio refused")]
    Refused,
}

impl Local {
    /// A whole offer.
    #[must_use]
    pub fn offer(&self) -> String {
        write::offer(self)
    }

    /// The answer to `offer` and what it settles. Our preference of codecs yields to the
    /// offerer's order, as RFC 3264 recommends.
    ///
    /// # Errors
    /// If no codec is common.
    pub fn answer(&self, offer: &Remote) -> Result<(String, Agreed), SdpError> {
        let agreed = self.agree(offer)?;
        Ok((write::answer(self, offer, agreed), agreed))
    }

    /// What `answer`, received for our offer, settles.
    ///
    /// # Errors
    /// If the audio is refused or no codec is common.
    pub fn accept(&self, answer: &Remote) -> Result<Agreed, SdpError> {
        if answer.port == 0 { Err(SdpError::Refused) } else { self.agree(answer) }
    }

    fn agree(&self, remote: &Remote) -> Result<Agreed, SdpError> {
        let common = |codec: &Law| self.codecs.contains(codec);
        let codec = remote.codecs.iter().copied().find(common).ok_or(SdpError::NoCodec)?;
        Ok(Agreed { codec, telephone_event: remote.telephone_event })
    }
}

#[cfg(test)]
mod tests;
