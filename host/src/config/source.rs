//! One source as it is configured: its component, what it may do, how long it may take.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::names::SourceName;
use crate::{
    command::{CommandGrant, Placeholder},
    granted_files::{FileForm, FileGrant},
    http::HttpGrant,
    kind::Kind,
    network::SocketGrant,
};

/// One source as it is configured.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration, and none excludes another")]
pub struct SourceConfig {
    /// Its name, by which chains, records and reports call it.
    pub name: SourceName,
    /// The code that runs.
    pub component: ComponentRef,
    /// Whether it runs at all. One that does not is loaded nowhere, and passed over by every chain that names it.
    pub enabled: bool,
    /// The SHA-256 digest that the component's file must have.
    pub sha256: Option<[u8; 32]>,
    /// Whether a file is loaded although no digest is named.
    pub dev: bool,
    /// What the component may import at most, as somebody agreed to; none if nobody was asked.
    pub imports: Option<BTreeSet<String>>,
    /// Its part in the chain.
    pub role: Role,
    /// What the source itself reads, as text by key.
    pub settings: BTreeMap<String, String>,
    /// How long one call may take, at most 120 s.
    pub timeout: Duration,
    /// Whether its leases come into being when it is asked, rather than being looked up.
    pub mints: bool,
    /// Whether its leases are kept durably.
    pub keep: bool,
    /// Whether what it minted is revoked once a newer mint has taken its place.
    pub revoke_on_replace: bool,
    /// What it may do.
    pub grants: Grants,
    /// What an administrator's policy made of it; none if it is as it was configured.
    pub ruled: Option<Ruled>,
}

/// What an administrator's policy made of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruled {
    /// It does not run.
    Forbidden,
    /// It runs with less.
    Cut {
        /// The rule, by its place in the policy.
        rule: String,
        /// What was taken, as people read it.
        what: String,
    },
}

/// The code of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentRef {
    /// A component compiled into the host, by its name without `builtin:`; one of [`BUILTINS`].
    Builtin(String),
    /// A component in a file, by its absolute path.
    File(PathBuf),
}

impl fmt::Display for ComponentRef {
    /// As it is written in a configuration file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "builtin:{name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The names behind `builtin:`.
pub const BUILTINS: [&str; 7] = ["storage", "config", "cli", "manual", "file", "environment", "vault-http"];

/// A source's part in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers from wherever tokens come from.
    #[default]
    Live,
    /// Is handed leases to remember, and is skipped when somebody wants a newer one.
    Memory,
    /// Remembers what a user set by hand.
    Manual,
}

/// What a source may do. Nothing is granted by default: what is not granted is not linked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grants {
    /// May read the text of the secrets it holds.
    pub reveal: bool,
    /// Is offered the login, as a secret.
    pub login: bool,
    /// May keep durable, sealed records.
    pub records: Option<Records>,
    /// The commands it may run, each with its arguments.
    pub commands: Vec<CommandGrant>,
    /// The files it may have, by the names it knows them by.
    pub files: BTreeMap<String, FileGrant>,
    /// The origins it may send requests to.
    pub http: Vec<HttpGrant>,
    /// The destinations it may connect to.
    pub sockets: Vec<SocketGrant>,
    /// The variables of the host's own that it sees.
    pub env: Vec<String>,
    /// Memory of one call in bytes, at most 1 GiB; none is the runtime's default.
    pub memory: Option<u64>,
    /// May have both a way to read secrets and a way out.
    pub may_leak: bool,
}

impl Grants {
    /// What is granted, by name, in the order in which it is documented. Memory is a limit and no grant.
    pub fn names(&self) -> Vec<&'static str> {
        let given = [
            ("reveal", self.reveal),
            ("login", self.login),
            ("records", self.records.is_some()),
            ("commands", !self.commands.is_empty()),
            ("files", !self.files.is_empty()),
            ("http", !self.http.is_empty()),
            ("sockets", !self.sockets.is_empty()),
            ("env", !self.env.is_empty()),
            ("may-leak", self.may_leak),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// A way to read secrets, by the grant's name, if there is one.
    pub fn way_to_read(&self) -> Option<&'static str> {
        let bytes = self.files.values().any(|file| file.form == FileForm::Bytes);
        let ways = [("reveal", self.reveal), ("files", bytes), ("env", !self.env.is_empty())];
        ways.into_iter().find(|(_, is_open)| *is_open).map(|(name, _)| name)
    }

