//! The host, as a component reaches it: every call goes through the generated imports.

pub(crate) use crate::bindings::secrets::Secret as Handle;
use crate::bindings::{command, files, login, records, settings, types};
use crate::{
    CommandFailure, Commands, FileFailure, Files, Host, Http, HttpError, HttpRequest, HttpResponse, Lease, Login, Output, RecordFailure,
    Records, Secret, Settings, http,
};

impl Settings for Host {
    fn setting(&self, key: &str) -> Option<String> {
        settings::get(key)
    }

    fn setting_keys(&self) -> Vec<String> {
        settings::keys()
    }
}

impl Login for Host {
    fn login(&self) -> Option<Secret> {
        login::current().map(Secret)
    }
}

impl Records for Host {
    fn load(&self) -> Result<Option<Lease>, RecordFailure> {
        Ok(records::load()?.map(Lease::from))
    }

    fn save(&self, lease: Lease) -> Result<(), RecordFailure> {
        records::save(lease.into())
    }

    fn remove(&self) -> Result<(), RecordFailure> {
        records::remove()
    }
}

impl Commands for Host {
    fn run(&self, program: &str, args: &[&str]) -> Result<Output, CommandFailure> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        command::run(program, &args)
    }

    fn run_on(&self, program: &str, args: &[&str], id: &str) -> Result<Output, CommandFailure> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        command::run_on(program, &args, id)
    }
}

impl Files for Host {
    fn file(&self, name: &str) -> Result<Secret, FileFailure> {
        files::seal(name).map(Secret)
    }

    fn file_bytes(&self, name: &str) -> Result<Vec<u8>, FileFailure> {
        files::read(name)
    }
}

impl Http for Host {
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        http::component::send(request)
    }
}

impl From<types::Lease> for Lease {
    fn from(lease: types::Lease) -> Self {
        Self { token: Secret(lease.token), expiry: lease.expiry, id: lease.id }
    }
}

impl From<Lease> for types::Lease {
    fn from(lease: Lease) -> Self {
        Self { token: lease.token.0, expiry: lease.expiry, id: lease.id }
    }
}
