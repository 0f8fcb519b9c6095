//! The core in this process: the cache, the chain, the database, the command.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    process::Command,
    sync::Arc,
    time::Duration,
};

use flytoken::{
    app::AppName,
    attestation,
    cache::{Cache, Cached, Key, Moments, Terms},
    config::SourceName,
    core::Core,
    kind::Kind,
    lease::{Expiry, Lease, Provenance},
    protocol::{Reply, Request, Wish},
    system::{Clock, SystemClock},
    time::Timestamp,
    token::ApiToken,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    measure::{Table, batched, median, shown},
    setting::{self, Setting},
};

pub(crate) fn run(table: &Table) {
    cached_lookup(table);
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio.block_on(async {
        miss(table).await;
        storage(table).await;
        governed(table).await;
        command(table).await;
        set(table).await;
    });
}

fn app(number: usize) -> AppName {
    AppName::parse(&format!("app-{number}")).unwrap()
}

fn cached_lookup(table: &Table) {
    let mut small = None;
    for apps in [10, 100_000] {
        let lookup = lookup(apps);
        let reference = small.map_or_else(String::new, |small| format!("with 10 apps {}", shown(small)));
        small = Some(lookup);
        table.time(&format!("cached lookup inside the agent, {apps} apps"), Duration::from_nanos(200), lookup, &reference);
    }
}

/// Finding a lease among those of so many apps, and telling that it is fresh.
pub(crate) fn lookup(apps: usize) -> Duration {
    let clock = SystemClock::default();
    let now = clock.now();
    let cache = Cache::default();
    for number in 0..apps {
        cache.put(Key { app: app(number), kind: Kind::Readonly }, Arc::new(cached(now, 0.5)));
    }
    let keys: Vec<_> = (0..10).map(|number| Key { app: app(number * apps / 10), kind: Kind::Readonly }).collect();
    batched(200, 1_000, |round| {
        let found = cache.find(&keys[round as usize % 10]).unwrap();
        std::hint::black_box(found.state(clock.now()));
    })
}

/// A lease that lives for a day, with these moments drawn.
pub(crate) fn cached(now: Timestamp, draw: f64) -> Cached {
    let lease = Lease {
        token: Arc::new(ApiToken::new(Zeroizing::new("fm2_x".into()))),
        expiry: Expiry::Unknown,
        id: None,
        provenance: Provenance {
            source: SourceName::parse("cli").unwrap(),
            kind: Kind::Readonly,
            obtained: now,
            sequence: 1,
            login: None,
            source_digest: [0; 32],
            is_login: false,
        },
    };
    let moments = Moments { ttl: Duration::from_hours(24), p99: Duration::ZERO, draw, at_most: None };
    Cached::new(lease, "0000000000000000".parse().unwrap(), moments, Terms { revision: 0, leaves_whole: true })
}

async fn get(core: &Core, number: usize) -> bool {
    core.answer(Request::Get { app: app(number), kind: Kind::Readonly, wish: Wish::default() }).await.is_ok()
}