    /// A way to pass on what was read, by the grant's name, if there is one.
    pub fn way_out(&self) -> Option<&'static str> {
        let ways = [("commands", self.commands.is_empty()), ("http", self.http.is_empty()), ("sockets", self.sockets.is_empty())];
        ways.into_iter().find(|(_, is_closed)| !*is_closed).map(|(name, _)| name)
    }

    /// Takes every way out.
    pub fn close_ways_out(&mut self) {
        self.commands.clear();
        self.http.clear();
        self.sockets.clear();
    }

    /// Whether nothing is granted here that `others` do not grant as well. Memory is a limit and no ability.
    pub fn are_within(&self, others: &Self) -> bool {
        let Self { reveal, login, records, commands, files, http, sockets, env, memory: _, may_leak } = self;
        let flags = [(reveal, others.reveal), (login, others.login), (may_leak, others.may_leak)];
        flags.iter().all(|(granted, other)| !**granted || *other)
            && (records.is_none() || *records == others.records)
            && commands.iter().all(|command| others.commands.contains(command))
            && files.iter().all(|(name, file)| others.files.get(name) == Some(file))
            && http.iter().all(|origin| others.http.contains(origin))
            && sockets.iter().all(|socket| others.sockets.contains(socket))
            && env.iter().all(|name| others.env.contains(name))
    }
}

/// How much a source's records matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Records {
    /// They may be thrown away: what they hold can be obtained again.
    Cache,
    /// They may not.
    Kept,
}

impl SourceConfig {
    /// Whether any bytes run that its file holds: nothing says which they have to be.
    pub fn is_unpinned(&self) -> bool {
        self.sha256.is_none() && matches!(self.component, ComponentRef::File(_))
    }

    /// Whether a token that it mints for an app tells the numbers of that very app: only `builtin:cli` does, for kinds that are limited to an
    /// app, and only while each command that it may run is about the app or the organisation that is asked for. One about `{id}` mints nothing.
    pub fn teaches_ids(&self, kind: Kind) -> bool {
        let about = |grant: &CommandGrant| {
            let holds = |placeholder| grant.args.iter().any(|argument| argument.holds(placeholder));
            holds(Placeholder::App) || holds(Placeholder::Org) || grant.holds(Placeholder::Id)
        };
        self.mints
            && self.component == ComponentRef::Builtin("cli".into())
            && matches!(kind, Kind::Readonly | Kind::Deploy | Kind::Ssh | Kind::MachineExec)
            && self.grants.commands.iter().all(about)
    }

    /// Digest over what a kept lease depends on: role, settings, grants and the pinned digest. A lease obtained under another one is
    /// absent. The component's own digest is the runtime's to add.
    ///
    /// Time and memory are left out, as is what decides about loading alone: more or less of them gives no other lease.
    pub fn digest(&self) -> [u8; 32] {
        /// Fields in this order, maps sorted by key: the same configuration has the same bytes in every process.
        #[derive(Serialize)]
        struct Canonical<'a> {
            role: Role,
            sha256: Option<[u8; 32]>,
            settings: &'a BTreeMap<String, String>,
            reveal: bool,
            login: bool,
            records: Option<Records>,
            commands: &'a [CommandGrant],
            // Left out where there are none, so that what was kept before there were any still counts.
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            files: &'a BTreeMap<String, FileGrant>,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            env: &'a [String],
            #[serde(skip_serializing_if = "<[HttpGrant]>::is_empty")]
            http: &'a [HttpGrant],
            #[serde(skip_serializing_if = "<[SocketGrant]>::is_empty")]
            sockets: &'a [SocketGrant],
            may_leak: bool,
        }
        let Grants { reveal, login, records, commands, files, http, sockets, env, memory: _, may_leak } = &self.grants;
        let canonical = Canonical {
            role: self.role,
            sha256: self.sha256,
            settings: &self.settings,
            reveal: *reveal,
            login: *login,
            records: *records,
            commands,
            files,
            env,
            http,
            sockets,
            may_leak: *may_leak,
        };
        let mut hash = Sha256::new_with_prefix(DIGEST_DOMAIN);
        match serde_json::to_vec(&canonical) {
            Ok(bytes) => hash.update(bytes),
            // Text, booleans and lists always serialise. Should that change, a digest too many is better than two sources with the same.
            Err(_) => hash.update(format!("{self:?}")),
        }
        hash.finalize().into()
    }
}

