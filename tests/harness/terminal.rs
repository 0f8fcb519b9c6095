//! A pseudo-terminal, somebody who types at it, and what is to be seen there.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read, Write},
    num::NonZeroU16,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use super::{Home, canary, eventually};

/// A terminal at which a line of shell runs. At its end everything that was ever written to it is searched for tokens.
pub(crate) struct Terminal {
    script: Child,
    keyboard: Option<ChildStdin>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
}

struct Seen {
    bytes: Vec<u8>,
    parser: vt100::Parser,
}

impl Terminal {
    /// Runs a line of shell in the home's folder at a terminal of this size, in columns and rows, with the binary on its path. The terminal is made by `script`
    /// of util-linux; none where there is no such program.
    pub(crate) fn run(home: &Home, (columns, rows): (u16, u16), line: &str) -> Option<Self> {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_flytoken"));
        let model = home.command(&[]);
        let mut command = Command::new("script");
        // The device's name comes first, for whoever changes its size.
        command.args(["-qec", &format!("stty cols {columns} rows {rows}; tty > terminal; {line}"), "/dev/null"]).env_clear();
        command.envs(model.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm-256color");
        let path = model.get_envs().find_map(|(name, value)| value.filter(|_| name == "PATH")).unwrap().to_str().unwrap();
        command.env("PATH", format!("{}:{path}", program.parent().unwrap().display())).env("SHELL", "/bin/sh");
        command.current_dir(model.get_current_dir().unwrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = match command.spawn() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return None,
            started => started.unwrap(),
        };
        let (keyboard, mut output) = (script.stdin.take(), script.stdout.take().unwrap());
        let size = |number| NonZeroU16::new(number).unwrap();
        let parser = vt100::Parser::new(size(rows), size(columns), 0);
        let seen = Arc::new(Mutex::new(Seen { bytes: Vec::new(), parser }));
        let shown = Arc::clone(&seen);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let mut shown = shown.lock().unwrap();
                shown.bytes.extend_from_slice(&buffer[..count]);
                shown.parser.process(&buffer[..count]);
            }
        });
        Some(Self { script, keyboard, seen, reader: Some(reader) })
    }

    /// Presses these keys.
    pub(crate) fn types(&mut self, keys: &str) {
        let keyboard = self.keyboard.as_mut().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// What is to be seen right now, line by line.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().parser.screen().contents()
    }

    /// The same with its colours, each as one escape sequence.
    pub(crate) fn painted(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let screen = seen.parser.screen();
        let line = |row: u16| {
            let (mut line, mut last) = (String::new(), String::new());
            for cell in (0..screen.size().1.get()).filter_map(|column| screen.cell(row, column)) {
                let colour = match cell.fgcolor() {
                    vt100::Color::Idx(number) => format!(";3{number}"),
                    _ => String::new(),
                };
                let codes = format!("0{}{}{colour}", if cell.bold() { ";1" } else { "" }, if cell.dim() { ";2" } else { "" });
                if codes != last {
                    let _ = write!(line, "\u{1b}[{codes}m");
                    last = codes;
                }
                line.push_str(if cell.has_contents() { cell.contents() } else { " " });
            }
            line.trim_end().to_owned() + "\n"
        };
        (0..screen.size().0.get()).map(line).collect()
    }

    /// Waits until the screen is as `wanted`, and returns it.
    pub(crate) fn shows_what(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = self.screen();
                wanted(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("{what} is not to be seen:\n{}", self.screen()))
    }

    /// Waits until this text is to be seen, and returns the screen.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.shows_what(text, |screen| screen.contains(text))
    }

    /// Whether a program has the whole screen.
    pub(crate) fn is_taken(&self) -> bool {
        self.seen.lock().unwrap().parser.screen().alternate_screen()
    }

    /// Whether the cursor is hidden.
    pub(crate) fn hides_cursor(&self) -> bool {
        self.seen.lock().unwrap().parser.screen().hide_cursor()
    }

    /// Whether anything had a colour, from the first byte on.
    pub(crate) fn had_colours(&self) -> bool {
        let text = String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned();
        let codes = text.split("\u{1b}[").filter_map(|part| part.split_once('m')).map(|(codes, _)| codes);
        codes.flat_map(|codes| codes.split(';')).any(|code| matches!(code, "31" | "32" | "33" | "38"))
    }

    /// Gives the terminal another size, in columns and rows; whoever runs there hears of it.
    pub(crate) fn resize(&self, home: &Home, (columns, rows): (u16, u16)) {
        let device = fs::read_to_string(home.path("terminal")).unwrap();
        let size = |number| NonZeroU16::new(number).unwrap();
        self.seen.lock().unwrap().parser.screen_mut().set_size(size(rows), size(columns));
        let resized =
            Command::new("stty").args(["-F", device.trim(), "cols", &columns.to_string(), "rows", &rows.to_string()]).status().unwrap();
        assert!(resized.success());
    }

    /// Waits until the line of shell is done, and returns what is to be seen then.
    pub(crate) fn ends(&mut self) -> String {
        eventually("the end", || self.script.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        self.screen()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Whoever runs at a terminal whose other end is gone is told so.
        drop(self.keyboard.take());
        let _ = self.script.kill();
        let _ = self.script.wait();
        if !thread::panicking() {
            canary::assert_clean("a terminal", &self.seen.lock().unwrap().bytes);
        }
    }
}
