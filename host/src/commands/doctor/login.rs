//! The login, as commands of this shell see it: its bundle by organisation, its discharges, and how long flyctl takes it.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{Context, check::Check};
use crate::{
    lease::Expiry,
    login::{self, IdentityMemory, LoginOrigin, LoginState, Place, Remembered},
    output::Moments,
    paths::Paths,
    system::{Environment, random},
    time::Timestamp,
    token::{Bundle, FingerprintKey, ItemKind, Macaroon, Unusable},
};

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let now = context.clock.now();
    let state = look(&context.paths, context, &context.environment);
    let Some(login) = &state.login else {
        let problem = state.problem.clone().unwrap_or_else(|| "nobody is logged in".into());
        return vec![Check::fail("login", format!("{problem}; looked in {}", state.origin())).mended_by(LOG_IN)];
    };
    let origin = login.origin.to_string();
    let bundle = match login.token.read() {
        Ok(bundle) => bundle,
        Err(why) => return vec![Check::fail("login", format!("what {origin} holds cannot be read: {why}")).mended_by(LOG_IN)],
    };
    let mut checks = vec![whole(&bundle, &origin, &state, now)];
    checks.extend(age(&state, &login.origin, now, &context.moments()));
    for (place, macaroon) in bundle.permissions() {
        checks.push(organization(&bundle, place, macaroon, now, &context.moments()));
        checks.extend(discharges(&bundle, macaroon, now, &context.moments()));
    }
    checks
}

/// Whether the file of a profile holds a login, whatever the variables of this shell hold.
pub(super) fn is_in_file(paths: &Paths, context: &Context) -> bool {
    look(paths, context, &Environment::default()).login.is_some()
}

/// One look that leaves no trace.
fn look(paths: &Paths, context: &Context, environment: &Environment) -> LoginState {
    let place = paths.fly().map_or(Place::Nowhere, Place::directory);
    let key = FingerprintKey::new(Zeroizing::new(random()));
    login::one_shot(environment, &place, &*context.clock, &key, &Forgetful)
}

/// Remembers nothing: a look for its own sake starts no generation that other commands would see.
struct Forgetful;

impl IdentityMemory for Forgetful {
    fn recall(&self) -> Result<Option<Remembered>, String> {
        Ok(None)
    }

    fn remember(&self, _before: Option<&Remembered>, _now: &Remembered) -> Result<bool, String> {
        Ok(true)
    }
}

fn whole(bundle: &Bundle, origin: &str, state: &LoginState, now: Timestamp) -> Check {
    let count = |wanted: ItemKind| bundle.items().iter().filter(|item| item.kind() == wanted).count();
    let parts = [(ItemKind::Permission, "permission token"), (ItemKind::Discharge, "discharge"), (ItemKind::User, "user token")];
    let parts: Vec<_> = parts
        .into_iter()
        .filter_map(|(kind, name)| match count(kind) {
            0 => None,
            1 => Some(format!("1 {name}")),
            several => Some(format!("{several} {name}s")),
        })
        .collect();
    let text = format!("{origin} holds {}", parts.join(", "));
    match (&state.problem, bundle.verdict(now)) {
        (Some(problem), _) => Check::fail("login", format!("{text}; {problem}")).mended_by(LOG_IN),
        // Discharges end within minutes: what is stale now, the next run of flyctl mends.
        (None, Err(why)) if bundle.permissions().next().is_none() => Check::fail("login", format!("{text}: {why}")).mended_by(LOG_IN),
        (None, _) => Check::ok("login", text),
    }
}

/// flyctl takes a login out of its file for 30 days, whatever the tokens in it say.
fn age(state: &LoginState, origin: &LoginOrigin, now: Timestamp, moments: &Moments) -> Option<Check> {
    let LoginOrigin::File(_) = origin else { return None };
    let Some(since) = state.last_login else {
        let text = "the file does not say when you logged in, and flyctl takes no login without that";
        return Some(Check::fail("login-age", text).mended_by(LOG_IN));
    };
    let end = since.after(LONGEST_LOGIN);
    let text = format!("you logged in {}; flyctl takes that for 30 days, {}", moments.both(since), moments.until(Expiry::At(end)));
    Some(match () {
        () if now >= end => Check::fail("login-age", text).mended_by(LOG_IN),
        () if end.since(now) < SOON => Check::warn("login-age", text).mended_by(LOG_IN),
        () => Check::ok("login-age", text),
    })
}

fn organization(bundle: &Bundle, place: usize, macaroon: &Macaroon, now: Timestamp, moments: &Moments) -> Check {
    let name = organization_name(macaroon);
    match bundle.usability_as_sent(place, now) {
        Ok(usable) => {
            let until = moments.until(usable.until.map_or(Expiry::Never, Expiry::At));
            Check::ok("organization", format!("{name}: usable {until}"))
        }
        Err(why) => {
            let at = why.at().map(|at| format!(": {}", moments.both(at))).unwrap_or_default();
            let command = match why {
                Unusable::Expired { .. } if !has_user_token(bundle) => LOG_IN,
                _ => ANY_RUN,
            };
            Check::warn("organization", format!("{name}: cannot be used: {why}{at}")).mended_by(command)
        }
    }
}

fn discharges(bundle: &Bundle, macaroon: &Macaroon, now: Timestamp, moments: &Moments) -> Vec<Check> {
    let name = organization_name(macaroon);
    let check = |party: &crate::token::ThirdParty| {
        let from = crate::plain::line(&party.location);
        match bundle.discharge_for(party).map(|discharge| discharge.window().not_after) {
            None => Check::warn("discharge", format!("{name}: none from {from}")).mended_by(ANY_RUN),
            Some(None) => Check::ok("discharge", format!("{name}: from {from}, without an end")),
            Some(Some(end)) => {
                let text = format!("{name}: from {from}, {}", moments.until(Expiry::At(end)));
                if end < now { Check::warn("discharge", text).mended_by(ANY_RUN) } else { Check::ok("discharge", text) }
            }
        }
    };
    macaroon.third_parties().map(check).collect()
}

fn organization_name(macaroon: &Macaroon) -> String {
    macaroon.organization().map_or_else(|_| "no single organisation".into(), |id| format!("organisation {id}"))
}

fn has_user_token(bundle: &Bundle) -> bool {
    bundle.items().iter().any(|item| item.kind() == ItemKind::User)
}

/// Starts a new login.
const LOG_IN: &str = "fly auth login";

/// Any run of flyctl fetches new discharges.
const ANY_RUN: &str = "fly auth whoami";

/// How long flyctl takes a login out of its file, counted from `last_login`.
const LONGEST_LOGIN: Duration = Duration::from_hours(30 * 24);

/// A login that flyctl refuses within this time is better renewed now than in the middle of some work.
const SOON: Duration = Duration::from_hours(3 * 24);
