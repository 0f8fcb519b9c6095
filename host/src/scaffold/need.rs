//! What a source needs of the host beyond its settings.

use clap::ValueEnum;

use super::{Language, vendored};

/// Something that a source needs of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Need {
    /// Requests to granted origins
    Http,
    /// Granted files, by name
    Files,
    /// Granted programs with their arguments
    Commands,
    /// The user's own login, as a secret
    Login,
    /// One sealed record of its own for each app and kind
    Records,
    /// Granted variables of the agent
    Env,
    /// TCP to granted destinations
    Sockets,
    /// To remember what other sources obtained
    Keeper,
}

/// All that one source needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needs(Vec<Need>);

/// What the source of a new project does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Example {
    /// A token from the settings.
    Settings,
    /// A token in the JSON that a URL answers with.
    Http,
    /// A token in a granted file.
    Files,
    /// What other sources obtained.
    Keeper,
}

impl Needs {
    pub(super) fn of(needs: &[Need]) -> Self {
        let mut needs = needs.to_vec();
        // Each call is a fresh instance: without a record there is nothing to remember with.
        if needs.contains(&Need::Keeper) {
            needs.push(Need::Records);
        }
        needs.sort();
        needs.dedup();
        Self(needs)
    }

    pub(super) fn include(&self, need: Need) -> bool {
        self.0.contains(&need)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Need> {
        self.0.iter().copied()
    }

    /// The example that shows most of them.
    pub(super) fn example(&self) -> Example {
        let examples = [(Need::Keeper, Example::Keeper), (Need::Http, Example::Http), (Need::Files, Example::Files)];
        examples.into_iter().find(|(need, _)| self.include(*need)).map_or(Example::Settings, |(_, example)| example)
    }

    /// Whether the source would have both a way to read and a way out, which somebody has to agree to in so many words.
    pub(super) fn may_leak(&self) -> bool {
        self.include(Need::Env) && [Need::Http, Need::Sockets, Need::Commands].into_iter().any(|need| self.include(need))
    }

    /// A list for the README: each need, and how it is called in this language.
    pub(super) fn explained(&self, language: Language) -> String {
        let lines = self.iter().map(|need| format!("- `{}`: {}\n", need.word(), need.call(language))).collect::<Vec<_>>().concat();
        if lines.is_empty() {
            return "This source needs nothing but its settings.\n".to_owned();
        }
        format!("It was made for these needs, each with its grant:\n\n{lines}")
    }
}

impl Need {
    /// As it is typed.
    pub(super) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The interfaces that a world imports for it, with their versions.
    pub(super) fn imports(self) -> Vec<String> {
        let contract = |name: &str| vec![format!("flytoken:source/{name}@{}", vendored::contract_version())];
        let wasi = |names: &[&str]| names.iter().map(|name| format!("wasi:{name}@{}", vendored::wasi_version())).collect();
        match self {
            Self::Http => wasi(&["http/outgoing-handler"]),
            Self::Files => contract("files"),
            Self::Commands => contract("command"),
            Self::Login => contract("login"),
            Self::Records => contract("records"),
            Self::Env => wasi(&["cli/environment"]),
            Self::Sockets => wasi(&["sockets/instance-network", "sockets/ip-name-lookup", "sockets/tcp", "sockets/tcp-create-socket"]),
            Self::Keeper => Vec::new(),
        }
    }

    /// How it is called.
    fn call(self, language: Language) -> &'static str {
        use Language::{Javascript, Python, Rust};
        match (self, language) {
            (Self::Http, Rust) => "`Host.send(&HttpRequest::get(url))`",
            (Self::Http, Python) => "`http_json(url)` in `http_json.py`, over `wasi:http`",
            (Self::Http, Javascript) => "`httpJson(url)` in `http-json.js`, over `wasi:http`",
            (Self::Files, Rust) => "`Host.file(name)` seals a file; `Host.file_bytes(name)` reads one that is granted `as: bytes`",
            (Self::Files, Python | Javascript) => {
                "`files.seal(name)` seals a file; `files.read(name)` reads one that is granted `as: bytes`"
            }
            (Self::Commands, Rust) => "`Host.run(program, &args)`, both exactly as they are granted",
            (Self::Commands, Python | Javascript) => "`command.run(program, args)`, both exactly as they are granted",
            (Self::Login, Rust) => "`Host.login()`",
            (Self::Login, Python | Javascript) => "`login.current()`",
            (Self::Records, Rust) => "`Host.load()`, `Host.save(lease)`, `Host.remove()`",
            (Self::Records, Python | Javascript) => "`records.load()`, `records.save(lease)`, `records.remove()`",
            (Self::Env, Rust) => "`std::env::var(name)`",
            (Self::Env, Python) => "`environment.get_environment()`, a list of pairs",
            (Self::Env, Javascript) => "`environment.getEnvironment()`, a list of pairs",
            (Self::Sockets, Rust) => "`std::net::TcpStream::connect((name, port))`",
            (Self::Sockets, Python | Javascript) => "`wasi:sockets`: look up a granted name with `ip-name-lookup`, then connect with `tcp`",
            (Self::Keeper, Rust) => "the trait `Keeper`; in the configuration `role: memory`",
            (Self::Keeper, Python | Javascript) => "the export `keeper`; in the configuration `role: memory`",
        }
    }
}

impl Example {
    /// What it does, in words that go on after a colon.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Settings => "it answers with the token in its settings",
            Self::Http => "it asks a URL, and seals a field of the JSON that comes back",
            Self::Files => "it passes on the token in a granted file, without reading it",
            Self::Keeper => "it remembers what other sources obtained",
        }
    }
}
