//! A component that does whatever its input says at the boundary: calls any function of the host with any numbers for arguments, hands it
//! any memory, answers the host's own requests for memory as it likes, and returns any answer. Every call comes to an outcome, and no
//! outcome tells a secret.
//!
//! The component gets the input from a file that it was granted. Each operation is a byte; each number that one takes is a byte that says
//! of what size it is, and the number.

#![no_main]

use std::{
    cell::RefCell,
    io,
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use flytoken::{
    app::AppName,
    command,
    config::{Grants, Records, Role, SourceName},
    denials::Denials,
    granted_files::{FileForm, FileGrant},
    http::{Client, HttpGrant, Origin},
    kind::Kind,
    lease::{Lease, Provenance},
    login::{Login, LoginOrigin},
    network::Resolve,
    owner::Intent,
    runtime::{
        BoxFuture, Call, CommandAccess, FilesAccess, FilesFailure, Loaded, RecordsAccess, RecordsFailure, Refused, Runtime, SourceRequest,
    },
    sequence::Obtained,
    time::Timestamp,
    token::ApiToken,
};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|bytes: &[u8]| {
    let outcome = TOKIO.with_borrow(|tokio| tokio.block_on(GUEST.resolve(call(bytes), request())));
    let told = match outcome {
        Ok(lease) => {
            assert!(lease.token.expose().len() <= 16 << 10);
            assert_eq!(lease.provenance.source, name());
            lease.id.into_iter().collect()
        }
        Err(Refused::Said(refusal)) => vec![refusal.text().to_owned()],
        Err(Refused::Broke(broke)) => {
            assert!(!broke.text.is_empty());
            vec![broke.text]
        }
    };
    for text in told {
        assert!(text.len() <= 2048 && !text.chars().any(char::is_control), "{text:?}");
        assert!(!text.contains(LOGIN) && !text.contains(KEPT), "{text:?}");
    }
});

/// Every function of the host that the component has: its name in the component, and what it takes and returns.
const FUNCTIONS: &[(&str, &str)] = &[
    ("(func $secrets \"[static]secret.seal\")", "(param i32 i32) (result i32)"),
    ("(func $secrets \"[method]secret.reveal\")", "(param i32 i32)"),
    ("(func $settings \"get\")", "(param i32 i32 i32)"),
    ("(func $login \"current\")", "(param i32)"),
    ("(func $records \"load\")", "(param i32)"),
    ("(func $records \"save\")", "(param i32 i32 i64 i32 i32 i32 i32)"),
    ("(func $records \"remove\")", "(param i32)"),
    ("(func $command \"run\")", "(param i32 i32 i32 i32 i32)"),
    ("(func $command \"run-on\")", "(param i32 i32 i32 i32 i32 i32 i32)"),
    ("(func $files \"seal\")", "(param i32 i32 i32)"),
    ("(func $files \"read\")", "(param i32 i32 i32)"),
    ("(func $http \"[constructor]fields\")", "(result i32)"),
    ("(func $http \"[static]fields.from-list\")", "(param i32 i32 i32)"),
    ("(func $http \"[method]fields.get\")", "(param i32 i32 i32 i32)"),
    ("(func $http \"[method]fields.set\")", "(param i32 i32 i32 i32 i32 i32)"),
    ("(func $http \"[method]fields.append\")", "(param i32 i32 i32 i32 i32 i32)"),
    ("(func $http \"[method]fields.delete\")", "(param i32 i32 i32 i32)"),
    ("(func $http \"[method]fields.entries\")", "(param i32 i32)"),
    ("(func $http \"[constructor]outgoing-request\")", "(param i32) (result i32)"),
    ("(func $http \"[method]outgoing-request.set-method\")", "(param i32 i32 i32 i32) (result i32)"),
    ("(func $http \"[method]outgoing-request.set-scheme\")", "(param i32 i32 i32 i32 i32) (result i32)"),
    ("(func $http \"[method]outgoing-request.set-authority\")", "(param i32 i32 i32 i32) (result i32)"),
    ("(func $http \"[method]outgoing-request.set-path-with-query\")", "(param i32 i32 i32 i32) (result i32)"),
    ("(func $http \"[method]outgoing-request.authority\")", "(param i32 i32)"),
    ("(func $handler \"handle\")", "(param i32 i32 i32 i32)"),
    ("(func $random \"get-random-bytes\")", "(param i64 i32)"),
    ("drop $secret", "(param i32)"),
    ("drop $fields", "(param i32)"),
    ("drop $outgoing-request", "(param i32)"),
];

