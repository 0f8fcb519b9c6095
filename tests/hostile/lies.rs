//! Sources that no compiler would emit: they run into the limits of the sandbox, or break the contract between a component and its host.

use std::fmt::Write as _;

use super::{
    cases::{Case, case},
    guest::{Parts, guest, lease, refuse, resolve, seal},
};

/// A case around a component of its own.
fn built(name: &'static str, component: Vec<u8>, keys: &str, outcome: &'static str, says: impl Into<String>) -> Case {
    Case { component, ..case(name, keys, outcome, says) }
}

/// What ends a call that takes more than it may.
pub(super) fn exhausting() -> Vec<Case> {
    let ends = |name, component, says: &str| built(name, component, "grants: {}", "unavailable", says);
    let late = |name, component| built(name, component, "timeout: 300ms", "unavailable", "did not answer within 300ms and was ended");
    let forever = "(loop $again (br $again)) (unreachable)";
    vec![
        late("loop-at-its-start", guest(&format!("(func $start {forever}) (start $start) {}", resolve("(unreachable)")))),
        late(
            "host-calls-without-end",
            guest(&resolve("(loop $again (call $drop (call $seal (i32.const 0) (i32.const 0))) (br $again)) (unreachable)")),
        ),
        late(
            "settings-without-end",
            Parts::default()
                .settings()
                .guest(&resolve("(loop $again (call $get (i32.const 0) (i32.const 0) (i32.const 4096)) (br $again)) (unreachable)")),
        ),
        late("loop-with-handles", guest(&resolve(&format!("(drop {0}) (drop {0}) {forever}", seal(10))))),
        built(
            "loop-with-the-login",
            Parts::default().login().guest(&resolve(&format!("(call $current (i32.const 4096)) {forever}"))),
            "timeout: 300ms, grants: { login: true }",
            "unavailable",
            "did not answer within 300ms and was ended",
        ),
        ends("memory-at-its-start", guest(&format!("(memory 2000) {}", resolve("(unreachable)"))), "wanted more than its 64 MiB of memory"),
        ends(
            "table",
            guest(&format!(
                "(table $t 1 funcref) {}",
                resolve("(drop (table.grow $t (ref.null func) (i32.const 1000000))) (i32.const 2048)")
            )),
            "wanted too large a table of functions",
        ),
        ends(
            "handles-of-the-clock",
            Parts::default().clock().guest(&resolve("(loop $again (drop (call $wait (i64.const 1))) (br $again)) (unreachable)")),
            "holds more handles than a call may have",
        ),
        ends("long-secret", guest(&resolve(&format!("{} (drop) (unreachable)", seal(16_385)))), "sealed too long a text"),
        ends(
            "secrets-without-end",
            guest(&resolve(&format!("(loop $again (call $drop {}) (br $again)) (unreachable)", seal(16_384)))),
            "sealed too many texts",
        ),
        ends("long-text", guest(&resolve(&refuse(0, 131_073))), "handed more than 131072 bytes to the host at once"),
        built(
            "long-list",
            Parts::default()
                .command()
                .guest(&resolve("(call $run (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 20000) (i32.const 4096)) (unreachable)")),
            "grants: { commands: [{ program: fly, args: [version] }] }",
            "unavailable",
            "handed more than 131072 bytes to the host at once",
        ),
        ends(
            "random-bytes",
            Parts::default().random().guest(&resolve("(call $random (i64.const -1) (i32.const 4096)) (unreachable)")),
            "broke the contract",
        ),
    ]
}

