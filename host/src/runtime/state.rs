//! What lives as long as one call: its secrets, its share of the host, its limits. No two calls share one.

use std::sync::Arc;

use tokio::time::Instant;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtxView;

use super::{
    access::{FilesAccess, RecordsAccess},
    call::{Call, Stamp},
    imports::{
        command::Commands,
        files::FilesView,
        http::Http,
        login::{CurrentLogin, LoginView},
        records::RecordsView,
        secrets::Secrets,
        settings::Settings,
        sockets::LookupView,
    },
    limits::{HOST_CALL_BYTES, Limits},
    trace::{Trace, Tracer},
    wasi::Wasi,
};
use crate::{denials::Denials, network::Sockets};

/// The state of one call. The linker lends each interface its own part and nothing else.
pub(super) struct State {
    wasi: Wasi,
    secrets: Secrets,
    settings: Settings,
    login: CurrentLogin,
    records: Option<Arc<dyn RecordsAccess>>,
    commands: Commands,
    files: Option<Arc<dyn FilesAccess>>,
    http: Http,
    sockets: Option<Arc<Sockets>>,
    denials: Denials,
    limits: Limits,
    trace: Tracer,
}

impl State {
    /// A fresh store for `call`, under every limit. Its time is up at `deadline`.
    pub(super) fn store(engine: &Engine, call: Call, deadline: Instant) -> Store<Self> {
        let trace = Tracer(call.trace);
        let stamp = Stamp { provenance: call.provenance, obtained: call.obtained };
        let login_text = call.login.as_ref().map(|login| Arc::clone(&login.token));
        let state = Self {
            wasi: Wasi::new(&call.env, call.sockets.as_ref(), &trace),
            secrets: Secrets::new(stamp, login_text, call.reveal, call.denials.clone()).traced(&trace),
            settings: Settings { values: call.settings, trace: trace.clone() },
            login: CurrentLogin::new(call.login),
            records: call.records,
            commands: Commands::new(call.command, call.denials.clone()).traced(&trace),
            files: call.files,
            http: Http::new(call.http).traced(&trace),
            sockets: call.sockets,
            denials: call.denials,
            limits: Limits::new(call.memory),
            trace,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline {
                return Ok(UpdateDeadline::Interrupt);
            }
            // Tokio's own yield lets timers and sockets have their turn, on a runtime with one thread too; to be polled again at once would
            // starve them for a third of a second.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }

    /// The part of WASI.
    pub(super) fn wasi(&mut self) -> &mut Wasi {
        &mut self.wasi
    }

    /// The part of `secrets`.
    pub(super) fn secrets(&mut self) -> &mut Secrets {
        &mut self.secrets
    }

    /// The part of `settings`.
    pub(super) fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The part of `login`.
    pub(super) fn login(&mut self) -> LoginView<'_> {
        LoginView { current: &mut self.login, secrets: &mut self.secrets }
    }

    /// The part of `records`.
    pub(super) fn records(&mut self) -> RecordsView<'_> {
        RecordsView { access: self.records.clone(), secrets: &mut self.secrets }
    }

    /// The part of `command`.
    pub(super) fn commands(&mut self) -> &mut Commands {
        &mut self.commands
    }

    /// The part of `files`.
    pub(super) fn files(&mut self) -> FilesView<'_> {
        FilesView { access: self.files.clone(), secrets: &mut self.secrets, denials: self.denials.clone() }
    }

    /// The part of `wasi:http`, with the table that WASI's handles lie in.
    pub(super) fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http.view(self.wasi.table())
    }

    /// The lookups of `wasi:sockets`.
    pub(super) fn lookups(&mut self) -> LookupView<'_> {
        LookupView { sockets: self.sockets.as_ref(), table: self.wasi.table(), trace: self.trace.clone() }
    }

    /// What the call asked for without a grant.
    pub(super) fn denials(&self) -> &Denials {
        &self.denials
    }

    /// Has what the host wrote into headers struck out of the source's texts: a server may have sent it back.
    pub(super) fn censor_headers(&mut self) {
        for token in self.http.written() {
            self.secrets.strike(&token);
        }
    }

    /// There is an instance.
    pub(super) fn started(&self) {
        if let Some(trace) = self.trace() {
            trace.started();
        }
    }

    /// Where it is written down what the call does.
    pub(super) fn trace(&self) -> Option<&Trace> {
        self.trace.0.as_ref()
    }

    /// The bytes of linear memory that the call took so far.
    pub(super) fn memory_taken(&self) -> usize {
        self.limits.taken()
    }

    /// The bytes of linear memory that the call may have.
    pub(super) fn memory(&self) -> usize {
        self.limits.memory()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.view()
    }
}
