//! Which servers an address names, and whether a component may reach them.

use super::OutboundHosts;
use super::binding::wire::Error;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Refuses an address that names a server outside `hosts`, or no server at all.
pub(super) fn check(address: &str, hosts: &OutboundHosts) -> Result<(), Error> {
    let config: Config = address.parse().map_err(|error: tokio_postgres::Error| failed(error.to_string()))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(failed("the address names no host".to_owned()));
    }
    // A host address overrides the host it belongs to, so it is checked like one.
    for (index, address) in config.get_hostaddrs().iter().enumerate() {
        check_server(&address.to_string(), port_of(&config, index), hosts)?;
    }
    for (index, host) in config.get_hosts().iter().enumerate() {
        match host {
            Host::Tcp(name) => check_server(name, port_of(&config, index), hosts)?,
            Host::Unix(_) => return Err(failed("Unix sockets are not supported".to_owned())),
        }
    }
    Ok(())
}

fn check_server(name: &str, port: Option<u16>, hosts: &OutboundHosts) -> Result<(), Error> {
    if hosts.allow("postgres", name, port) {
        return Ok(());
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Err(failed(format!("address postgres://{name}{port} is not permitted")))
}

/// One port may stand for all hosts.
fn port_of(config: &Config, index: usize) -> Option<u16> {
    match config.get_ports() {
        [single] => Some(*single),
        ports => ports.get(index).copied(),
    }
}

fn failed(reason: String) -> Error {
    Error::ConnectionFailed(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str) -> bool {
        let hosts = OutboundHosts::parse(&["postgres://db:5432".to_owned()]).unwrap();
        check(address, &hosts).is_ok()
    }

    #[test]
    fn every_server_of_an_address_is_checked() {
        assert!(allowed("postgres://db"));
        assert!(allowed("host=db port=5432"));
        assert!(!allowed("postgres://db:5433"));
        assert!(!allowed("postgres://db,other/x"));
        assert!(!allowed("host=db hostaddr=10.0.0.1"));
        assert!(!allowed("host=/run/postgresql"));
        assert!(!allowed("user=nobody"));
    }

    #[test]
    fn addresses_of_version_6_are_compared_as_addresses() {
        let hosts = OutboundHosts::parse(&["postgres://[2001:db8::5]:5432".to_owned()]).unwrap();
        for allowed in ["postgres://u@[2001:db8::5]:5432/db", "host=2001:db8:0::5", "hostaddr=2001:db8::5"] {
            assert!(check(allowed, &hosts).is_ok(), "{allowed}");
        }
        assert!(check("postgres://u@[2001:db8::6]:5432/db", &hosts).is_err());
    }
}
