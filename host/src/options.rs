//! The command line. Flags that Spin has too are called as in Spin.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Serves the components of a spin.toml.
///
/// Application variables come from SPIN_VARIABLE_<NAME>; the log's level from RUST_LOG.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "talkif-host", version)]
pub struct Options {
    /// The manifest
    #[arg(short = 'f', long, default_value = "spin.toml")]
    pub from: PathBuf,
    /// The address to listen on; port 0 picks a free one
    #[arg(long, env = "SPIN_HTTP_LISTEN_ADDR", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// Look for each component's file in this directory instead of where the manifest says
    #[arg(long)]
    pub component_dir: Option<PathBuf>,
    /// Keep compiled components here, for a faster start next time
    #[arg(long)]
    pub cache_dir: Option<PathBuf>,
    /// Write the address as a URL and a newline to this file once requests are accepted
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// Requests that one instance serves in its life
    #[arg(long, default_value_t = 128)]
    pub max_instance_reuse_count: usize,
    /// Requests that one instance serves at the same time; above 1, a trap fails all of them
    #[arg(long, default_value_t = 1)]
    pub max_instance_concurrent_reuse_count: usize,
    /// How long an idle instance is kept (ms, s, m)
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub idle_instance_timeout: Duration,
    /// How long a request may take until it is answered with 504 (ms, s, m)
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub request_timeout: Duration,
    /// How long a client may take to send the head of its next request; its connection is closed
    /// then (ms, s, m)
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub header_timeout: Duration,
    /// How long a client may take to send a request's body; it is answered with 408 then (ms, s, m)
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub body_timeout: Duration,
    /// The longest request body; longer ones are answered with 413 (KiB, MiB)
    #[arg(long, default_value = "2MiB", value_parser = parse_size)]
    pub max_body: usize,
    /// The most memory an instance may hold (KiB, MiB)
    #[arg(long, default_value = "128MiB", value_parser = parse_size)]
    pub max_instance_memory: usize,
    /// Instances that may exist at the same time
    #[arg(long, default_value_t = 512)]
    pub max_instances: u32,
    /// Requests in flight; further ones wait
    // As many as there are connections to one database: more would only wait for each other.
    #[arg(long, default_value_t = 64)]
    pub max_requests: usize,
    /// How long further ones wait until they are answered with 503 (ms, s, m)
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub queue_timeout: Duration,
    /// Connections at the same time; for each further one, that which was idle longest is closed
    #[arg(long, default_value_t = 4096)]
    pub max_connections: usize,
    /// How long requests in flight may go on after a signal to stop (ms, s, m)
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub shutdown_timeout: Duration,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 =
        digits.parse().map_err(|_| format!("`{text}` is not a duration such as 500ms or 30s"))?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => Ok(Duration::from_secs(amount)),
        "m" => Ok(Duration::from_secs(amount.saturating_mul(60))),
        unit => Err(format!("`{unit}` is not one of ms, s and m")),
    }
}

fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: usize =
        digits.parse().map_err(|_| format!("`{text}` is not a size such as 512KiB or 2MiB"))?;
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        unit => return Err(format!("`{unit}` is not one of KiB and MiB")),
    };
    amount.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("30").is_err());
        assert!(parse_duration("s").is_err());
    }

    #[test]
    fn sizes_are_bytes_unless_they_carry_a_unit() {
        assert_eq!(parse_size("17"), Ok(17));
        assert_eq!(parse_size("2MiB"), Ok(2 << 20));
        assert!(parse_size("2MB").is_err());
    }
}
