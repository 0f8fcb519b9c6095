//! What there is to say of a token text, as people read it.

use super::account::{Account, Kind, Party, Token};
use crate::{
    lease::Expiry,
    output::{Moments, Paint, Tree, caveats},
    plain,
    time::Timestamp,
};

/// ```text
/// 1  permission token
/// ├─ location      https://api.fly.io/v1
/// ├─ organisation  1234
/// …
/// └─ usable until 14:05 (in 23 h)
/// ```
pub(super) fn text(account: &Account<'_>, paint: Paint, moments: &Moments) -> String {
    let trees: Vec<_> = account.tokens.iter().map(|token| tree(token, paint, moments).lines(paint)).collect();
    let mut text = trees.join("\n");
    if account.without_permission {
        text.push('\n');
        text.push_str(&paint.bad("cannot be used: it holds no permission token"));
        text.push('\n');
    }
    text
}

fn tree(token: &Token<'_>, paint: Paint, moments: &Moments) -> Tree {
    let kind = match token.kind {
        Kind::Permission => "permission token",
        Kind::Discharge => "discharge",
        Kind::User => "user token",
    };
    let mut tree = Tree::new(format!("{}  {}", paint.faint(token.number), paint.strong(kind)));
    if token.kind == Kind::User {
        tree.leaf("can do whatever its user can; nothing else can be read out of it");
        return tree;
    }
    let mut fact = |name: &str, text: String| tree.leaf(format!("{}{text}", paint.faint(format!("{name:WIDTH$}"))));
    fact("location", plain::line(token.location.unwrap_or_default()));
    fact("id", token.id.map(|id| id.to_string()).unwrap_or_default());
    match token.kind {
        Kind::Discharge => fact("belongs to", belongs_to(&token.discharges)),
        Kind::Permission | Kind::User => {
            fact("organisation", token.organization.map_or_else(|| "not one".into(), |id| id.to_string()));
            fact("apps", apps(token));
        }
    }
    fact("valid", valid(token, moments));
    if token.proof {
        fact("finished", "nothing can be added to it".into());
    }
    if !token.caveats.is_empty() {
        tree.add(Tree::new(paint.faint("caveats")).with(token.caveats.iter().map(|caveat| caveats::in_words(caveat, moments))));
    }
    if !token.third_parties.is_empty() {
        let parties = token.third_parties.iter().map(|party| Tree::new(discharged(party, paint, moments)));
        tree.add(Tree::new(paint.faint("third parties")).with(parties));
    }
    if let Some(usable) = token.usable {
        tree.leaf(verdict(token, usable, paint, moments));
    }
    tree
}

fn belongs_to(permissions: &[usize]) -> String {
    let numbers = permissions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if numbers.is_empty() { "no token of this text".into() } else { numbers }
}

fn apps(token: &Token<'_>) -> String {
    match &token.apps {
        None => "any".into(),
        Some(apps) if apps.is_empty() => "none".into(),
        Some(apps) => caveats::list(apps.iter().map(ToString::to_string)),
    }
}

fn valid(token: &Token<'_>, moments: &Moments) -> String {
    let moment = |seconds: u64| Timestamp::from_seconds(seconds);
    let from = token.not_before.filter(|from| *from > 0).map(|from| format!("from {} ", moments.both(moment(from))));
    match (from, token.not_after) {
        (None, None) => "without an end of its own".into(),
        (from, Some(until)) => format!("{}until {}", from.unwrap_or_default(), moments.both(moment(until))),
        (Some(from), None) => from.trim_end().into(),
    }
}

fn discharged(party: &Party<'_>, paint: Paint, moments: &Moments) -> String {
    let until = party.not_after.map_or(Expiry::Never, |end| Expiry::At(Timestamp::from_seconds(end)));
    let state = match (party.discharged, until) {
        (false, _) => return format!("{}: {}", plain::line(party.location), paint.bad("not discharged")),
        (true, Expiry::At(end)) if moments.is_past(end) => paint.fair("discharged"),
        (true, _) => paint.good("discharged"),
    };
    format!("{}: {state}, {}", plain::line(party.location), moments.until(until))
}

/// The same words as `why`, and the moment that they leave out.
fn verdict(token: &Token<'_>, usable: bool, paint: Paint, moments: &Moments) -> String {
    if usable {
        let until = token.usable_until.map_or(Expiry::Never, |until| Expiry::At(Timestamp::from_seconds(until)));
        return paint.good(format!("usable {}", moments.until(until)));
    }
    let why = token.why.as_deref().unwrap_or_default();
    let at = token.why_at.map(|at| format!(": {}", moments.both(at))).unwrap_or_default();
    format!("{}{at}", paint.bad(format!("cannot be used: {why}")))
}

/// Room for the longest name of a fact and two blanks.
const WIDTH: usize = 14;
