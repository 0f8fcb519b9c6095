//! Sources that misbehave, and what becomes of each.

use std::time::Duration;

use flytoken::token::{Caveat, Mask, ResourceSet};

use crate::harness::{
    ACME,
    components::{fixture, greedy},
    discharged, minted, organization, user_token,
};

const DAY: Duration = Duration::from_hours(24);

/// The id that the configuration gives to each case's app.
pub(super) const APP: u64 = 123;

/// One source and what becomes of it. Its name is also that of its apps.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) component: Vec<u8>,
    /// What the configuration says of it, besides its component.
    pub(super) source: String,
    pub(super) outcome: &'static str,
    /// A part of what its step says.
    pub(super) says: String,
}

impl Case {
    /// Says this instead.
    pub(super) fn says(self, says: &str) -> Self {
        Self { says: says.to_owned(), ..self }
    }

    /// Behaves like this instead.
    pub(super) fn behaves(self, behaviour: &str) -> Self {
        Self { source: self.source.replace("behaviour: answer", &format!("behaviour: {behaviour}")), ..self }
    }
}

/// The fixture under these keys of the configuration.
pub(super) fn case(name: &'static str, source: impl Into<String>, outcome: &'static str, says: impl Into<String>) -> Case {
    Case { name, component: fixture().to_vec(), source: source.into(), outcome, says: says.into() }
}

/// The fixture with the behaviour of its name.
pub(super) fn plain(name: &'static str, outcome: &'static str, says: &str) -> Case {
    case(name, format!("settings: {{ behaviour: {name} }}"), outcome, says)
}

/// The fixture, which answers with this token or whatever else its settings say.
pub(super) fn answering(name: &'static str, token: &str, settings: &str, outcome: &'static str, says: &str) -> Case {
    case(name, format!("settings: {{ behaviour: answer, token: '{token}', {settings} }}"), outcome, says)
}

/// What ends a call.
pub(super) fn breaking() -> Vec<Case> {
    let in_time = |behaviour| format!("timeout: 300ms, settings: {{ behaviour: {behaviour}, milliseconds: '600000' }}");
    let late = "did not answer within 300ms and was ended";
    let memory = |name| format!("wanted more than its 64 MiB of memory; `memory` under `sources.{name}.grants` gives more");
    vec![
        case("loop", in_time("loop"), "unavailable", late),
        case("slow", in_time("slow"), "unavailable", late),
        case("sleep", in_time("sleep"), "unavailable", late),
        plain("grow", "unavailable", &memory("grow")),
        plain("huge-text", "unavailable", &memory("huge-text")),
        plain("recurse", "unavailable", "crashed: wasm trap: out of bounds memory access"),
        plain("recurse-in-registers", "unavailable", "recursed too deeply"),
        plain("huge-id", "unavailable", "handed more than 131072 bytes to the host at once"),
        plain("huge-token", "unavailable", "handed more than 131072 bytes to the host at once"),
        plain("many-secrets", "unavailable", "holds more handles than a call may have"),
        plain("trap", "unavailable", "crashed; what it wrote before is in the log"),
        plain("panic", "unavailable", "crashed; what it wrote before is in the log"),
        plain("exit", "unavailable", "ended itself with exit code 0"),
        plain(
            "reveal",
            "misconfigured",
            "called `reveal`, which needs the grant `reveal`; add `reveal: true` under `sources.reveal.grants`",
        ),
    ]
}

/// Answers that are no lease, or none that may be given.
pub(super) fn useless() -> Vec<Case> {
    let good = minted(APP, DAY);
    let undischarged = good.split_once(',').unwrap().0;
    vec![
        plain("absent", "absent", "the fixture says so"),
        plain("unavailable", "unavailable", "the fixture says so"),
        plain("needs-human", "needs-human", "the fixture says so"),
        plain("misconfigured", "misconfigured", "the fixture says so"),
        plain("unheard-of", "misconfigured", "the fixture has no behaviour `unheard-of`"),
        case("opaque", "settings: { behaviour: forge, text: hunter2 }", "misconfigured", "what it gave is no token"),
        case("empty", "settings: { behaviour: forge, text: '' }", "misconfigured", "what it gave is no token"),
        answering("cut-off", &good[..good.len() - 30], "", "misconfigured", "what it gave is no token"),
        answering("over", &good, "expiry: '1000'", "needs-human", "the lease has expired"),
        answering("expired", &minted(APP, Duration::ZERO), "", "needs-human", "has expired"),
        answering("undischarged", undischarged, "", "needs-human", "discharge"),
        answering("wrong-app", &minted(APP + 1, DAY), "", "absent", "other apps"),
        // It may do something, and nothing of what the kind is for.
        answering(
            "wrong-kind",
            &discharged(organization(ACME).caveat(Caveat::Apps(ResourceSet::new([(APP, Mask::WRITE)]))), DAY),
            "",
            "absent",
            "it allows none of that",
        ),
        answering("too-wide", &user_token(), "", "absent", "only a user token"),
    ]
}

/// Texts that are not shown as they are.
pub(super) fn telling() -> Vec<Case> {
    let token = minted(APP, DAY);
    let with_token = |behaviour| format!("settings: {{ behaviour: {behaviour}, token: '{token}' }}");
    vec![
        case(
            "escapes",
            "settings: { behaviour: escapes-in-text }",
            "absent",
            r"\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}\r\nexit code 0 \u{202e}txet\u{0}",
        ),
        case("tells", with_token("token-in-text"), "absent", "the token is [token]"),
        case("reveals", with_token("reveal") + ", grants: { reveal: true }", "absent", "revealed [token]"),
        case("forges", with_token("forge").replace("token:", "text:"), "lease", ""),
        plain("snoop", "absent", "variables: no, arguments: no, files: no, writing: no, input: no"),
        plain("dial", "misconfigured", "asked for a TCP socket; to allow it, add to the source's `grants.sockets`"),
    ]
}

/// What is no component that could run here, and one that asks for more than it was granted.
pub(super) fn unloadable() -> Vec<Case> {
    let case = |name, component: &[u8], keys: &str, says: &str| Case {
        component: component.to_vec(),
        ..case(name, keys, "misconfigured", format!("not loaded: {says}"))
    };
    let [no_component, no_grant] = ["settings: {}", "grants: {}"];
    let commands = "grants: { commands: [{ program: fly, args: [version] }] }";
    let both = commands.replace("}] }", "}], login: true }");
    vec![
        case("module", b"\0asm\x01\0\0\0", no_component, "is a core WebAssembly module, not a component; build it for `wasm32-wasip2`"),
        case("script", b"#!/bin/sh\necho token\n", no_component, "is not a WebAssembly component"),
        case("nothing", b"", no_component, "is not a WebAssembly component"),
        case("half", &fixture()[..fixture().len() / 2], no_component, "is not a component that works here"),
        case(
            "greedy",
            greedy(),
            no_grant,
            "imports `flytoken:source/command@0.1.1`, which needs the grant `commands`; \
             add `commands: [{ program: …, args: […] }]` under `sources.greedy.grants`",
        ),
        case(
            "less-greedy",
            greedy(),
            commands,
            "imports `flytoken:source/login@0.1.1`, which needs the grant `login`; add `login: true` under `sources.less-greedy.grants`",
        ),
        case(
            "hardly-greedy",
            greedy(),
            &both,
            "imports `flytoken:source/records@0.1.1`, which needs the grant `records`; add `records: cache`",
        ),
    ]
}
