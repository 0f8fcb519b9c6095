//! What a source costs by the language that it is written in: its size, the time until it is compiled and found compiled, and that of a call.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Instant};

use flytoken::{
    app::AppName,
    builtin,
    cache::Key,
    config::{Described, SourceName},
    kind::Kind,
    owner::Intent,
    runtime::Runtime,
    system::{Environment, SystemClock},
    trial::{Question, Terms, Trial},
};

use crate::{
    measure::{median, shown},
    setting,
};

/// Prints one row for each language: the same source in each, which answers with its setting `token`.
pub(crate) fn run() {
    println!("\n{:<12} {:>10} {:>14} {:>14} {:>12} {:>12}", "LANGUAGE", "SIZE", "COMPILED", "FOUND COMPILED", "A CALL", "MEMORY");
    row("Rust", Some(builtin::demo("vault").unwrap().to_vec()));
    for language in ["Python", "JavaScript"] {
        row(language, fs::read(Path::new(BUILT).join(format!("{}.wasm", language.to_lowercase()))).ok());
    }
}

fn row(language: &str, component: Option<Vec<u8>>) {
    let Some(component) = component else {
        println!("{language:<12} {:>10}", "left out: `cargo test --test languages` builds it");
        return;
    };
    let cache = tempfile::tempdir().unwrap();
    let mut loaded = Vec::new();
    for _ in ["compiled", "found compiled"] {
        let runtime = Runtime::new(Some(cache.path())).unwrap();
        let begun = Instant::now();
        let trial = trial(&runtime, &component);
        loaded.push((begun.elapsed(), runtime, trial));
    }
    let (compiled, found, trial) = (loaded[0].0, loaded[1].0, &loaded[1].2);
    let question =
        Question { key: Key { app: AppName::parse("web").unwrap(), kind: Kind::Readonly }, organization: None, intent: Intent::Resolve };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut memory = 0;
    let call = median(300, |_| {
        let ended = tokio.block_on(trial.resolve(&question, &Terms::default()));
        assert!(ended.answer.is_ok(), "{language}: {:?}", ended.answer.err());
        memory = ended.traced.memory;
    });
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let size = |bytes: u64| if bytes < 1_000_000 { format!("{} kB", bytes / 1000) } else { format!("{:.1} MB", bytes as f64 / 1e6) };
    println!(
        "{language:<12} {:>10} {:>14} {:>14} {:>12} {:>12}",
        size(component.len() as u64),
        shown(compiled),
        shown(found),
        shown(call),
        size(memory)
    );
}

fn trial(runtime: &Runtime, component: &[u8]) -> Trial {
    let name = SourceName::parse("corp").unwrap();
    let settings = BTreeMap::from([("token".to_owned(), setting::token(123))]);
    let described = Described {
        name: &name,
        component: Path::new("/corp.wasm"),
        grants: &[],
        may_leak: false,
        settings: &settings,
        timeout: None,
        memory: None,
        folder: Path::new("/"),
        home: None,
    };
    let environment: Environment = std::iter::empty::<(&str, &str)>().collect();
    let clock = Arc::new(SystemClock::default());
    Trial::load(runtime, described.source().unwrap(), component, clock, &environment).unwrap()
}

/// Where the tests of other languages put what they build.
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/languages");
