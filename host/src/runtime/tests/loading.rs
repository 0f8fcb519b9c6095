//! What loads, what does not, and what is left behind.

use std::fs;

use super::{super::*, answers, call, component, load, name, request, runtime};
use crate::config::{Grants, Role};

fn refused(bytes: &[u8], role: Role) -> String {
    runtime().load(&name(), bytes, &Grants::default(), role).err().expect("it does not load").to_string()
}

#[test]
fn what_is_no_source_does_not_load_and_is_told_what_it_is() {
    let importing = |import: &str| wat::parse_str(format!("(component (import \"{import}\" (instance)))")).expect("a component");
    let source = component(&answers());
    let half = &source[..source.len() / 2];
    for (bytes, role, expected) in [
        (b"".to_vec(), Role::Live, "is not a WebAssembly component"),
        (b"(component)".to_vec(), Role::Live, "is not a WebAssembly component"),
        (b"\0asm\x01\0\0\0".to_vec(), Role::Live, "is a core WebAssembly module, not a component"),
        (b"\0asm\x0d\0\x01\0 and noise".to_vec(), Role::Live, "is not a component that works here"),
        (half.to_vec(), Role::Live, "is not a component that works here"),
        (vec![0; (64 << 20) + 1], Role::Live, "a component has at most 67108864"),
        (wat::parse_str("(component)").expect("a component"), Role::Live, "does not export `flytoken:source/source`"),
        (source.clone(), Role::Memory, "does not export `flytoken:source/keeper`, which the role `memory` needs"),
        (source.clone(), Role::Manual, "which the role `manual` needs"),
        (importing("flytoken:source/login@0.1.0"), Role::Live, "needs the grant `login`; add `login: true` under `sources.corp.grants`"),
        (importing("flytoken:source/records@0.1.0"), Role::Live, "needs the grant `records`"),
        (importing("flytoken:source/command@0.1.0"), Role::Live, "needs the grant `commands`"),
        (importing("wasi:http/types@0.2.0"), Role::Live, "needs the grant `http`"),
        (
            importing("wasi:http/incoming-handler@0.2.0"),
            Role::Live,
            "imports `wasi:http/incoming-handler@0.2.0`, which this host does not offer",
        ),
        (importing("wasi:cli/keychain@0.2.0"), Role::Live, "does not export"),
    ] {
        let error = refused(&bytes, role);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_no_language_runtime_needs_is_not_there() {
    for (feature, module) in [
        ("memory64", "(memory i64 1)"),
        ("threads", "(memory 1 1 shared)"),
        ("relaxed-simd", "(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))"),
        ("gc", "(type (struct (field i32)))"),
    ] {
        let bytes = wat::parse_str(format!("(component (core module {module}))")).expect("a component");
        assert!(refused(&bytes, Role::Live).contains("is not a component that works here"), "{feature}");
    }
}

#[test]
fn a_component_with_more_parts_than_any_runtime_has_does_not_load() {
    for part in ["(memory 1)", "(table 1 funcref)"] {
        let modules = format!("(core module $m {part})") + &"(core instance (instantiate $m))".repeat(40);
        let bytes = wat::parse_str(format!("(component {modules})")).expect("a component");
        assert!(refused(&bytes, Role::Live).contains("is not a component that works here"), "{part}");
    }
}

#[test]
fn a_loaded_source_says_what_it_is() {
    let loaded = load(&component(&answers()));
    assert!(!loaded.is_keeper());
    assert_eq!(loaded.imports(), ["flytoken:source/secrets@0.1.0", "flytoken:source/types@0.1.0"]);
    assert_ne!(loaded.sha256(), [0; 32]);
}

#[tokio::test]
async fn a_spoilt_cache_entry_means_compiling_again() {
    let home = tempfile::tempdir().expect("a directory");
    let bytes = component(&answers());
    let answer = async || {
        let runtime = Runtime::new(Some(home.path())).expect("this machine runs wasm");
        let loaded = runtime.load(&name(), &bytes, &Grants::default(), Role::Live).expect("it loads");
        loaded.resolve(call(), request()).await.expect("a lease")
    };
    answer().await;
    let mut entries = Vec::new();
    files(home.path(), &mut entries);
    assert!(!entries.is_empty(), "something is kept");
    for spoilt in [Vec::new(), b"noise".to_vec(), vec![0; 100_000]] {
        for entry in &entries {
            fs::write(entry, &spoilt).expect("it is ours");
        }
        answer().await;
    }
}

fn files(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[tokio::test]
async fn the_engine_goes_with_the_last_source() {
    let runtime = runtime();
    let engine = runtime.shared.engine.weak();
    let loaded = runtime
        .load(
            &name(),
            &component("(func (export \"resolve\") (param i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i32) (unreachable))"),
            &Grants::default(),
            Role::Live,
        )
        .expect("it loads");
    drop(runtime);
    let refused = loaded.resolve(call(), request()).await.expect_err("it traps");
    assert!(engine.upgrade().is_some());
    drop(loaded);
    assert!(engine.upgrade().is_none(), "{refused:?} keeps nothing alive");
}
