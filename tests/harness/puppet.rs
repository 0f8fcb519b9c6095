//! A process that does what a test tells it: connects, speaks, becomes another program, or hands its connection on and goes.
//!
//! It is this test binary, copied to where the test wants it to lie and started anew, so that it needs no program that a machine may lack.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
};

/// Writes a program, over what lies there, by a process of its own: this one is forked by other tests all the time, and none of what they
/// start may hold the file open for writing, since one that somebody writes to cannot be run.
pub(crate) fn write_program(path: &Path, bytes: &[u8]) {
    let mut command = Command::new("sh");
    let mut child = command.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A process that is told what to do, line by line.
pub(crate) struct Puppet {
    child: Child,
    orders: ChildStdin,
    /// Its standard error: on standard output libtest has its own to say.
    says: BufReader<ChildStderr>,
}

impl Puppet {
    /// Copies the program of all puppets to a path, as [`write_program`] writes one.
    pub(crate) fn copy_to(program: &Path) {
        let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(program).status().unwrap();
        assert!(copied.success(), "{copied}");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Starts the puppet that lies at this path.
    pub(crate) fn start(program: &Path) -> Self {
        Self::start_by(Command::new(program))
    }

    /// Starts a puppet by a command that becomes its program.
    pub(crate) fn start_by(mut command: Command) -> Self {
        let test = format!("{}::a_puppet_does_what_it_is_told", module_path!().split_once("::").unwrap().1);
        command.args([&test, "--exact", "--nocapture", "--test-threads=1"]).env_clear().env(ROLE, "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (orders, says) = (child.stdin.take().unwrap(), BufReader::new(child.stderr.take().unwrap()));
        Self { child, orders, says }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it connect to a socket.
    pub(crate) fn connect(&mut self, socket: &Path) {
        assert_eq!(self.tell(&format!("connect {}", socket.display())), "done");
    }

    /// Has it send these bytes on its connection.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.tell(&format!("send {}", digits(bytes))), "done");
    }

    /// The body of the next frame that it receives; none if it was hung up on.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let said = self.tell("receive");
        said.strip_prefix("frame ").map(bytes)
    }

    /// Has it become another program, by a line of shell whose standard input and output are the connection, and whose standard error is read by
    /// [`Self::rest`].
    pub(crate) fn become_shell(&mut self, line: &str) {
        writeln!(self.orders, "become {line}").unwrap();
    }

    /// Has it start a program in the same way, hand its connection on to that, and wait for it to say something.
    pub(crate) fn start_shell(&mut self, line: &str) {
        assert_eq!(self.tell(&format!("start {line}")), "done");
    }

    /// Waits for one line of whatever is on its standard error.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Everything that is written to its standard error from now on.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.says.read_to_end(&mut rest).unwrap();
        rest
    }

    /// Ends it, and waits until it is gone. What it started goes on.
    pub(crate) fn end(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    fn tell(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        self.line()
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a puppet does; nothing in a usual run of the tests.
#[test]
fn a_puppet_does_what_it_is_told() {
    #[expect(clippy::disallowed_methods, reason = "it is how a puppet is told from a usual run of the tests")]
    if std::env::var(ROLE).is_err() {
        return;
    }
    let mut stream = None;
    for order in io::stdin().lines() {
        let order = order.unwrap();
        let (verb, rest) = order.split_once(' ').unwrap_or((&order, ""));
        match verb {
            "connect" => {
                stream = Some(UnixStream::connect(rest).unwrap());
                say("done");
            }
            "send" => {
                say(if stream.as_mut().unwrap().write_all(&bytes(rest)).is_ok() { "done" } else { "closed" });
            }
            "receive" => say(&received(stream.as_mut().unwrap()).unwrap_or_else(|_| "closed".into())),
            "become" => panic!("{}", shell(stream.take().unwrap(), rest).exec()),
            "start" => {
                #[expect(clippy::zombie_processes, reason = "it is there to outlive this process")]
                shell(stream.take().unwrap(), rest).spawn().unwrap();
                say("done");
            }
            _ => panic!("a puppet does not know how to {order}"),
        }
    }
}

fn received(stream: &mut UnixStream) -> io::Result<String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok(format!("frame {}", digits(&body)))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn shell(stream: UnixStream, line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).stdin(Stdio::from(OwnedFd::from(stream.try_clone().unwrap()))).stdout(Stdio::from(OwnedFd::from(stream)));
    command
}

fn say(line: &str) {
    io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Set for puppets alone.
const ROLE: &str = "FLYTOKEN_TEST_PUPPET";
