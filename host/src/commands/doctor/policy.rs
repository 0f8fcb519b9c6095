//! The administrator's policy, and whether it holds.

use super::{Context, agent::Running, check::Check};
use crate::{
    policy::{Machine, Policy},
    protocol::Failure,
    trust::shown,
};

pub(super) fn check(context: &Context, running: &Result<Running, Failure>) -> Check {
    let place = context.paths.policy();
    let policy = match Policy::load(&place, &Machine::here(place.audience)) {
        Ok(None) => return Check::ok("policy", format!("none: there is no {}", shown(&place.file))),
        Ok(Some(policy)) => policy,
        Err(errors) => {
            let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Check::fail("policy", format!("it does not hold, so that nothing is answered: {text}"))
                .mended_by(format!("flytoken policy check {}", shown(&place.file)));
        }
    };
    let file = shown(policy.file());
    if policy.requires_agent() && matches!(running, Ok(Running::None)) {
        return Check::fail("policy", format!("{file} requires an agent, and none runs")).mended_by("flytoken agent");
    }
    if policy.reports_only() {
        return Check::warn("policy", format!("{file} only reports what it would deny")).mended_by("flytoken policy show");
    }
    Check::ok("policy", format!("{file} is in force"))
}
