//! `flytoken unset`: forgets the token kept by hand.

use super::{Context, unexpected};
use crate::{
    cli::Unset,
    output::json,
    protocol::{Failure, Reply, Request},
};

pub(super) fn run(unset: &Unset, context: &Context) -> Result<(), Failure> {
    let app = context.app(&unset.app)?;
    let Reply::Unset { existed } = context.ask(Request::Unset { app: app.clone() })? else { return Err(unexpected()) };
    if unset.json {
        return context.output.print_json(&json::Unset { app: &app, existed });
    }
    let what = if existed { "forgot the token kept by hand" } else { "there was no token kept by hand" };
    context.output.print(&format!("{app}: {what}\n"))
}
