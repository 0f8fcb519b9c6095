//! What a source does in a call, and what becomes of it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{super::*, answers, call, component, component_with, fixtures, load, loops, name, request, resolve, runtime};
use crate::{
    config::{Grants, Role},
    lease::Expiry,
    refusal::Refusal,
};

#[tokio::test]
async fn a_source_answers_with_a_secret_it_sealed() {
    let lease = load(&component(&answers())).resolve(call(), request()).await.expect("a lease");
    assert_eq!(lease.token.expose(), "fm2_canary");
    assert_eq!(lease.expiry, Expiry::Unknown);
    assert_eq!((lease.provenance.source, lease.provenance.sequence), (name(), 1));
}

#[tokio::test]
async fn a_refusal_is_cleaned() {
    let main = resolve(
        r"(i32.store (i32.const 2048) (i32.const 1)) (i32.store (i32.const 2056) (i32.const 3))
          (drop (call $seal (i32.const 24) (i32.const 13)))
          (i32.store (i32.const 2060) (i32.const 16)) (i32.store (i32.const 2064) (i32.const 22))
          (i32.const 2048)",
    );
    let text = r#"(data (i32.const 16) "because hvs.acanary1c\1b")"#;
    let refused = load(&component(&format!("{text}{main}"))).resolve(call(), request()).await.expect_err("it refuses");
    assert_eq!(refused, Refused::Said(Refusal::Misconfigured("because [token]\\u{1b}".into())));
}

#[tokio::test]
async fn nothing_of_one_call_is_there_in_the_next() {
    let remembers = resolve(
        "(if (i32.load (i32.const 4096)) (then (unreachable)))
         (i32.store (i32.const 4096) (i32.const 1))
         (i32.store (i32.const 2048) (i32.const 1))
         (i32.const 2048)",
    );
    let loaded = load(&component(&remembers));
    for _ in 0..3 {
        assert_eq!(loaded.resolve(call(), request()).await.expect_err("absent"), Refused::Said(Refusal::Absent(String::new())));
    }
}

