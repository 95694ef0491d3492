//! The edge: the components, served by Spin or by the built-in host.

use super::process::Process;
use super::stores::Stores;
use super::{Binaries, Host, Options, READY_WITHIN, Secrets, free_port};
use anyhow::Result;
use std::path::Path;

/// Starts the edge and returns with the address of its API when that answers.
pub(super) async fn start_edge(
    binaries: &Binaries,
    options: &Options,
    logs: &Path,
    stores: &Stores,
    secrets: &Secrets,
    artifacts: u16,
) -> Result<(Process, String)> {
    let host =
        options.host.unwrap_or_else(|| if binaries.spin().is_some() { Host::Spin } else { Host::Builtin });
    let ready = options.state.join("edge.ready");
    let port = if options.port == 0 { free_port().await? } else { options.port };
    let mut command = match host {
        Host::Spin => binaries.spin_command(&options.state, port)?,
        Host::Builtin => binaries.builtin_command(&options.state, port, &ready)?,
    };
    let api_url = format!("http://127.0.0.1:{port}");
    let variables = [
        ("REGION", options.region.as_str().to_owned()),
        ("DATABASE_URL", guest_address(&stores.database_url)),
        ("DIRECTORY_URL", guest_address(&stores.directory_url)),
        ("REDIS_URL", stores.redis_url.clone()),
        ("FERNET_KEY", secrets.fernet_key.clone()),
        ("PUBLIC_URL", api_url.clone()),
        ("ARTIFACTS_URL", format!("http://127.0.0.1:{artifacts}")),
        ("ARTIFACTS_KEY", secrets.artifacts_key.clone()),
        ("LOCAL_MODE", "true".to_owned()),
    ];
    let hosts = [
        ("DATABASE_HOST", host_and_port(&stores.database_url, 5432)),
        ("DIRECTORY_HOST", host_and_port(&stores.directory_url, 5432)),
        ("REDIS_HOST", host_and_port(&stores.redis_url, 6379)),
    ];
    let hosts = hosts.into_iter().filter_map(|(name, host)| Some((name, host?)));
    for (name, value) in variables.into_iter().chain(hosts) {
        command.env(format!("SPIN_VARIABLE_{name}"), value);
    }
    let mut process = Process::start("edge", &command, logs, &ready)?;
    process.answers(&format!("{api_url}/healthz"), READY_WITHIN).await?;
    Ok((process, api_url))
}

/// `host:port` of a store's address, so that components may reach it and nothing else. `None`
/// where the address names no host.
fn host_and_port(url: &str, usual_port: u16) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match (host.is_empty(), has_port) {
        (true, _) => None,
        (false, true) => Some(host.to_owned()),
        (false, false) => Some(format!("{host}:{usual_port}")),
    }
}

/// Guests get a statement timeout as a belt: an abandoned statement must not hold a connection.
fn guest_address(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!(
        "{url}{separator}options=-c%20statement_timeout%3D10000%20-c%20idle_in_transaction_session_timeout%3D10000"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_may_reach_the_stores_of_the_addresses() {
        let table = [
            ("postgres://talkif:p%40ss@127.0.0.1:5433/talkif", Some("127.0.0.1:5433")),
            ("postgres://db.example/talkif?sslmode=require", Some("db.example:5432")),
            ("postgres://u@[::1]/talkif", Some("[::1]:5432")),
            ("postgres://[::1]:5433/talkif", Some("[::1]:5433")),
            ("postgres:///talkif?host=/run/postgresql", None),
        ];
        for (url, expected) in table {
            assert_eq!(host_and_port(url, 5432).as_deref(), expected, "{url}");
        }
        assert_eq!(host_and_port("redis://127.0.0.1", 6379).as_deref(), Some("127.0.0.1:6379"));
    }
}