/// Keeps this digest apart from every other one, and changes with the encoding.
const DIGEST_DOMAIN: &[u8] = b"flytoken source configuration 1\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::Origin, network::Host};

    fn source() -> SourceConfig {
        SourceConfig {
            name: SourceName::parse("corp").expect("a name"),
            component: ComponentRef::Builtin("cli".into()),
            enabled: true,
            sha256: None,
            dev: false,
            imports: None,
            role: Role::Live,
            settings: BTreeMap::from([("expiry".into(), "24h".into())]),
            timeout: Duration::from_secs(5),
            mints: true,
            keep: true,
            revoke_on_replace: false,
            grants: Grants { login: true, ..Grants::default() },
            ruled: None,
        }
    }

    fn origin(origin: &str, private: bool) -> HttpGrant {
        HttpGrant { origin: Origin::parse(origin).expect("an origin"), private, ca: None, headers: BTreeMap::new() }
    }

    fn socket(host: &str) -> SocketGrant {
        SocketGrant { host: Host::parse(host).expect("a host"), port: 1, private: false }
    }

    #[test]
    fn the_digest_changes_with_whatever_a_kept_lease_depends_on() {
        type Change = fn(&mut SourceConfig);
        let base = source().digest();
        let changes: [(&str, bool, Change); 12] = [
            ("settings", true, |source| drop(source.settings.insert("expiry".into(), "1h".into()))),
            ("grants", true, |source| source.grants.login = false),
            ("reveal", true, |source| source.grants.reveal = true),
            ("records", true, |source| source.grants.records = Some(Records::Cache)),
            ("role", true, |source| source.role = Role::Memory),
            ("sha256", true, |source| source.sha256 = Some([0; 32])),
            ("dev", false, |source| source.dev = true),
            ("imports", false, |source| source.imports = Some(BTreeSet::new())),
            ("http", true, |source| source.grants.http.push(origin("https://a", false))),
            ("sockets", true, |source| source.grants.sockets.push(socket("a"))),
            ("timeout", false, |source| source.timeout = Duration::from_secs(6)),
            ("memory", false, |source| source.grants.memory = Some(1 << 30)),
        ];
        for (what, counts, change) in changes {
            let mut other = source();
            change(&mut other);
            assert_eq!(other.digest() != base, counts, "{what}");
        }
    }

    #[test]
    fn a_mint_teaches_while_every_command_is_about_the_app_or_about_one_token() {
        let command = |arg: &str| serde_json::from_value(serde_json::json!({ "program": "fly", "args": [arg] })).expect("a grant");
        for (args, teaches) in [(vec!["{app}", "{org}", "{id}"], true), (vec![], true), (vec!["{app}", "{unique}"], false)] {
            let grants = Grants { commands: args.iter().map(|arg| command(arg)).collect(), ..Grants::default() };
            assert_eq!(SourceConfig { grants, ..source() }.teaches_ids(Kind::Deploy), teaches, "{args:?}");
        }
    }

    #[test]
    fn grants_are_within_others_that_grant_no_less() {
        let command = |arg: &str| serde_json::from_value(serde_json::json!({ "program": "fly", "args": [arg] })).expect("a grant");
        let nothing = Grants::default;
        let all = || Grants {
            login: true,
            records: Some(Records::Cache),
            commands: vec![command("a"), command("b")],
            http: vec![origin("https://a", false)],
            sockets: vec![socket("a")],
            ..nothing()
        };
        for (what, grants, others, within) in [
            ("nothing in nothing", nothing(), nothing(), true),
            ("nothing in all", nothing(), all(), true),
            ("all in all", all(), all(), true),
            ("less memory", all(), Grants { memory: Some(1 << 20), ..all() }, true),
            ("the login", all(), Grants { login: false, ..all() }, false),
            ("reading", Grants { reveal: true, ..nothing() }, all(), false),
            ("leaking", Grants { may_leak: true, ..nothing() }, all(), false),
            ("records", all(), Grants { records: None, ..all() }, false),
            ("other records", all(), Grants { records: Some(Records::Kept), ..all() }, false),
            ("an origin", Grants { http: vec![origin("https://b", false)], ..nothing() }, all(), false),
            ("an origin on other terms", Grants { http: vec![origin("https://a", true)], ..nothing() }, all(), false),
            ("a destination", Grants { sockets: vec![socket("b")], ..nothing() }, all(), false),
            ("a command", all(), Grants { commands: vec![command("b"), command("c")], ..all() }, false),
        ] {
            assert_eq!(grants.are_within(&others), within, "{what}");
        }
    }
}
