//! `flytoken revoke`: ends a token at Fly, by the name that it was minted under.

use super::{Context, unexpected};
use crate::{
    cli::Revoke,
    output::{Moments, json},
    plain,
    protocol::{Failure, Reply, Request, RevokeOutcome},
    time::Timestamp,
};

pub(super) fn run(revoke: &Revoke, context: &Context) -> Result<(), Failure> {
    let Reply::Revoked { name, app, kind, outcome, at } = context.ask(Request::Revoke { name: revoke.name.clone() })? else {
        return Err(unexpected());
    };
    if revoke.json {
        return context.output.print_json(&json::Revoked::new(&name, &app, kind, outcome, at));
    }
    context.output.print(&format!("{app}: {}\n", text(&plain::line(&name), outcome, at, &context.moments())))
}

fn text(name: &str, outcome: RevokeOutcome, at: Option<Timestamp>, moments: &Moments) -> String {
    let at = at.map_or_else(String::new, |at| format!(", {}", moments.both(at)));
    match outcome {
        RevokeOutcome::Revoked => format!("revoked {name}: Fly lists it as good no longer"),
        RevokeOutcome::AlreadyRevoked => format!("{name} was revoked before{at}"),
        RevokeOutcome::Ended => format!("{name} ended by itself{at}: there is nothing to revoke"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn each_outcome_is_told() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let (moments, before) = (Moments::at(now, TimeZone::UTC), Some(now.before(Duration::from_mins(3))));
        for (outcome, at, expected) in [
            (RevokeOutcome::Revoked, Some(now), "revoked m: Fly lists it as good no longer"),
            (RevokeOutcome::AlreadyRevoked, before, "m was revoked before, 22:10 (3 min ago)"),
            (RevokeOutcome::AlreadyRevoked, None, "m was revoked before"),
            (RevokeOutcome::Ended, before, "m ended by itself, 22:10 (3 min ago): there is nothing to revoke"),
        ] {
            assert_eq!(text("m", outcome, at, &moments), expected);
        }
    }
}
