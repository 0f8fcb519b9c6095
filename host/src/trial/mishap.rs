//! What can go wrong with the host in the middle of a call: it denies, fails, or takes its time.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::{
    command,
    granted_files::FileForm,
    lease::Lease,
    network::{Resolve, SystemResolver},
    runtime::{BoxFuture, CommandAccess, FilesAccess, FilesFailure, RecordsAccess, RecordsFailure},
};

/// A part of the host that can answer otherwise than hoped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `secrets`, as far as `reveal` goes.
    Reveal,
    /// `records`.
    Records,
    /// `command`.
    Command,
    /// `files`.
    Files,
    /// `wasi:http`.
    Http,
    /// `wasi:sockets`.
    Sockets,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The host says that it is not granted.
    Denied,
    /// It fails.
    Failed,
}

/// What happens to every call into one part of the host.
#[derive(Clone, Copy)]
pub(super) struct Awry {
    pub(super) mishap: Option<Mishap>,
    pub(super) slow: Option<Duration>,
}

/// A part of the host, gone wrong or not.
pub(super) struct Through<T> {
    awry: Awry,
    inner: T,
}

impl Awry {
    pub(super) fn records(self, inner: Arc<dyn RecordsAccess>) -> Through<Arc<dyn RecordsAccess>> {
        Through { awry: self, inner }
    }

    pub(super) fn command(self, inner: Arc<dyn CommandAccess>) -> Through<Arc<dyn CommandAccess>> {
        Through { awry: self, inner }
    }

    pub(super) fn files(self, inner: Arc<dyn FilesAccess>) -> Through<Arc<dyn FilesAccess>> {
        Through { awry: self, inner }
    }

    async fn wait(self) {
        if let Some(slow) = self.slow {
            sleep(slow).await;
        }
    }
}

impl Through<Arc<dyn RecordsAccess>> {
    async fn done<T>(&self, work: BoxFuture<'_, Result<T, RecordsFailure>>) -> Result<T, RecordsFailure> {
        self.awry.wait().await;
        match self.awry.mishap {
            Some(_) => Err(RecordsFailure::Unavailable(BROKEN.into())),
            None => work.await,
        }
    }
}

impl RecordsAccess for Through<Arc<dyn RecordsAccess>> {
    fn load(&self) -> BoxFuture<'_, Result<Option<Lease>, RecordsFailure>> {
        Box::pin(async { self.done(self.inner.load()).await })
    }

    fn save(&self, lease: Lease) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        Box::pin(async { self.done(Box::pin(async { self.inner.save(lease).await })).await })
    }

    fn remove(&self) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        Box::pin(async { self.done(Box::pin(async { self.inner.remove().await })).await })
    }
}

impl FilesAccess for Through<Arc<dyn FilesAccess>> {
    fn read<'a>(&'a self, name: &'a str, form: FileForm) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, FilesFailure>> {
        Box::pin(async move {
            self.awry.wait().await;
            match self.awry.mishap {
                Some(Mishap::Denied) => Err(FilesFailure::Denied(DENIED.into())),
                Some(Mishap::Failed) => Err(FilesFailure::Failed(BROKEN.into())),
                None => self.inner.read(name, form).await,
            }
        })
    }
}

impl Through<Arc<dyn CommandAccess>> {
    fn failure(&self) -> Option<command::Failure> {
        Some(match self.awry.mishap? {
            Mishap::Denied => command::Failure::Denied(DENIED.into()),
            Mishap::Failed => command::Failure::Failed(BROKEN.into()),
        })
    }
}

impl CommandAccess for Through<Arc<dyn CommandAccess>> {
    fn run<'a>(&'a self, program: &'a str, args: &'a [String]) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        Box::pin(async move {
            self.awry.wait().await;
            match self.failure() {
                Some(failure) => Err(failure),
                None => self.inner.run(program, args).await,
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
            self.awry.wait().await;
            match self.failure() {
                Some(failure) => Err(failure),
                None => self.inner.run_on(program, args, id).await,
            }
        })
    }
}

/// A resolver that takes its time, or knows no name.
pub(super) struct Nowhere {
    pub(super) slow: Option<Duration>,
    pub(super) fails: bool,
}

impl Resolve for Nowhere {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            if let Some(slow) = self.slow {
                sleep(slow).await;
            }
            if self.fails { Err(io::Error::other(BROKEN)) } else { SystemResolver.resolve(name).await }
        })
    }
}

const BROKEN: &str = "made to fail, to see what the source makes of it";
const DENIED: &str = "made to be denied, to see what the source makes of it";
