//! Processes: those that are not ours, and ours in other circumstances.

use std::process::Command;

use rustix::{
    process::{Pid, Uid, test_kill_process},
    thread::set_thread_res_uid,
};

/// Whether a process lives. A dead one whose new parent, process 1 of some container, never collects it does not count.
pub(crate) fn is_there(pid: u32) -> bool {
    let is_dead = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    !is_dead && test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
}

/// The command, after a line of shell.
pub(crate) fn wrapped(line: &str, command: &Command) -> Command {
    let mut wrapped = Command::new("/bin/sh");
    wrapped.args(["-c", &format!("{line}; exec \"$0\" \"$@\"")]).arg(command.get_program()).args(command.get_args());
    wrapped.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.current_dir(command.get_current_dir().unwrap());
    wrapped
}

/// Does something as another user, in a thread of its own: the kernel knows a user for each thread.
pub(crate) fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let user = Uid::from_raw(NOBODY);
    let become_and_work = || {
        set_thread_res_uid(user, user, user).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(become_and_work).join().unwrap())
}

/// Some user who is neither root nor anybody else here.
pub(crate) const NOBODY: u32 = 65_533;
