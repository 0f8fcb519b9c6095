//! What this machine can enforce.

use std::path::Path;

use super::{
    accounts::{Accounts, SystemAccounts},
    text::Platform,
};
use crate::audience::Audience;

/// The machine as far as rules depend on it. Handed in, so that tests can be about another one.
pub struct Machine {
    /// Its operating system.
    pub platform: Platform,
    /// Whether it tells which program a process runs.
    pub tells_programs: bool,
    /// Whether it tells this process also which programs the processes of other users run.
    pub tells_others_programs: bool,
    /// Whom the agent answers, and so whose processes have to be looked at.
    pub audience: Audience,
    /// Whether it tells the control group of a process.
    pub tells_cgroups: bool,
    /// Its users and groups.
    pub accounts: Box<dyn Accounts>,
}

impl Machine {
    /// This one, as far as this process may look at it.
    pub fn here(audience: Audience) -> Self {
        let own = Path::new("/proc/self");
        Self {
            platform: if cfg!(target_os = "macos") { Platform::Macos } else { Platform::Linux },
            tells_programs: std::fs::read_link(own.join("exe")).is_ok(),
            tells_others_programs: may_look_at_others(),
            audience,
            tells_cgroups: std::fs::read_to_string(own.join("cgroup")).is_ok_and(|text| !text.trim().is_empty()),
            accounts: Box::new(SystemAccounts),
        }
    }

    /// Why a rule that names this fact of a client cannot be enforced here.
    pub(super) fn lacks(&self, fact: &str) -> Option<&'static str> {
        match (self.platform, fact) {
            (Platform::Macos, _) => Some("only Linux tells it of a process: write `on: linux` into the rule"),
            (Platform::Linux, "unit" | "cgroup") if !self.tells_cgroups => Some("this kernel has no control groups"),
            (Platform::Linux, "executable" | "root-owned" | "sha256" | "group") if !self.tells_programs => Some("there is no /proc here"),
            (Platform::Linux, "executable" | "root-owned" | "sha256")
                if self.audience == Audience::Everybody && !self.tells_others_programs =>
            {
                Some(WITHOUT_CAPABILITY)
            }
            (Platform::Linux, _) => None,
        }
    }
}

/// Whether this process may look at the programs of other users' processes: what the kernel lets a debugger do.
#[cfg(target_os = "linux")]
fn may_look_at_others() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_PTRACE))
}

#[cfg(not(target_os = "linux"))]
fn may_look_at_others() -> bool {
    false
}

const WITHOUT_CAPABILITY: &str = "which programs other users run is told to nobody without CAP_SYS_PTRACE. Type `systemctl edit flytoken-system`, and add \
to [Service] the lines `AmbientCapabilities=CAP_SYS_PTRACE` and `CapabilityBoundingSet=CAP_SYS_PTRACE`; or name clients by `user`, `group` or `unit`";
