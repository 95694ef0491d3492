//! `talkif-lab`: the phone lab as a process.

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use std::io::Write;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use talkif_lab::phones::{CarrierOptions, Trunk};
use talkif_lab::standins::{Delays, Faults, Vendors, VoiceKind};
use talkif_lab::{Lab, LabOptions};
use tokio::signal::unix::{SignalKind, signal};

/// Virtual phones, a carrier, and stand-ins of Deepgram, OpenAI and Cartesia.
///
/// Control: PUT /lab/phones/{e164} {"persona":"books"}, POST /lab/calls, PUT /lab/faults,
/// GET /lab/log, GET /lab/healthz. Stand-ins: /deepgram/, /openai/v1, /cartesia.
#[derive(Debug, Parser)]
#[command(name = "talkif-lab", version)]
struct Arguments {
    /// SIP address of the carrier; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:5070")]
    sip: SocketAddr,
    /// HTTP address of control and stand-ins; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:8070")]
    http: SocketAddr,
    /// RTP ports, such as 41000-41999 [default: chosen by the system]
    #[arg(long, value_name = "FROM-TO", value_parser = ports)]
    rtp_ports: Option<RangeInclusive<u16>>,
    /// Digest user that callers of the carrier need
    #[arg(long, requires = "trunk_password")]
    trunk_user: Option<String>,
    /// Digest password that callers of the carrier need
    #[arg(long, requires = "trunk_user", env = "TALKIF_LAB_TRUNK_PASSWORD")]
    trunk_password: Option<String>,
    /// How long the vendors take to answer
    #[arg(long, value_enum, default_value_t = DelaysArgument::None)]
    delays: DelaysArgument,
    /// Seed of realistic delays
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The voice of the text-to-speech stand-in: only `modem` is understood by the lab's phones
    #[arg(long, value_enum, default_value_t = VoiceArgument::Modem)]
    voice: VoiceArgument,
    /// The key that the stand-ins accept [default: any]
    #[arg(long)]
    vendor_key: Option<String>,
    /// How long phones ring, milliseconds
    #[arg(long, default_value_t = 600)]
    ring_ms: u64,
    /// Write the addresses to this file, as JSON, when ready
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DelaysArgument {
    /// At once
    None,
    /// As published
    Realistic,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VoiceArgument {
    /// Text carried as audio
    Modem,
    /// espeak-ng, for people with a softphone
    Espeak,
}

fn ports(text: &str) -> Result<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').context("expected FROM-TO")?;
    let (from, to) = (from.trim().parse()?, to.trim().parse()?);
    ensure!(from < to, "the range is empty");
    Ok(from..=to)
}

impl Arguments {
    fn options(&self) -> LabOptions {
        let trunk = self.trunk_user.clone().zip(self.trunk_password.clone());
        LabOptions {
            http: self.http,
            carrier: CarrierOptions {
                listen: self.sip,
                rtp_ports: self.rtp_ports.clone(),
                trunk: trunk.map(|(user, password)| Trunk { user, password }),
                ring: Duration::from_millis(self.ring_ms),
            },
            vendors: Vendors {
                delays: match self.delays {
                    DelaysArgument::None => Delays::none(),
                    DelaysArgument::Realistic => Delays::realistic(self.seed),
                },
                faults: Faults::default(),
                key: self.vendor_key.clone(),
                voice: match self.voice {
                    VoiceArgument::Modem => VoiceKind::Modem,
                    VoiceArgument::Espeak => VoiceKind::Espeak,
                },
            },
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let lab = Lab::start(arguments.options()).await?;
    if let Some(path) = &arguments.ready_file {
        write_ready(path, &lab)?;
    }
    // Nobody may be reading: a closed pipe is no reason to stop.
    let _ = writeln!(std::io::stdout(), "lab ready sip={} http={}", lab.sip(), lab.http());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    lab.stop().await;
    Ok(())
}

/// Written beside and moved, so that a reader sees all of it or nothing.
fn write_ready(path: &Path, lab: &Lab) -> Result<()> {
    let json = serde_json::json!({ "sip": lab.sip(), "http": lab.http() });
    let part = path.with_extension("part");
    std::fs::write(&part, format!("{json}\n")).context("the ready file cannot be written")?;
    std::fs::rename(&part, path).context("the ready file cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_port_range_is_read() {
        assert_eq!(ports("41000-41999").unwrap(), 41_000..=41_999);
        assert!(ports("41000").is_err() && ports("5-4").is_err());
    }
}
