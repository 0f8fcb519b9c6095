//! Running a service manager's command: with little of the environment, and not for ever.

use std::{
    io::{self, Read},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::Invocation;
use crate::system::Environment;

impl Invocation {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Why it did not do what it should, in words: what it said itself, where it said something.
    pub fn run(&self, environment: &Environment) -> Result<(), String> {
        let mut command = Command::new(self.program);
        command.args(&self.args).env_clear();
        // No token in a variable is anybody's business.
        command.envs(PASSED.into_iter().filter_map(|name| Some((name, environment.var(name)?))));
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => format!("there is no `{}` here", self.program),
            _ => format!("`{}` cannot be started: {cause}", self.program),
        })?;
        let said = child.stderr.take().map(|stderr| thread::spawn(move || first_line(stderr)));
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            match child.try_wait() {
                Ok(Some(status)) if status.success() || self.may_fail => return Ok(()),
                Ok(Some(status)) => {
                    let said = said.and_then(|said| said.join().ok()).filter(|said| !said.is_empty());
                    return Err(said.unwrap_or_else(|| format!("`{}` ended with {status}", self.program)));
                }
                Ok(None) => thread::sleep(PAUSE),
                Err(cause) => return Err(format!("`{}` cannot be waited for: {cause}", self.program)),
            }
        }
        // It may be gone by now, and nothing more can be done if not.
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("`{}` did not end within {} s", self.program, PATIENCE.as_secs()))
    }
}

/// What it says first, which is what matters; the rest is read, so that nobody waits to be read.
fn first_line(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.by_ref().take(MOST_SAID).read_to_end(&mut bytes);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&bytes).lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// What `systemctl` and `launchctl` need to find the manager of this user.
const PASSED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// A manager that starts an agent may take as long as that does to compile components.
const PATIENCE: Duration = Duration::from_mins(2);

const PAUSE: Duration = Duration::from_millis(5);

/// No message that is worth showing is longer.
const MOST_SAID: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_in_the_programs_own_words() {
        let environment: Environment = [("PATH", "/usr/bin:/bin"), ("FLY_API_TOKEN", "secret")].into_iter().collect();
        let sh = |line: &str| Invocation::new("sh", &["-c", line]);
        let run = |invocation: &Invocation| invocation.run(&environment).err();
        assert_eq!(run(&sh("exit 0")), None);
        assert_eq!(run(&sh("echo; echo no bus >&2; echo more >&2; exit 1")).as_deref(), Some("no bus"));
        assert_eq!(run(&sh("yes | head -c 1000000 >&2; exit 3")).as_deref(), Some("y"));
        assert_eq!(run(&sh("exit 3")).as_deref(), Some("`sh` ended with exit status: 3"));
        assert_eq!(run(&sh("exit 3").or_not()), None);
        assert_eq!(run(&sh("test -z \"$FLY_API_TOKEN\"")), None, "a token is nobody's business");
        assert_eq!(run(&Invocation::new("no-such-program", &[])).as_deref(), Some("there is no `no-such-program` here"));
    }
}
