//! Components of a few lines of WebAssembly text: what no compiler would emit.

use std::fmt::Write as _;

pub(super) use self::frame::resolve;

/// The frame that the runtime's own tests have.
#[path = "../../host/src/runtime/tests/frame.rs"]
mod frame;

/// A component around these fields of its core module; see the comment in the frame.
pub(super) fn guest(main: &str) -> Vec<u8> {
    Parts::default().guest(main)
}

/// Refuses as `absent`, with the text of this length at this address.
pub(super) fn refuse(address: i64, length: i64) -> String {
    format!(
        "(i32.store (i32.const 2048) (i32.const 1)) (i32.store (i32.const 2056) (i32.const 0))
         (i32.store (i32.const 2060) (i32.const {address})) (i32.store (i32.const 2064) (i32.const {length})) (i32.const 2048)"
    )
}

/// Answers with the lease of this handle.
pub(super) fn lease(handle: &str) -> String {
    format!("(i32.store (i32.const 2056) {handle}) (i32.store (i32.const 2064) (i32.const 2)) (i32.const 2048)")
}

/// Seals the ten letters at 16, or as many bytes as `length` says.
pub(super) fn seal(length: u32) -> String {
    format!("(call $seal (i32.const 16) (i32.const {length}))")
}

/// What goes into the frame besides the core module's fields.
#[derive(Default)]
pub(super) struct Parts {
    imports: String,
    lowered: String,
    given: String,
    functions: String,
    replaced: Vec<(&'static str, &'static str)>,
}

impl Parts {
    /// Has this function of an import too, which the core module knows by `name`.
    fn with(mut self, import: &str, function: &str, name: &str, signature: &str) -> Self {
        if !self.imports.contains(import) {
            self.imports.push_str(import);
        }
        write!(self.lowered, "(core func ${name} (canon lower (func {function}) (memory $memory) (realloc $realloc)))").unwrap();
        write!(self.given, "(export \"{name}\" (func ${name}))").unwrap();
        write!(self.functions, "(import \"host\" \"{name}\" (func ${name} {signature}))").unwrap();
        self
    }

    /// `$run`: program, arguments, and where the answer goes.
    pub(super) fn command(self) -> Self {
        self.with(COMMAND, "$command \"run\"", "run", "(param i32 i32 i32 i32 i32)")
    }

    /// `$read`: a file's name, and where the answer goes: 0 and the bytes, or 1.
    pub(super) fn files(self) -> Self {
        self.with(FILES, "$files \"read\"", "read", "(param i32 i32 i32)")
    }

    /// `$current`: where the answer goes: 1 and the handle, or 0.
    pub(super) fn login(self) -> Self {
        self.with(LOGIN, "$login \"current\"", "current", "(param i32)")
    }

    /// `$load`: where the answer goes: 0, then 1 and the lease (12 bytes on: its handle is at 16), or 0. `$save`: the lease in its parts.
    pub(super) fn records(self) -> Self {
        self.with(RECORDS, "$records \"load\"", "load", "(param i32)").with(
            RECORDS,
            "$records \"save\"",
            "save",
            "(param i32 i32 i64 i32 i32 i32 i32)",
        )
    }

    /// `$wait`: a handle on the moment in so many nanoseconds.
    pub(super) fn clock(self) -> Self {
        self.with(CLOCK, "$clock \"subscribe-duration\"", "wait", "(param i64) (result i32)")
    }

    /// `$random`: as many bytes, and where the answer goes.
    pub(super) fn random(self) -> Self {
        self.with(RANDOM, "$random \"get-random-bytes\"", "random", "(param i64 i32)")
    }

    /// `$get`: a setting's key, and where the answer goes.
    pub(super) fn settings(self) -> Self {
        self.with(SETTINGS, "$settings \"get\"", "get", "(param i32 i32 i32)")
    }

    /// Has something else in the frame itself.
    pub(super) fn replaced(mut self, what: &'static str, by: &'static str) -> Self {
        self.replaced.push((what, by));
        self
    }

    pub(super) fn guest(self, main: &str) -> Vec<u8> {
        let main = format!("{}{main}", self.functions);
        let asked: [(&str, &str); 4] = [("IMPORTS", &self.imports), ("LOWERED", &self.lowered), ("GIVEN", &self.given), ("MAIN", &main)];
        frame::component(&[&self.replaced[..], &asked[..]].concat())
    }
}

const COMMAND: &str = r#"(import "flytoken:source/command@0.1.0" (instance $command
    (type $output' (record (field "code" (option s32)) (field "stdout" (list u8)) (field "stderr" (list u8))))
    (export "output" (type $output (eq $output')))
    (type $failure' (variant (case "not-found" (list string)) (case "denied" string) (case "timed-out") (case "too-much-output")
      (case "failed" string)))
    (export "failure" (type $failure (eq $failure')))
    (export "run" (func (param "program" string) (param "args" (list string)) (result (result $output (error $failure)))))))"#;

const FILES: &str = r#"(import "flytoken:source/files@0.1.0" (instance $files
    (type $failure' (variant (case "denied" string) (case "absent") (case "failed" string)))
    (export "failure" (type $failure (eq $failure')))
    (export "read" (func (param "name" string) (result (result (list u8) (error $failure)))))))"#;

const LOGIN: &str = r#"(import "flytoken:source/login@0.1.0" (instance $login
    (alias outer 1 $secret (type $secret'))
    (export "secret" (type $token (eq $secret')))
    (export "current" (func (result (option (own $token)))))))"#;

const RECORDS: &str = r#"(import "flytoken:source/records@0.1.0" (instance $records
    (alias outer 1 $lease (type $lease'))
    (export "lease" (type $lease (eq $lease')))
    (type $failure' (variant (case "unavailable" string) (case "refused" string)))
    (export "failure" (type $failure (eq $failure')))
    (export "load" (func (result (result (option $lease) (error $failure)))))
    (export "save" (func (param "lease" $lease) (result (result (error $failure)))))))"#;

const CLOCK: &str = r#"(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $pollable (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $pollable'))
    (export "pollable" (type $handle (eq $pollable')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $handle))))))"#;

const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"#;

const SETTINGS: &str = r#"(import "flytoken:source/settings@0.1.0" (instance $settings
    (export "get" (func (param "key" string) (result (option string))))))"#;
