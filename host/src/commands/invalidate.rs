//! `flytoken invalidate`: never this token again.

use std::sync::Arc;

use super::{Context, set, unexpected};
use crate::{
    cli::Invalidate,
    output::json,
    protocol::{Failure, Reply, Request},
};

pub(super) fn run(invalidate: &Invalidate, context: &Context) -> Result<(), Failure> {
    let app = context.app(&invalidate.app)?;
    let request = if invalidate.token_stdin {
        let token = Arc::new(set::read("Token to invalidate (not shown): ")?);
        Request::InvalidateToken { app: app.clone(), kind: invalidate.kind, token }
    } else {
        Request::Invalidate { app: app.clone(), kind: invalidate.kind, fingerprint: invalidate.fingerprint }
    };
    let Reply::Invalidated { fingerprints } = context.ask(request)? else { return Err(unexpected()) };
    if invalidate.json {
        return context.output.print_json(&json::Invalidated { app: &app, fingerprints: &fingerprints });
    }
    for fingerprint in &fingerprints {
        context.output.print(&format!("{app}: dropped token {fingerprint}\n"))?;
    }
    match (fingerprints.is_empty(), invalidate.fingerprint.is_some() || invalidate.token_stdin) {
        (false, _) => Ok(()),
        (true, false) => context.output.print(&format!("{app}: no token was cached; none obtained before now is handed out again\n")),
        (true, true) => context.output.print(&format!("{app}: that token was not cached; it is not handed out again\n")),
    }
}