/// Lies at the boundary.
pub(super) fn lying() -> Vec<Case> {
    let lies = |name, component| built(name, component, "grants: {}", "unavailable", "broke the contract");
    let plain = |name, body: &str| lies(name, guest(&resolve(body)));
    vec![
        plain("text-beyond-memory", &refuse(0, 1 << 30)),
        plain("text-at-the-end-of-addresses", &refuse(-1, 100)),
        lies("no-encoding", guest(&format!(r#"(data (i32.const 16) "\ff\fe\80") {}"#, resolve(&refuse(16, 3))))),
        lies("half-a-character", guest(&format!(r#"(data (i32.const 16) "a\e2\82") {}"#, resolve(&refuse(16, 3))))),
        lies("a-surrogate", guest(&format!(r#"(data (i32.const 16) "\ed\a0\80") {}"#, resolve(&refuse(16, 3))))),
        plain("seals-beyond-memory", "(drop (call $seal (i32.const 196600) (i32.const 16))) (unreachable)"),
        plain("answer-beyond-memory", "(i32.const 196600)"),
        plain("answer-at-the-end-of-addresses", "(i32.const -8)"),
        plain("answer-out-of-line", "(i32.const 2049)"),
        plain("neither-lease-nor-refusal", "(i32.store (i32.const 2048) (i32.const 9)) (i32.const 2048)"),
        plain("no-such-refusal", "(i32.store (i32.const 2048) (i32.const 1)) (i32.store (i32.const 2056) (i32.const 77)) (i32.const 2048)"),
        plain(
            "no-such-expiry",
            &format!("(i32.store (i32.const 2056) {}) (i32.store (i32.const 2064) (i32.const 3)) (i32.const 2048)", seal(10)),
        ),
        plain("id-beyond-memory", &format!("(i32.store (i32.const 2080) (i32.const 1)) (i32.store (i32.const 2084) (i32.const -4)) (i32.store (i32.const 2088) (i32.const 99)) {}", lease(&seal(10)))),
        lies(
            "memory-that-is-none",
            Parts::default().replaced("(local.get $at)))\n  (core", "(i32.const -16)))\n  (core").guest(&resolve(&refuse(0, 0))),
        ),
        built(
            "traps-afterwards",
            Parts::default()
                .replaced(
                    "(canon lift (core func $main \"resolve\") (memory $memory) (realloc $realloc))",
                    "(canon lift (core func $main \"resolve\") (memory $memory) (realloc $realloc) (post-return (core func $main \"after\")))",
                )
                .guest(&format!("(func (export \"after\") (param i32) (unreachable)) {}", resolve(&refuse(0, 0)))),
            "grants: {}",
            "unavailable",
            "crashed",
        ),
        built(
            "calls-afterwards",
            Parts::default()
                .replaced(
                    "(canon lift (core func $main \"resolve\") (memory $memory) (realloc $realloc))",
                    "(canon lift (core func $main \"resolve\") (memory $memory) (realloc $realloc) (post-return (core func $main \"after\")))",
                )
                .guest(&format!("(func (export \"after\") (param i32) (drop {})) {}", seal(10), resolve(&refuse(0, 0)))),
            "grants: {}",
            "unavailable",
            "",
        ),
        plain("forged-handle", &lease("(i32.const 77)")),
        plain("no-handle", &lease("(i32.const 0)")),
        plain("handle-dropped-twice", &format!("(drop {}) (call $drop (i32.const 1)) (call $drop (i32.const 1)) (unreachable)", seal(10))),
        plain("dropped-handle", &format!("(drop {}) (call $drop (i32.const 1)) {}", seal(10), lease("(i32.const 1)"))),
        plain("reveals-a-forged-handle", "(call $reveal (i32.const 5) (i32.const 4096)) (unreachable)"),
        lies("handle-of-another-kind", Parts::default().clock().guest(&resolve(&lease("(call $wait (i64.const 1))")))),
        built(
            "handle-given-away",
            Parts::default().records().guest(&resolve(&format!(
                "(drop {}) (call $save (i32.const 1) (i32.const 2) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096)) {}",
                seal(10),
                lease("(i32.const 1)")
            ))),
            "grants: { records: cache }",
            "unavailable",
            "broke the contract",
        ),
    ]
}

/// Reaches for what was not granted, or not to it.
pub(super) fn reaching() -> Vec<Case> {
    // The name of each file at 16, each in a slot of 32 bytes that begins with its length.
    let names = ["../token", "/etc/passwd", "a/../a", "./a", "A", "a\\00", "..", "", "%2e%2e/token", "a"];
    let mut data = String::new();
    for (index, name) in names.iter().enumerate() {
        let length = name.len() - if name.contains('\\') { 2 } else { 0 };
        write!(data, "(data (i32.const {}) \"\\{length:02x}\\00\\00\\00{name}\")", 8192 + index * 32).unwrap();
    }
    // Any that is read ends in a crash; all are asked for.
    let reads = format!(
        r#"{data} (data (i32.const 16) "kept out") {}"#,
        resolve(&format!(
            "(local $at i32) (local.set $at (i32.const 8192))
             (loop $next
               (call $read (i32.add (local.get $at) (i32.const 4)) (i32.load (local.get $at)) (i32.const 4096))
               (if (i32.eqz (i32.load8_u (i32.const 4096))) (then (unreachable)))
               (local.set $at (i32.add (local.get $at) (i32.const 32)))
               (br_if $next (i32.lt_u (local.get $at) (i32.const {}))))
             {}",
            8192 + names.len() * 32,
            refuse(16, 8)
        ))
    );
    vec![
        built(
            "path-escapes",
            Parts::default().files().guest(&reads),
            "grants: { files: { a: /etc/hostname } }",
            "misconfigured",
            "asked for the file `../token`: no file of this name is granted",
        ),
        runs("another-program", &["sh"]),
        runs("a-program-by-its-path", &["/bin/sh", "version"]),
        runs("a-program-beside", &["./fly", "version"]),
        runs("more-arguments", &["fly", "version", "--access-token"]),
        runs("fewer-arguments", &["fly"]),
        runs("a-second-command", &["fly", "version; id"]),
        runs("an-empty-argument", &["fly", "version", ""]),
        runs("an-app-of-its-own", &["fly", "tokens", "create", "deploy", "-a", "other"]),
        runs("an-option-for-an-app", &["fly", "tokens", "create", "deploy", "-a", "--org=acme"]),
        runs("an-environment", &["FLY_API_TOKEN=x fly", "version"]),
        runs("a-line-of-its-own", &["fly", "version\\0aid"]),
        built(
            "launders-the-login-by-a-record",
            // What is loaded is what was saved, if anything was: a lease from it would be the login, in a copy on disk.
            Parts::default().login().records().guest(&format!(
                r#"(data (i32.const 16) "kept out") {}"#,
                resolve(&format!(
                    "(call $current (i32.const 4096))
                     (call $save (i32.load (i32.const 4100)) (i32.const 2) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                       (i32.const 4200))
                     (if (i32.eqz (i32.load8_u (i32.const 4200))) (then (unreachable)))
                     (call $load (i32.const 4304))
                     (if (i32.load8_u (i32.const 4312)) (then (unreachable)))
                     {}",
                    refuse(16, 8)
                ))
            )),
            "grants: { login: true, records: cache }",
            "absent",
            "kept out",
        ),
        built(
            "launders-the-login-by-a-command",
            // With both grants it knows the login; what it asks for in vain is put into words without it.
            Parts::default().login().command().guest(&resolve(&format!(
                "(call $current (i32.const 4096))
                 (call $reveal (i32.load (i32.const 4100)) (i32.const 4200))
                 (call $run (i32.load (i32.const 4204)) (i32.load (i32.const 4208)) (i32.const 0) (i32.const 0) (i32.const 4300))
                 {}",
                refuse(0, 0)
            ))),
            "grants: { login: true, reveal: true, may-leak: true, commands: [{ program: fly, args: [version] }] }",
            "misconfigured",
            "program: [token]",
        ),
    ]
}

/// Runs a program with arguments, which is not what it was granted.
fn runs(name: &'static str, words: &[&str]) -> Case {
    let mut data = String::new();
    let mut places = String::new();
    for (index, word) in words.iter().enumerate() {
        let address = 8192 + index * 64;
        let length = word.len() - if word.contains('\\') { 2 } else { 0 };
        write!(data, "(data (i32.const {address}) \"{word}\")").unwrap();
        write!(
            places,
            "(i32.store (i32.const {}) (i32.const {address})) (i32.store (i32.const {}) (i32.const {length}))",
            4000 + index * 8,
            4004 + index * 8
        )
        .unwrap();
    }
    let body = format!(
        "{places} (call $run (i32.load (i32.const 4000)) (i32.load (i32.const 4004)) (i32.const 4008) (i32.const {}) (i32.const 5000))
         (if (i32.eqz (i32.load8_u (i32.const 5000))) (then (unreachable))) {}",
        words.len() - 1,
        refuse(0, 0)
    );
    let granted = "[{ program: fly, args: [version] }, { program: fly, args: [tokens, create, deploy, -a, '{app}'] }]";
    let component = Parts::default().command().guest(&format!("{data} {}", resolve(&body)));
    built(name, component, &format!("grants: {{ commands: {granted} }}"), "misconfigured", "this command is not granted")
}

/// Components of another version of the contract.
pub(super) fn outdated() -> Vec<Case> {
    let says = |kind: &str| format!("not loaded: {kind}");
    let of = |name, what, by, told: String| {
        built(name, Parts::default().replaced(what, by).guest(&resolve("(unreachable)")), "grants: {}", "misconfigured", told)
    };
    vec![
        of(
            "older-imports",
            "@0.1.0\" (instance",
            "@0.0.9\" (instance",
            says("imports `flytoken:source/secrets@0.0.9`, and was built against another version"),
        ),
        of(
            "newer-imports",
            "@0.1.0\" (instance",
            "@0.2.0\" (instance",
            says("imports `flytoken:source/secrets@0.2.0`, and was built against another version"),
        ),
        of(
            "older-export",
            "(export \"flytoken:source/source@0.1.0\"",
            "(export \"flytoken:source/source@0.0.9\"",
            says("does not export `flytoken:source/source`"),
        ),
        built(
            "table-at-its-start",
            guest(&format!("(table 50000 funcref) {}", resolve("(unreachable)"))),
            "grants: {}",
            "misconfigured",
            says("is not a component that works here"),
        ),
        built(
            "many-instances",
            wat::parse_str(format!("(component (core module $m (memory 1)) {})", "(core instance (instantiate $m))".repeat(40))).unwrap(),
            "grants: {}",
            "misconfigured",
            says("is not a component that works here"),
        ),
        built(
            "another-export",
            wat::parse_str("(component)").unwrap(),
            "grants: {}",
            "misconfigured",
            says("does not export `flytoken:source/source`"),
        ),
    ]
}

/// Seals what is no token and saves it, unless a record is there already, which it then answers with.
pub(super) fn remembering(name: &'static str) -> Case {
    let body = format!(
        "(call $load (i32.const 4096))
         (if (i32.load8_u (i32.const 4104)) (then {} (return)))
         (call $save {} (i32.const 2) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4200))
         {}",
        lease("(i32.load (i32.const 4112))"),
        seal(10),
        refuse(16, 10)
    );
    let component = Parts::default().records().guest(&format!(r#"(data (i32.const 16) "no records") {}"#, resolve(&body)));
    built(name, component, "grants: { records: cache }", "absent", "no records")
}