/// The median over apps that nobody has asked for yet.
async fn cold(core: &Core, apps: std::ops::Range<usize>, answered: bool) -> Duration {
    let mut times = Vec::new();
    for number in apps {
        let begun = std::time::Instant::now();
        assert_eq!(get(core, number).await, answered, "app {number}");
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

async fn miss(table: &Table) {
    let core = setting::homeless().await;
    cold(&core, 0..500, false).await;
    let miss = cold(&core, 500..3_000, false).await;
    table.time("a whole four-step miss, no I/O", Duration::from_micros(200), miss, "");
    core.shutdown().await;
}

/// What a policy of twenty rules and an audit that is not required add to a cached answer.
async fn governed(table: &Table) {
    let setting = Setting::new();
    fs::write(setting.path("vault.wasm"), flytoken::builtin::demo("vault").unwrap()).unwrap();
    let digest = flytoken::hex::encode(&Sha256::digest(fs::read(setting.path("vault.wasm")).unwrap()));
    setting.configure(&format!(
        "chain: [vault]\nsources:\n  vault:\n    component: {}\n    sha256: {digest}\n    settings: {{ token: '{}' }}\n",
        setting.path("vault.wasm").display(),
        setting::token(123)
    ));
    let served = async |core: Core| {
        assert!(get(&core, 1).await);
        let client = attestation::of_this_process(core.wanted());
        let request = Request::Get { app: app(1), kind: Kind::Readonly, wish: Wish::default() };
        assert!(core.serve_at_once(&client, &request).is_some());
        let took = batched(200, 500, |_| drop(std::hint::black_box(core.serve_at_once(&client, &request).unwrap())));
        core.shutdown().await;
        took
    };
    let plain = served(setting.core().await).await;
    let mut policy = format!("version: 1\naudit: {{ file: {} }}\nclients:\n", setting.path("audit.jsonl").display());
    let others = (0..19).map(|number| format!("  - {{ name: r{number}, executable: /opt/{number}/*, apps: [other-*] }}\n"));
    policy.extend(others);
    policy.push_str("  - { name: last, apps: [app-*] }\n");
    let judged = served(setting.governed(&policy).await).await;
    let reference = format!("without either {}", shown(plain));
    table.time("policy and audit of a cached answer", Duration::from_micros(10), judged.saturating_sub(plain), &reference);
}

/// Leases that a former run kept come back through the sandbox and the sealed database.
async fn storage(table: &Table) {
    const APPS: usize = 600;

    let setting = Setting::new();
    fs::write(setting.path("vault.wasm"), flytoken::builtin::demo("vault").unwrap()).unwrap();
    setting.configure(&format!(
        "chain: [storage, vault]\nsources:\n  vault:\n    component: {}\n    dev: true\n    keep: true\n    settings: {{ token: '{}' }}\n",
        setting.path("vault.wasm").display(),
        setting::token(123)
    ));
    let former = setting.core().await;
    for number in 0..APPS {
        assert!(get(&former, number).await);
    }
    former.shutdown().await;
    let core = setting.core().await;
    cold(&core, 0..100, true).await;
    let kept = cold(&core, 100..APPS, true).await;
    table.time("a cold app answered by storage", Duration::from_micros(100), kept, "");
    core.shutdown().await;
}

/// What an answer of `cli` takes beyond its child process.
async fn command(table: &Table) {
    let setting = Setting::new();
    setting.configure("");
    let core = setting.core().await;
    let fly = setting.fly();
    assert!(get(&core, 0).await, "the stand-in mints");
    let alone = || assert!(Command::new(&fly).env_clear().output().unwrap().status.success());
    // In turn, so that both meet the same machine.
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for number in 1..200 {
        ours.push(cold(&core, number..number + 1, true).await);
        plain.push(median(1, |_| alone()));
        // Keeping is not part of the answer, and would run beside the next one.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ours.sort_unstable();
    plain.sort_unstable();
    let (ours, plain) = (ours[ours.len() / 2], plain[plain.len() / 2]);
    let beyond = ours.saturating_sub(plain);
    table.time("a cli answer, beyond its child process", Duration::from_micros(300), beyond, &format!("the child alone {}", shown(plain)));
    core.shutdown().await;
}

/// A manual token, durable when it is acknowledged, against the disk's own write and sync of as many bytes.
async fn set(table: &Table) {
    let setting = Setting::new();
    setting.configure("");
    let core = setting.core().await;
    let text = setting::token(123);
    let mut raw = OpenOptions::new().create(true).append(true).open(setting.path("raw")).unwrap();
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let token = Arc::new(ApiToken::new(Zeroizing::new(text.clone())));
        let begun = std::time::Instant::now();
        let reply = core.answer(Request::Set { app: app(1), token, force: false }).await;
        ours.push(begun.elapsed());
        assert!(matches!(reply, Ok(Reply::Set { .. })));
        let begun = std::time::Instant::now();
        raw.write_all(text.as_bytes()).unwrap();
        raw.sync_data().unwrap();
        plain.push(begun.elapsed());
    }
    ours.sort_unstable();
    plain.sort_unstable();
    let (ours, plain) = (ours[ours.len() / 2], plain[plain.len() / 2]);
    let budget = plain * 2 + Duration::from_micros(100);
    table.time("set, durable when it returns", budget, ours, &format!("write and sync {}", shown(plain)));
    core.shutdown().await;
}