#[tokio::test]
async fn a_broken_source_is_ended_and_its_end_is_named() {
    use BrokeKind::{Denied, Limit, OutOfMemory, TimedOut, Trapped};
    let text_of = |address: i64, length: i64| {
        resolve(&format!(
            "(i32.store (i32.const 2048) (i32.const 1))
             (i32.store (i32.const 2060) (i32.const {address})) (i32.store (i32.const 2064) (i32.const {length})) (i32.const 2048)"
        ))
    };
    let cases = [
        ("loops", loops(), TimedOut, "did not answer within 50ms"),
        ("loops at its start", format!("(func $start (loop $again (br $again))) (start $start) {}", loops()), TimedOut, "50ms"),
        (
            "makes host calls without end",
            resolve("(loop $again (call $drop (call $seal (i32.const 0) (i32.const 0))) (br $again)) (unreachable)"),
            TimedOut,
            "50ms",
        ),
        ("traps", resolve("(unreachable)"), Trapped, "crashed"),
        ("divides by zero", resolve("(i32.div_u (i32.const 1) (i32.const 0))"), Trapped, "crashed: wasm trap: integer divide by zero"),
        (
            "eats memory",
            resolve("(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.const 2048)"),
            OutOfMemory,
            "wanted more than its 1 MiB of memory; `memory` under `sources.corp.grants`",
        ),
        ("has a large memory from the start", format!("(memory 100) {}", answers()), OutOfMemory, "1 MiB"),
        (
            "eats a table",
            format!("(table $t 1 funcref) {}", resolve("(drop (table.grow $t (ref.null func) (i32.const 1000000))) (i32.const 2048)")),
            Limit("table"),
            "too large a table",
        ),
        (
            "recurses",
            format!(
                "(func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1))) {}",
                resolve("(call $deeper (i32.const 0))")
            ),
            Limit("stack"),
            "recursed too deeply",
        ),
        (
            "hoards secrets",
            resolve("(loop $again (drop (call $seal (i32.const 0) (i32.const 1))) (br $again)) (unreachable)"),
            Limit("handles"),
            "handles",
        ),
        ("seals a long text", resolve("(call $seal (i32.const 0) (i32.const 16385))"), Limit("secret"), "16384 bytes"),
        (
            "seals without end",
            resolve("(loop $again (call $drop (call $seal (i32.const 0) (i32.const 16384))) (br $again)) (unreachable)"),
            Limit("sealed"),
            "65536 bytes",
        ),
        ("answers with more than it may", text_of(0, 131_073), Limit("host call"), "131072 bytes"),
        ("lies about a length", text_of(0, 1 << 30), Trapped, "broke the contract"),
        ("lies about an address", text_of(-1, 100), Trapped, "broke the contract"),
        ("answers in no encoding", format!(r#"(data (i32.const 16) "\ff\fe") {}"#, text_of(16, 2)), Trapped, "broke the contract"),
        (
            "forges a handle",
            resolve("(i32.store (i32.const 2056) (i32.const 77)) (i32.store (i32.const 2064) (i32.const 2)) (i32.const 2048)"),
            Trapped,
            "broke the contract",
        ),
        (
            "drops a handle twice",
            resolve("(call $seal (i32.const 0) (i32.const 1)) (call $drop) (call $drop (i32.const 1)) (unreachable)"),
            Trapped,
            "broke the contract",
        ),
        (
            "answers with no such case",
            resolve("(i32.store (i32.const 2048) (i32.const 9)) (i32.const 2048)"),
            Trapped,
            "broke the contract",
        ),
        (
            "peeks at a secret and refuses",
            resolve(
                "(call $reveal (call $seal (i32.const 0) (i32.const 1)) (i32.const 4096))
                 (i32.store (i32.const 2048) (i32.const 1)) (i32.const 2048)",
            ),
            Denied,
            "called `reveal`, which needs the grant `reveal`; add `reveal: true` under `sources.corp.grants`",
        ),
    ];
    let runtime = runtime();
    for (case, main, kind, expected) in cases {
        let loaded = runtime.load(&name(), &component(&main), &Grants::default(), Role::Live).expect(case);
        let call = Call { timeout: Duration::from_millis(50), ..call() };
        let Err(Refused::Broke(broke)) = loaded.resolve(call, request()).await else { panic!("{case}: it goes well") };
        assert_eq!(broke.kind, kind, "{case}: {broke}");
        assert!(broke.text.contains(expected), "{case}: {broke}");
    }
}

#[tokio::test]
async fn a_denied_call_does_not_spoil_a_lease() {
    let peeks = resolve(
        "(call $reveal (call $seal (i32.const 0) (i32.const 1)) (i32.const 4096))
         (i32.store (i32.const 2056) (call $seal (i32.const 0) (i32.const 1)))
         (i32.store (i32.const 2064) (i32.const 2))
         (i32.const 2048)",
    );
    assert!(load(&component(&peeks)).resolve(call(), request()).await.is_ok());
}

/// Imports `command` and asks for the program of five letters at 16.
fn runs(program: &str) -> Vec<u8> {
    let imports = r#"(import "flytoken:source/command@0.1.0" (instance $command
        (type $output' (record (field "code" (option s32)) (field "stdout" (list u8)) (field "stderr" (list u8))))
        (export "output" (type $output (eq $output')))
        (type $failure' (variant (case "not-found" (list string)) (case "denied" string) (case "timed-out") (case "too-much-output")
          (case "failed" string)))
        (export "failure" (type $failure (eq $failure')))
        (export "run" (func (param "program" string) (param "args" (list string)) (result (result $output (error $failure)))))))"#;
    let lowered = r#"(core func $run (canon lower (func $command "run") (memory $memory) (realloc $realloc)))"#;
    let main = format!(
        r#"(import "host" "run" (func $run (param i32 i32 i32 i32 i32))) (data (i32.const 16) "{program}") {}"#,
        resolve(
            "(call $run (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 4096))
             (i32.store (i32.const 2048) (i32.const 1)) (i32.const 2048)"
        )
    );
    component_with(imports, lowered, r#"(export "run" (func $run))"#, &main)
}

fn may_run() -> Grants {
    Grants { commands: vec![serde_json::from_str(r#"{ "program": "fly" }"#).expect("a grant")], ..Grants::default() }
}

#[tokio::test]
async fn time_inside_a_host_call_counts() {
    let loaded = runtime().load(&name(), &runs("sleep"), &may_run(), Role::Live).expect("granted");
    let started = Instant::now();
    let call = Call { timeout: Duration::from_millis(50), command: Some(Arc::new(fixtures::Programs)), ..call() };
    let Err(Refused::Broke(broke)) = loaded.resolve(call, request()).await else { panic!("it goes well") };
    assert_eq!(broke.kind, BrokeKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_command_that_is_not_granted_is_a_denied_call() {
    let loaded = runtime().load(&name(), &runs("rm -r"), &may_run(), Role::Live).expect("granted");
    let call = Call { command: Some(Arc::new(fixtures::Programs)), ..call() };
    let Err(Refused::Broke(broke)) = loaded.resolve(call, request()).await else { panic!("it goes well") };
    assert_eq!((broke.kind, broke.text.as_str()), (BrokeKind::Denied, "`rm -r` is not granted"));
}

/// On one thread, a source that loops must let others have their turn.
async fn a_loop_does_not_stop_others() {
    let runtime = runtime();
    let load = |main: &str| runtime.load(&name(), &component(main), &Grants::default(), Role::Live).expect("it loads");
    let (loops, answers) = (load(&loops()), load(&answers()));
    let looping = tokio::spawn(async move {
        let started = Instant::now();
        let refused = loops.resolve(Call { timeout: Duration::from_millis(50), ..call() }, request()).await.expect_err("it loops");
        (refused, started.elapsed())
    });
    let (mut during, mut timer) = (0, tokio::time::interval(Duration::from_millis(1)));
    while !looping.is_finished() {
        answers.resolve(call(), request()).await.expect("others go on");
        // Timers have their turn as well.
        timer.tick().await;
        during += 1;
    }
    let (refused, took) = looping.await.expect("no panic");
    assert!(matches!(refused, Refused::Broke(Broke { kind: BrokeKind::TimedOut, .. })), "{refused:?}");
    assert!(during >= 4, "only {during} calls in {took:?}");
    assert!(took >= Duration::from_millis(50) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_looping_source_ends_in_time_while_others_go_on_on_one_thread() {
    a_loop_does_not_stop_others().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_looping_source_ends_in_time_while_others_go_on_on_two_threads() {
    a_loop_does_not_stop_others().await;
}

#[tokio::test]
async fn more_calls_than_sandboxes_wait_for_one() {
    let loaded = runtime().load(&name(), &runs("sleep"), &may_run(), Role::Live).expect("granted");
    let calls: Vec<_> = (0..2 * engine::SANDBOXES)
        .map(|_| {
            let (loaded, command) = (loaded.clone(), Arc::new(fixtures::Programs));
            tokio::spawn(async move {
                let call = Call { timeout: Duration::from_millis(30), command: Some(command), ..call() };
                loaded.resolve(call, request()).await
            })
        })
        .collect();
    for call in calls {
        let Err(Refused::Broke(broke)) = call.await.expect("no panic") else { panic!("it goes well") };
        assert_eq!(broke.kind, BrokeKind::TimedOut, "{broke}");
    }
}
