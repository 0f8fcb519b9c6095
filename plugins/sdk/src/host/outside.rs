//! The host outside a component: there is none, and it says so.

use crate::{
    CommandFailure, Commands, Denied, FileFailure, Files, Host, Http, HttpError, HttpRequest, HttpResponse, Lease, Login, Output,
    RecordFailure, Records, Secret, Settings,
};

/// The text of a secret, since no host holds it.
#[derive(PartialEq, Eq)]
pub(crate) struct Handle(String);

impl Handle {
    pub(crate) fn seal(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    #[expect(clippy::unnecessary_wraps, reason = "in a component the host may deny it")]
    pub(crate) fn reveal(&self) -> Result<String, Denied> {
        Ok(self.0.clone())
    }
}

impl Settings for Host {
    fn setting(&self, _key: &str) -> Option<String> {
        None
    }
}

impl Login for Host {
    fn login(&self) -> Option<Secret> {
        None
    }
}

impl Records for Host {
    fn load(&self) -> Result<Option<Lease>, RecordFailure> {
        Err(RecordFailure::Unavailable(NO_HOST.to_owned()))
    }

    fn save(&self, _lease: Lease) -> Result<(), RecordFailure> {
        Err(RecordFailure::Unavailable(NO_HOST.to_owned()))
    }

    fn remove(&self) -> Result<(), RecordFailure> {
        Err(RecordFailure::Unavailable(NO_HOST.to_owned()))
    }
}

impl Commands for Host {
    fn run(&self, _program: &str, _args: &[&str]) -> Result<Output, CommandFailure> {
        Err(CommandFailure::Failed(NO_HOST.to_owned()))
    }

    fn run_on(&self, _program: &str, _args: &[&str], _id: &str) -> Result<Output, CommandFailure> {
        Err(CommandFailure::Failed(NO_HOST.to_owned()))
    }
}

impl Files for Host {
    fn file(&self, _name: &str) -> Result<Secret, FileFailure> {
        Err(FileFailure::Failed(NO_HOST.to_owned()))
    }

    fn file_bytes(&self, _name: &str) -> Result<Vec<u8>, FileFailure> {
        Err(FileFailure::Failed(NO_HOST.to_owned()))
    }
}

impl Http for Host {
    fn send(&self, _request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Failed(NO_HOST.to_owned()))
    }
}

const NO_HOST: &str = "there is no host outside a component";
