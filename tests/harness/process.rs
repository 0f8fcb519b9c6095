//! Processes that are not ours.

use rustix::process::{Pid, test_kill_process};

/// Whether a process lives. A dead one whose new parent, process 1 of some container, never collects it does not count.
pub(crate) fn is_there(pid: u32) -> bool {
    let is_dead = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    !is_dead && test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
}
