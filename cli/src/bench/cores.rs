//! Who may run where: the node alone on one core, and everybody else on the others, so that what
//! one core carries is measured beside a load that is not on it.

use super::process_stats::{children, name_of, program_of};
use anyhow::{Context as _, Result, bail};

/// The processes that a call costs, by what they are.
pub(crate) struct Processes {
    pub(crate) node: u32,
    pub(crate) host: u32,
    pub(crate) lab: u32,
}

impl Processes {
    /// Finds them below this process. `node_shell` supervises the node.
    pub(crate) fn find(node_shell: u32) -> Result<Self> {
        let all = children(std::process::id());
        let named = |name: &str| {
            let found = all.iter().copied().find(|pid| name_of(*pid).as_deref() == Some(name));
            found.with_context(|| format!("{name} does not run"))
        };
        Ok(Self { node: program_of(node_shell)?, host: named("talkif-host")?, lab: named("talkif-lab")? })
    }

    /// Keeps everybody but the node from the core that [`last`] gave it; false on a machine with
    /// one core.
    pub(crate) fn part(&self) -> Result<bool> {
        let Some(last) = last()? else { return Ok(false) };
        let others = format!("0-{}", last - 1);
        let own = std::process::id();
        for pid in children(own).into_iter().chain([own]).filter(|pid| *pid != self.node) {
            bind(pid, &others)?;
        }
        Ok(true)
    }
}

/// The node's core; none on a machine that has but one. Not the first, which is where a machine
/// does most of its own work.
pub(crate) fn last() -> Result<Option<usize>> {
    let status = std::fs::read_to_string("/proc/self/status").context("the cores of this process")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    Ok(last_of_many(allowed.trim()))
}

/// Of a list as the kernel writes it: `0-3,8`.
fn last_of_many(list: &str) -> Option<usize> {
    let (_, last) = list.rsplit_once(['-', ','])?;
    last.parse().ok().filter(|last| *last > 0)
}

/// All threads of a process; those that it starts later inherit the choice.
fn bind(pid: u32, cores: &str) -> Result<()> {
    let mut taskset = std::process::Command::new("taskset");
    let output = taskset.args(["-a", "-c", "-p", cores, &pid.to_string()]).output();
    let output = output.context("taskset, of util-linux, cannot be run")?;
    // A process that has ended meanwhile needs no core.
    if !output.status.success() && name_of(pid).is_some() {
        bail!("process {pid} cannot be bound: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_is_taken_only_where_there_are_others() {
        assert_eq!(last_of_many("0-1"), Some(1));
        assert_eq!(last_of_many("0-3,8"), Some(8));
        assert_eq!(last_of_many("4"), None);
        assert_eq!(last_of_many(""), None);
    }
}
