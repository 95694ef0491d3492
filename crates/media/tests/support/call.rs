//! The media path of one call, frame by frame: what a leg and its session do every 20 ms.

use talkif_media::g711::Law;
use talkif_media::jitter::{Arrival, Frame, JitterBuffer};
use talkif_media::plc::Concealer;
use talkif_media::resample::Resampler;
use talkif_media::rtp::{Packet, Stamper};
use talkif_media::vad::{Config, Vad};

/// One call in virtual time.
pub struct Call {
    far: Stamper,
    near: Stamper,
    jitter: JitterBuffer,
    concealer: Concealer,
    vad: Vad,
    datagram: Vec<u8>,
    decoded: Vec<i16>,
    frame: [i16; 160],
    payload: Vec<u8>,
    n: u64,
}

impl Call {
    /// A call that starts.
    pub fn new() -> Self {
        Self {
            far: Stamper::new(1, 1, 1),
            near: Stamper::new(2, 2, 2),
            jitter: JitterBuffer::default(),
            concealer: Concealer::default(),
            vad: Vad::new(8_000, Config::default()).unwrap(),
            datagram: Vec::with_capacity(200),
            decoded: Vec::with_capacity(160),
            frame: [0; 160],
            payload: Vec::with_capacity(160),
            n: 0,
        }
    }

    /// Makes the far end's next packet; `talk` is 20 ms of its voice.
    pub fn far_end_sends(&mut self, talk: &[i16]) {
        self.payload.clear();
        Law::Mu.encode_all(talk, &mut self.payload);
        let header = self.far.stamp(0, self.n == 0);
        self.far.advance(160);
        self.datagram.clear();
        header.write(&self.payload, &mut self.datagram);
    }

    /// Parses the packet, decodes it and puts it into the jitter buffer.
    pub fn take(&mut self) {
        let Ok(packet) = Packet::parse(&self.datagram) else { panic!("our own packet") };
        self.decoded.clear();
        Law::Mu.decode_all(packet.payload, &mut self.decoded);
        let header = packet.header;
        let (sequence, timestamp, ssrc) = (header.sequence, header.timestamp, header.ssrc);
        let arrival = Arrival { sequence, timestamp, ssrc, samples: &self.decoded };
        self.jitter.push(arrival, self.n * 20_000);
    }

    /// Plays the next frame out of the jitter buffer, concealing what is missing.
    pub fn play(&mut self) {
        self.n += 1;
        match self.jitter.pull(self.n * 20_000 - 13_000, &mut self.frame) {
            Frame::Audio => self.concealer.good(&mut self.frame),
            Frame::Lost => {
                self.concealer.lost(&mut self.frame);
            }
            Frame::Silence => {}
        }
    }

    /// Looks for speech in what was played.
    pub fn listen(&mut self) {
        self.vad.process(&self.frame, self.n * 20_000);
    }

    /// Encodes and stamps a frame of ours.
    pub fn answer(&mut self, talk: &[i16]) {
        self.payload.clear();
        Law::Mu.encode_all(talk, &mut self.payload);
        let header = self.near.stamp(0, false);
        self.near.advance(160);
        self.datagram.clear();
        header.write(&self.payload, &mut self.datagram);
    }
}

/// Something like a voice: a buzz whose pitch and level change, with pauses.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a few seconds of samples")]
pub fn voice(frame: u64) -> [i16; 160] {
    let talking = frame % 100 < 60;
    std::array::from_fn(|n| {
        let t = (frame * 160 + n as u64) as f32 / 8_000.0;
        let pitch = 120.0 + 30.0 * (t * 3.0).sin();
        let buzz: f32 =
            (1..12).map(|k| (t * pitch * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum();
        if talking { (buzz * 4_000.0 * (0.6 + 0.4 * (t * 9.0).sin())) as i16 } else { (n % 7) as i16 }
    })
}

/// The converter a LiveKit leg needs.
pub fn down_from_48k() -> Resampler {
    Resampler::new(48_000, 8_000).unwrap()
}