/// The component around the functions.
fn component() -> Vec<u8> {
    let (mut lowered, mut given, mut imports, mut arms) = (String::new(), String::new(), String::new(), String::new());
    for (index, (function, signature)) in FUNCTIONS.iter().enumerate() {
        lowered += &match function.strip_prefix("drop ") {
            Some(resource) => format!("(core func $f{index} (canon resource.drop {resource}))\n"),
            None => format!("(core func $f{index} (canon lower {function} (memory $memory) (realloc $realloc)))\n"),
        };
        given += &format!("(export \"f{index}\" (func $f{index}))\n");
        imports += &format!("(import \"host\" \"f{index}\" (func $f{index} {signature}))\n");
        let (parameters, result) = signature.split_once("(result").map_or((*signature, false), |(parameters, _)| (parameters, true));
        let arguments: String = parameters
            .trim_matches(|character| " ()".contains(character))
            .split(' ')
            .filter_map(|word| match word {
                "i32" => Some("(call $argument) "),
                "i64" => Some("(i64.extend_i32_s (call $argument)) "),
                _ => None,
            })
            .collect();
        let call = format!("(call $f{index} {arguments})");
        let call = if result { format!("(call $last {call})") } else { call };
        arms += &format!("(if (i32.eq (local.get $op) (i32.const {index})) (then {call}))\n");
    }
    let frame = include_str!("../src/guest.wat").to_owned();
    let text = [("LOWERED", lowered), ("GIVEN", given), ("FUNCTIONS", imports), ("ARMS", arms)]
        .iter()
        .fold(frame, |text, (place, what)| text.replace(place, what));
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

static GUEST: LazyLock<Loaded> = LazyLock::new(|| {
    let mut grants = Grants { reveal: true, login: true, records: Some(Records::Cache), may_leak: true, ..Grants::default() };
    grants.files.insert("input".into(), FileGrant { path: "/input".into(), form: FileForm::Bytes });
    grants.commands.push(serde_json::from_str(r#"{ "program": "fly", "args": ["version"] }"#).expect("a grant"));
    grants.http.push(granted());
    let runtime = Runtime::new(None).expect("this machine runs wasm");
    runtime.load(&name(), &component(), &grants, Role::Live).unwrap_or_else(|error| panic!("{error}"))
});

thread_local! {
    static TOKIO: RefCell<tokio::runtime::Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
}

fn call(input: &[u8]) -> Call {
    let obtained = Obtained { at: Timestamp::from_seconds(1_000), sequence: 1 };
    let (provenance, denials) = (provenance(), Denials::default());
    let generation = serde_json::from_str("7").expect("a number");
    let login = Arc::new(Login { token: token(LOGIN), generation, revision: 1, origin: LoginOrigin::Variable("FLY_API_TOKEN") });
    let files: Arc<dyn FilesAccess> = Arc::new(Input(input.to_owned()));
    let client = Client::new(vec![granted()], Some(Arc::clone(&files)), Some(token(LOGIN)), Arc::new(Nowhere), denials.clone());
    Call {
        source: name(),
        settings: Arc::new([("input".to_owned(), "a setting".to_owned())].into()),
        provenance,
        obtained: Arc::new(move || obtained),
        login: Some(login),
        records: Some(Arc::new(Record(Mutex::default()))),
        command: Some(Arc::new(Programs)),
        files: Some(files),
        http: Some(Arc::new(client)),
        sockets: None,
        env: Arc::default(),
        denials,
        denied: Arc::new(|denial| {
            let text = denial.text;
            assert!(!text.chars().any(char::is_control) && !text.contains(LOGIN) && !text.contains(KEPT), "{text:?}");
        }),
        reveal: true,
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

fn name() -> SourceName {
    SourceName::parse("corp").expect("a name")
}

fn provenance() -> Provenance {
    Provenance {
        source: name(),
        kind: Kind::Readonly,
        obtained: Timestamp::from_seconds(1_000),
        sequence: 0,
        login: None,
        source_digest: [7; 32],
        is_login: false,
    }
}

fn granted() -> HttpGrant {
    let origin = Origin::parse("https://vault.example").expect("an origin");
    HttpGrant { origin, private: false, ca: None, headers: [].into() }
}

fn token(text: &str) -> Arc<ApiToken> {
    Arc::new(ApiToken::new(Zeroizing::new(text.to_owned())))
}

/// The file that holds the input.
struct Input(Vec<u8>);

impl FilesAccess for Input {
    fn read<'a>(&'a self, name: &'a str, _form: FileForm) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, FilesFailure>> {
        Box::pin(async move { if name == "input" { Ok(Zeroizing::new(self.0.clone())) } else { Err(FilesFailure::Denied(name.into())) } })
    }
}

/// A record that lies in memory, with a lease in it.
struct Record(Mutex<Option<Lease>>);

impl RecordsAccess for Record {
    fn load(&self) -> BoxFuture<'_, Result<Option<Lease>, RecordsFailure>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lease = kept.unwrap_or_else(|| Lease {
            token: token(KEPT),
            expiry: flytoken::lease::Expiry::Unknown,
            id: Some("kept".into()),
            provenance: provenance(),
        });
        Box::pin(async move { Ok(Some(lease)) })
    }

    fn save(&self, lease: Lease) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
        Box::pin(async { Ok(()) })
    }

    fn remove(&self) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Box::pin(async { Err(RecordsFailure::Unavailable("the disk is full".into())) })
    }
}

/// Prints its command line, if it is `fly`.
struct Programs;

impl CommandAccess for Programs {
    fn run<'a>(&'a self, program: &'a str, args: &'a [String]) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        self.run_on(program, args, "")
    }

    fn run_on<'a>(
        &'a self,
        program: &'a str,
        args: &'a [String],
        id: &'a str,
    ) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        Box::pin(async move {
            if program != "fly" {
                return Err(command::Failure::Denied(format!("`{program}` is not granted")));
            }
            let stdout = Zeroizing::new(format!("{}{id}", args.join(" ")).into_bytes());
            Ok(Arc::new(command::Output { code: Some(0), stdout, stderr: Zeroizing::default(), unique: String::new() }))
        })
    }
}

/// Nothing is looked up, and nothing connected to.
struct Nowhere;

impl Resolve for Nowhere {
    fn resolve<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Err(io::ErrorKind::NotFound.into()) })
    }
}

const LOGIN: &str = "fm2_logincanaryAAAAAAAA";
const KEPT: &str = "fm2_keptcanaryBBBBBBBBB";
