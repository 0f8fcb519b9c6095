//! Sources that behave badly, each a few lines of WebAssembly text in a frame that makes a whole component of them.

mod calls;
mod frame;
mod loading;

use std::{sync::Arc, time::Duration};

use self::frame::resolve;
use super::{Call, Loaded, Runtime, SourceRequest, imports::fixtures};
use crate::{
    app::AppName,
    config::{Grants, Role, SourceName},
    denials::Denials,
    kind::Kind,
    owner::Intent,
    time::Timestamp,
};

/// A component whose core module has these fields.
fn component(main: &str) -> Vec<u8> {
    component_with("", "", "", main)
}

/// A component that imports more: `imports` at its top, `lowered` to core functions, and `given` to its core module.
fn component_with(imports: &str, lowered: &str, given: &str, main: &str) -> Vec<u8> {
    frame::component(&[("IMPORTS", imports), ("LOWERED", lowered), ("GIVEN", given), ("MAIN", main)])
}

/// A source that answers at once: its token is `fm2_canary`.
fn answers() -> String {
    let answer = resolve(
        "(i32.store (i32.const 2056) (call $seal (i32.const 16) (i32.const 10)))
         (i32.store (i32.const 2064) (i32.const 2))
         (i32.const 2048)",
    );
    format!("(data (i32.const 16) \"fm2_canary\") {answer}")
}

/// A source that loops for ever.
fn loops() -> String {
    resolve("(loop $again (br $again)) (unreachable)")
}

fn runtime() -> Runtime {
    Runtime::new(None).expect("this machine runs wasm")
}

fn name() -> SourceName {
    SourceName::parse("corp").expect("a name")
}

fn load(bytes: &[u8]) -> Loaded {
    runtime().load(&name(), bytes, &Grants::default(), Role::Live).expect("it loads")
}

fn call() -> Call {
    let stamp = fixtures::stamp();
    Call {
        source: name(),
        settings: Arc::default(),
        provenance: stamp.provenance,
        obtained: stamp.obtained,
        login: None,
        records: None,
        command: None,
        files: None,
        http: None,
        sockets: None,
        env: Arc::default(),
        denials: Denials::default(),
        denied: Arc::new(|_| {}),
        reveal: false,
        timeout: Duration::from_secs(5),
        memory: 1 << 20,
        peak: Arc::default(),
        trace: None,
    }
}

fn request() -> SourceRequest {
    SourceRequest {
        app: AppName::parse("web").expect("a name"),
        kind: Kind::Readonly,
        organization: Some("acme".into()),
        intent: Intent::Resolve,
        now: Timestamp::from_seconds(1_000),
        lifetime: Duration::from_mins(1),
    }
}
