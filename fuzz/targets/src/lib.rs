//! What the fuzz targets do with their input.
//!
//! Each target is a function from bytes to nothing: it hands them to the product's own code, at
//! the place where a stranger's bytes come in, and asserts what must hold whatever they are. A
//! panic is a finding. The coverage-guided runs (`fuzz/fuzz_targets`) and the tests of this crate,
//! which CI runs, call the same functions.
//!
//! This crate does not know how inputs are found or kept; see `fuzz/README.md` for that.
//!
//! To add a target: a module with a `pub fn run(data: &[u8])`, a line in [`TARGETS`], a file in
//! `fuzz/fuzz_targets`, and seeds in `fuzz/corpus`. A test fails until all four are there.

pub mod bytes;
pub mod cartesia;
pub mod deepgram;
pub mod flow_yaml;
pub mod json_bodies;
pub mod openai_sse;
pub mod optout;
pub mod phone;
pub mod recording;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod telephone_event;
pub mod template;

/// A target: what is fed with bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its corpus and of its program.
    pub name: &'static str,
    /// Panics if something that must hold does not.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "cartesia", run: cartesia::run },
    Target { name: "deepgram", run: deepgram::run },
    Target { name: "flow_yaml", run: flow_yaml::run },
    Target { name: "json_bodies", run: json_bodies::run },
    Target { name: "openai_sse", run: openai_sse::run },
    Target { name: "optout", run: optout::run },
    Target { name: "phone", run: phone::run },
    Target { name: "recording", run: recording::run },
    Target { name: "rtp", run: rtp::run },
    Target { name: "sdp", run: sdp::run },
    Target { name: "sip", run: sip::run },
    Target { name: "telephone_event", run: telephone_event::run },
    Target { name: "template", run: template::run },
];
