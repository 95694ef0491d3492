//! A voice for people: espeak-ng, where it is installed.

use crate::speech::{Spoken, resample};
use std::process::Stdio;
use tokio::process::Command;

/// Bytes of a WAV header without extra chunks, as espeak-ng writes it.
const HEADER: usize = 44;

/// Speaks a text as one piece; nothing if espeak-ng is missing or fails.
pub(super) async fn speak(text: &str, language: &str, rate: u32) -> Vec<Spoken> {
    let output = Command::new("espeak-ng")
        .args(["--stdout", "-v", language, "-s", "165", "--", text])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let samples = match output {
        Ok(output) if output.status.success() => wav_samples(&output.stdout, rate),
        Ok(_) | Err(_) => Vec::new(),
    };
    if samples.is_empty() {
        tracing::warn!("espeak-ng is missing or failed: the voice is silent");
        return Vec::new();
    }
    let end_ms = samples.len() as u64 * 1000 / u64::from(rate);
    vec![Spoken { text: text.trim().into(), start_ms: 0, end_ms, samples }]
}

fn wav_samples(wav: &[u8], rate: u32) -> Vec<i16> {
    let Some((header, body)) = wav.split_at_checked(HEADER) else { return Vec::new() };
    let from = u32::from_le_bytes([header[24], header[25], header[26], header[27]]);
    let samples: Vec<i16> = body.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    resample(&samples, from, rate)
}
