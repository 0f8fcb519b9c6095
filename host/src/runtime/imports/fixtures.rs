//! What the tests of the interfaces share: secrets, a record in memory, programs that only echo.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use zeroize::Zeroizing;

use super::secrets::Secrets;
use crate::{
    command,
    config::SourceName,
    denials::Denials,
    kind::Kind,
    lease::{Lease, Provenance},
    login::{Generation, Login, LoginOrigin},
    runtime::{
        access::{BoxFuture, CommandAccess, RecordsAccess, RecordsFailure},
        call::Stamp,
    },
    sequence::Obtained,
    time::Timestamp,
    token::ApiToken,
};

pub(in crate::runtime) fn token(text: &str) -> Arc<ApiToken> {
    Arc::new(ApiToken::new(Zeroizing::new(text.to_owned())))
}

pub(in crate::runtime) fn login(text: &str) -> Arc<Login> {
    let origin = LoginOrigin::Variable("FLY_API_TOKEN");
    Arc::new(Login { token: token(text), generation: Generation::numbered(7), revision: 1, origin })
}

/// Stamps with 1, 2, 3, …
pub(in crate::runtime) fn stamp() -> Stamp {
    let last = AtomicU64::new(0);
    let provenance = Provenance {
        source: SourceName::parse("corp").expect("a name"),
        kind: Kind::Readonly,
        obtained: Timestamp::from_seconds(1_000),
        sequence: 0,
        login: None,
        source_digest: [7; 32],
        is_login: false,
    };
    let at = provenance.obtained;
    Stamp { provenance, obtained: Arc::new(move || Obtained { at, sequence: last.fetch_add(1, Ordering::Relaxed) + 1 }) }
}

pub(in crate::runtime) fn secrets(login: Option<&str>, reveal: bool) -> Secrets {
    Secrets::new(stamp(), login.map(token), reveal, Denials::default())
}

/// A record that lies in memory, or one where everything fails.
#[derive(Default)]
pub(in crate::runtime) struct Record {
    lease: Mutex<Option<Lease>>,
    failure: Option<RecordsFailure>,
}

impl Record {
    pub(in crate::runtime) fn broken(failure: RecordsFailure) -> Self {
        Self { lease: Mutex::default(), failure: Some(failure) }
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Option<Lease>) -> T) -> BoxFuture<'_, Result<T, RecordsFailure>> {
        let done = match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(work(&mut self.lease.lock().expect("no test panics here"))),
        };
        Box::pin(async {
            tokio::task::yield_now().await;
            done
        })
    }
}

impl RecordsAccess for Record {
    fn load(&self) -> BoxFuture<'_, Result<Option<Lease>, RecordsFailure>> {
        self.with(|kept| {
            let Lease { token, expiry, id, provenance } = kept.as_ref()?;
            Some(Lease { token: token.clone(), expiry: *expiry, id: id.clone(), provenance: provenance.clone() })
        })
    }

    fn save(&self, lease: Lease) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        self.with(|kept| *kept = Some(lease))
    }

    fn remove(&self) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        self.with(|kept| *kept = None)
    }
}

/// Grants `fly`, which prints its command line, and `sleep`, which never ends.
pub(in crate::runtime) struct Programs;

impl CommandAccess for Programs {
    fn run<'a>(&'a self, program: &'a str, args: &'a [String]) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        Box::pin(async move {
            match program {
                "fly" => {
                    let stdout = format!("fly {}", args.join(" ")).into_bytes().into();
                    Ok(Arc::new(command::Output { code: Some(0), stdout, stderr: Zeroizing::default(), unique: String::new() }))
                }
                "sleep" => std::future::pending().await,
                other => Err(command::Failure::Denied(format!("`{other}` is not granted"))),
            }
        })
    }

    fn run_on<'a>(
        &'a self,
        program: &'a str,
        args: &'a [String],
        id: &'a str,
    ) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        Box::pin(async move {
            match program {
                "fly" => {
                    let stdout = format!("fly {} on {id}", args.join(" ")).into_bytes().into();
                    Ok(Arc::new(command::Output { code: Some(0), stdout, stderr: Zeroizing::default(), unique: String::new() }))
                }
                other => Err(command::Failure::Denied(format!("`{other}` is not granted"))),
            }
        })
    }
}
