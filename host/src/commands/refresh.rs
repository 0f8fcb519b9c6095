//! `flytoken refresh`: obtains newer tokens, and prints none.

use super::{Context, unexpected};
use crate::{
    cli::Refresh,
    output::json,
    protocol::{Failure, Reply, Request},
};

pub(super) fn run(refresh: &Refresh, context: &Context) -> Result<(), Failure> {
    let app = context.app(&refresh.app)?;
    let Reply::Refreshed { leases } = context.ask(Request::Refresh { app: app.clone(), kind: refresh.kind })? else {
        return Err(unexpected());
    };
    if refresh.json {
        return context.output.print_json(&json::Refreshed { app: &app, leases: leases.iter().map(Into::into).collect() });
    }
    for facts in &leases {
        context.tell(facts);
    }
    if leases.is_empty() {
        context.tell_of(&app, "no token is in use, so there was nothing to renew");
    }
    Ok(())
}
