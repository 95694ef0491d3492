//! What a process, the servers and the machine have used, as the kernel counts it.

use std::path::Path;

/// So far.
pub(crate) struct Usage {
    /// Of this process, seconds of a core.
    pub(crate) cpu: f64,
    /// Of livekit-server and livekit-sip together.
    pub(crate) servers: f64,
    /// Of the machine, all cores together.
    pub(crate) machine: f64,
    /// Of this process, resident, MiB.
    pub(crate) memory: f64,
}

impl Usage {
    pub(crate) fn now() -> Self {
        let pages: f64 = read("/proc/self/statm").split_whitespace().nth(1).unwrap().parse().unwrap();
        Self {
            cpu: process(Path::new("/proc/self")).unwrap(),
            servers: servers(),
            machine: machine(),
            memory: pages * 4.0 / 1_024.0,
        }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// User and system time, which are in hundredths of a second.
fn process(folder: &Path) -> Option<f64> {
    let stat = read(folder.join("stat"));
    let fields: Vec<f64> =
        stat.rsplit(')').next()?.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    Some((fields.get(11)? + fields.get(12)?) / 100.0)
}

fn servers() -> f64 {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let servers = processes.filter(|folder| read(folder.join("comm")).starts_with("livekit-s"));
    servers.filter_map(|folder| process(&folder)).sum()
}

/// All but idle time and waiting for the disk.
fn machine() -> f64 {
    let stat = read("/proc/stat");
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let times: Vec<f64> = fields.map(|field| field.parse().unwrap()).collect();
    (times.iter().sum::<f64>() - times[3] - times[4]) / 100.0
}
