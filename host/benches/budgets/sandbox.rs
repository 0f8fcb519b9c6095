//! One call of a source in a fresh sandbox.

use std::{process::Command, sync::Arc, time::Duration};

use flytoken::{
    app::AppName,
    builtin,
    config::{Grants, Role, SourceName},
    denials::Denials,
    kind::Kind,
    lease::Provenance,
    owner::Intent,
    runtime::{Call, DEFAULT_MEMORY, Runtime, SourceRequest},
    sequence::Obtained,
    time::Timestamp,
};

use crate::measure::{Table, median, shown};

pub(crate) fn run(table: &Table) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runtime = Runtime::new(None).unwrap();
    let name = SourceName::parse("config").unwrap();
    let grants = Grants { login: true, ..Grants::default() };
    let source = runtime.load(&name, builtin::component("config").unwrap(), &grants, Role::Live).unwrap();
    let call = || Call {
        source: name.clone(),
        settings: Arc::default(),
        provenance: Provenance {
            source: name.clone(),
            kind: Kind::Readonly,
            obtained: Timestamp::default(),
            sequence: 0,
            login: None,
            source_digest: [0; 32],
            is_login: false,
        },
        obtained: Arc::new(|| Obtained { at: Timestamp::default(), sequence: 1 }),
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
        memory: DEFAULT_MEMORY,
        peak: Arc::default(),
        trace: None,
    };
    let request = SourceRequest {
        app: AppName::parse("web").unwrap(),
        kind: Kind::Readonly,
        organization: None,
        intent: Intent::Resolve,
        now: Timestamp::default(),
        lifetime: Duration::from_hours(24),
    };
    let one = || tokio.block_on(source.resolve(call(), request.clone())).unwrap_err();
    for _ in 0..2_000 {
        one();
    }
    let calling = median(20_000, |_| drop(one()));
    let truth = median(200, |_| assert!(Command::new("/bin/true").status().unwrap().success()));
    table.time("one source call in a fresh sandbox", Duration::from_micros(40), calling, &format!("/bin/true {}", shown(truth)));
    let times = truth.as_secs_f64() / calling.as_secs_f64();
    table.line(
        "  cheaper than starting /bin/true by",
        ">= 40 x",
        &format!("{times:.0} x"),
        40.0 / times,
        &format!("/bin/true {}", shown(truth)),
    );
}
