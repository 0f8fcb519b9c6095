//! Checks a lease before it is kept or given: what breaks a promise is reported with the source's name, not trusted.
//!
//! Out of what a source hands over, the check selects the permission tokens that fit the kind, the app and the organisation, narrows those
//! that are too wide, and adds the discharges they need. What cannot be narrowed is passed over.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    cache::Key,
    delivery::Narrowing,
    ids::Ids,
    kind::Kind,
    lease::{Expiry, Lease},
    refusal::Refusal,
    time::Timestamp,
    token::{AppLimit, Assembly, Bundle, Caveat, IfPresent, ItemKind, Macaroon, Mask, ResourceSet},
};

/// What a lease must be good for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The app and kind.
    pub key: &'a Key,
    /// The numbers of the app and its organisation, as far as they are known.
    pub ids: Ids,
    /// The slug of the app's organisation, if it is configured.
    pub organization: Option<&'a str>,
    /// Whether the user set it by hand: such a token is what the user chose and is given as it is.
    pub manual: bool,
    /// How narrow every answer for the app has to be.
    pub deliver: Narrowing,
    /// The time it is.
    pub now: Timestamp,
}

/// A lease that may be given.
#[derive(Debug)]
pub struct Checked {
    /// The lease, narrowed where it was too wide.
    pub lease: Lease,
    /// What was done to it, and what could not be checked.
    pub notes: String,
}

/// Checks one lease.
///
/// # Errors
/// What does not fit or cannot be narrowed counts as `absent`, what is expired or lacks its discharge as `needs-human`, what is no token as
/// `misconfigured`.
pub fn check(lease: Lease, wanted: &Wanted<'_>) -> Result<Checked, Refusal> {
    if let Expiry::At(end) = lease.expiry
        && end <= wanted.now
    {
        return Err(ended("the lease has expired".into(), &lease));
    }
    let bundle = Bundle::parse(lease.token.expose()).and_then(|bundle| bundle.check().map(|()| bundle));
    let what = if wanted.manual { "it" } else { "what it gave" };
    let bundle = bundle.map_err(|error| Refusal::Misconfigured(format!("{what} is no token: {error}")))?;
    if wanted.key.kind == Kind::Login && !lease.provenance.is_login {
        // Whatever somebody else calls a login would leave as wide as it is, in the place of the user's own.
        return Err(Refusal::Absent("it is not the login".into()));
    }
    let chosen = wanted.manual || wanted.key.kind == Kind::Login;
    let checked = if chosen { as_it_is(lease, &bundle, wanted) } else { selected(lease, &bundle, wanted) }?;
    if !wanted.deliver.is_nothing()
        && let Err(why) = wanted.deliver.apply(&checked.lease.token, wanted.now)
    {
        return Err(Refusal::Absent(format!("the app's `deliver` rule asks for a narrower token: {why}")));
    }
    Ok(checked)
}

/// A token somebody chose as a whole: it must be usable, and nothing else is asked.
fn as_it_is(lease: Lease, bundle: &Bundle, wanted: &Wanted<'_>) -> Result<Checked, Refusal> {
    let has_user_token = bundle.items().iter().any(|item| item.kind() == ItemKind::User);
    let mut ends = Vec::new();
    let mut why = None;
    for (place, _) in bundle.permissions() {
        match bundle.usability_as_sent(place, wanted.now) {
            Ok(usable) => ends.push(usable.until),
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    if ends.is_empty() && !has_user_token {
        let reason = why.map_or_else(|| "it holds no permission token".to_owned(), |why| why.to_string());
        return Err(ended(reason, &lease));
    }
    let own = if has_user_token { Expiry::Unknown } else { earliest(ends) };
    let expiry = lease.expiry.earlier(own);
    let notes = if wanted.manual { "set by hand, given as it is" } else { "the login, as it is" };
    Ok(Checked { lease: Lease { expiry, ..lease }, notes: notes.into() })
}

/// A permission token that is usable now and fits.
struct Fit {
    /// Its place in the bundle.
    place: usize,
    /// What it became, if it was too wide.
    narrowed: Option<Macaroon>,
    /// Places of the discharges it needs.
    discharges: Vec<usize>,
    organization: Option<u64>,
    until: Option<Timestamp>,
    notes: Vec<&'static str>,
}

/// The permission tokens that fit, narrowed, with their discharges.
fn selected(lease: Lease, bundle: &Bundle, wanted: &Wanted<'_>) -> Result<Checked, Refusal> {
    let kind = wanted.key.kind;
    if lease.provenance.is_login && matches!(kind, Kind::Ssh | Kind::MachineExec) {
        return Err(Refusal::Absent(format!("the login was not obtained for {kind}")));
    }
    if lease.provenance.kind != kind {
        return Err(Refusal::Absent(format!("this token was obtained for {}, not for {kind}", lease.provenance.kind)));
    }
    let mut fits = Vec::new();
    let mut unfit = None;
    let mut unusable = None;
    for (place, macaroon) in bundle.permissions() {
        match bundle.usability(place, wanted.now) {
            Err(reason) => unusable = unusable.or(Some(reason)),
            Ok(usable) => match fit(macaroon, &lease, wanted) {
                Ok((narrowed, notes)) => {
                    let organization = macaroon.organization().ok();
                    fits.push(Fit { place, narrowed, discharges: usable.discharges, organization, until: usable.until, notes });
                }
                Err(reason) => unfit = unfit.or(Some(reason)),
            },
        }
    }
    if fits.is_empty() {
        return Err(match (unfit, unusable) {
            (Some(reason), _) => Refusal::Absent(reason),
            (None, Some(reason)) => ended(reason.to_string(), &lease),
            (None, None) => Refusal::Absent("it holds only a user token, which cannot be narrowed".into()),
        });
    }
    if lease.provenance.is_login {
        one_of_the_login(&mut fits, wanted)?;
    }
    assemble(lease, bundle, &fits)
}

/// A login may hold tokens of several organisations, and the caller gets one.
fn one_of_the_login(fits: &mut Vec<Fit>, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    let first = fits.first().and_then(|fit| fit.organization);
    if fits.iter().any(|fit| fit.organization != first) {
        return Err(Refusal::Absent(format!(
            "the login holds tokens of several organisations; set `organization-id` for `{}` under `apps` in the configuration",
            wanted.key.app
        )));
    }
    // The one that lives longest: no end is later than any.
    fits.sort_by_key(|fit| std::cmp::Reverse(fit.until.map_or(u64::MAX, Timestamp::millis)));
    fits.truncate(1);
    Ok(())
}

/// Whether one permission token fits, what it becomes if it was too wide, and what is to be said of it.
fn fit(macaroon: &Macaroon, lease: &Lease, wanted: &Wanted<'_>) -> Result<(Option<Macaroon>, Vec<&'static str>), String> {
    let mut notes = Vec::new();
    match (wanted.ids.organization, macaroon.organization().ok()) {
        (Some(wanted), Some(found)) if wanted != found => return Err(format!("it is for organisation {found}, not {wanted}")),
        (Some(_), None) => return Err("it does not say which organisation it is for".into()),
        _ => {}
    }
    let limit = macaroon.limited_to_apps();
    let app = app_fit(&limit, wanted.ids.app)?;
    let mut added = Vec::new();
    match wanted.key.kind {
        Kind::Readonly => {
            if !macaroon.reads_only() {
                added.push(Caveat::Action(Mask::READ));
                notes.push("narrowed to reading");
            }
            match (app, wanted.ids.app) {
                (AppFit::Wide, Some(id)) => {
                    added.push(only_app(id, Mask::READ));
                    notes.push("narrowed to the app");
                }
                (AppFit::Wide, None) => notes.push("not narrowed to the app, whose `id` is not known yet"),
                (AppFit::Unchecked, _) => notes.push("limited to one app; which one was not checked, its `id` is not known yet"),
                (AppFit::Exact, _) => {}
            }
        }
        Kind::Deploy | Kind::Ssh | Kind::MachineExec => match (app, wanted.ids.app) {
            (AppFit::Wide, Some(id)) => {
                added.push(only_app(id, Mask::ALL));
                notes.push("narrowed to the app");
            }
            (AppFit::Wide, None) => {
                return Err(format!(
                    "it is wider than one app, and cannot be narrowed while the app's number is unknown; set `id` for `{}` under `apps`",
                    wanted.key.app
                ));
            }
            (AppFit::Unchecked, _) => notes.push("limited to one app; which one was not checked, its `id` is not known yet"),
            (AppFit::Exact, _) => {}
        },
        Kind::Org => match (wanted.ids.organization, wanted.organization) {
            (Some(_), _) => {}
            (None, Some(_)) if !lease.provenance.is_login => {
                notes.push("its organisation was not checked, `organization-id` is not known yet");
            }
            (None, _) => {
                return Err(format!(
                    "the app's organisation is not known; set `organization-id` for `{}` under `apps` in the configuration",
                    wanted.key.app
                ));
            }
        },
        Kind::Login => {}
    }
    let narrowed = if added.is_empty() {
        None
    } else {
        Some(macaroon.attenuated(&added).map_err(|why| format!("it is wider than {} and cannot be narrowed: {why}", wanted.key.kind))?)
    };
    Ok((narrowed, notes))
}

/// How a token's app limit bears on the app.
#[derive(Clone, Copy)]
enum AppFit {
    /// Limited to this very app.
    Exact,
    /// Limited to one app, and this one's number is not known.
    Unchecked,
    /// It covers this app and others.
    Wide,
}

fn app_fit(limit: &AppLimit, app_id: Option<u64>) -> Result<AppFit, String> {
    match (limit, app_id) {
        (AppLimit::Any, _) => Ok(AppFit::Wide),
        (AppLimit::Only(apps), _) if apps.is_empty() => Err("it is limited to no app at all".into()),
        (AppLimit::Only(apps), Some(id)) if !apps.contains(&id) => Err("it is limited to other apps".into()),
        (AppLimit::Only(_), Some(id)) => Ok(if limit.is_within(id) { AppFit::Exact } else { AppFit::Wide }),
        (AppLimit::Only(apps), None) if apps.len() == 1 => Ok(AppFit::Unchecked),
        (AppLimit::Only(_), None) => {
            Err("it is limited to several apps, and this app's number is unknown; set `id` for it under `apps`".into())
        }
    }
}

/// Limits to one app, and leaves the reading of what stands above it: without that, looking up the app's own organisation is denied.
fn only_app(id: u64, mask: Mask) -> Caveat {
    let apps = Caveat::Apps(ResourceSet::new([(id, mask)]));
    Caveat::IfPresent(Box::new(IfPresent { caveats: vec![apps], otherwise: Mask::READ }))
}

/// The chosen permission tokens, then the discharges they need and no other: fewer secrets, a shorter header, and no stale one in front.
fn assemble(lease: Lease, bundle: &Bundle, fits: &[Fit]) -> Result<Checked, Refusal> {
    let items = bundle.items();
    let mut chosen = Assembly::new();
    for fit in fits {
        match &fit.narrowed {
            Some(narrowed) => chosen.add(narrowed),
            None => chosen.keep(&items[fit.place]),
        }
    }
    let discharges: BTreeSet<usize> = fits.iter().flat_map(|fit| fit.discharges.iter().copied()).collect();
    for place in discharges {
        chosen.keep(&items[place]);
    }
    let token = chosen.finish().ok_or_else(|| Refusal::Absent("it holds no permission token".into()))?;
    let expiry = lease.expiry.earlier(earliest(fits.iter().map(|fit| fit.until)));
    let mut notes: Vec<&str> = fits.iter().flat_map(|fit| fit.notes.iter().copied()).collect();
    notes.dedup();
    Ok(Checked { notes: notes.join("; "), lease: Lease { token: Arc::new(token), expiry, ..lease } })
}

/// A lease that was good once, or lacks its discharge: a person can do something about it.
fn ended(text: String, lease: &Lease) -> Refusal {
    // Discharges of a login live for minutes, and any run of flyctl fetches new ones.
    let command = lease.provenance.is_login.then(|| "fly auth whoami".to_owned());
    let text = if command.is_some() { format!("{text}; any run of `fly` mends that") } else { text };
    Refusal::NeedsHuman { text, command, url: None }
}

fn earliest(ends: impl IntoIterator<Item = Option<Timestamp>>) -> Expiry {
    ends.into_iter().flatten().min().map_or(Expiry::Never, Expiry::At)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        app::AppName,
        test_support::{self, timestamp},
        token::{
            ApiToken,
            forge::{Draft, Forge},
        },
    };

    const NOW: u64 = 1_800_000_000;
    const ACME: u64 = 456;
    const WEB: u64 = 123;

    /// Begins a permission token for an organisation.
    fn org(id: u64) -> Draft {
        let mut rnd = [0; 16];
        rnd[..8].copy_from_slice(&id.to_le_bytes());
        Forge::new([7; 32]).permission(rnd).caveat(Caveat::Organization { id, mask: Mask::ALL })
    }

    fn only(app: u64) -> Caveat {
        Caveat::Apps(ResourceSet::new([(app, Mask::ALL)]))
    }

    fn until(seconds: u64) -> Caveat {
        Caveat::ValidityWindow { not_before: 0, not_after: i64::try_from(seconds).unwrap() }
    }

    fn text(draft: Draft) -> String {
        draft.sign().macaroon.encode().to_string()
    }

    /// A permission token with its discharge, which ends at `end`.
    fn pair(id: u64, end: u64) -> String {
        let forged = org(id).third_party("https://auth.fly.io").sign();
        let discharge = forged.tickets[0].discharge([3; 16]).caveat(until(end)).sign();
        format!("{},{}", *forged.macaroon.encode(), *discharge.macaroon.encode())
    }

    struct Case {
        kind: Kind,
        token: String,
        from_login: bool,
        manual: bool,
        app_id: Option<u64>,
        organization_id: Option<u64>,
    }

    fn minted(kind: Kind, token: String) -> Case {
        Case { kind, token, from_login: false, manual: false, app_id: None, organization_id: None }
    }

    fn login(kind: Kind, token: String) -> Case {
        Case { from_login: true, ..minted(kind, token) }
    }

    fn judge(case: Case) -> Result<Checked, Refusal> {
        let key = Key { app: AppName::parse("web").unwrap(), kind: case.kind };
        let mut lease = test_support::lease("", Expiry::Unknown, timestamp(NOW));
        lease.token = Arc::new(ApiToken::new(Zeroizing::new(case.token)));
        lease.provenance.kind = case.kind;
        lease.provenance.is_login = case.from_login;
        lease.expiry = Expiry::Never;
        let wanted = Wanted {
            key: &key,
            ids: Ids { app: case.app_id, organization: case.organization_id },
            organization: None,
            manual: case.manual,
            deliver: Narrowing::default(),
            now: timestamp(NOW),
        };
        check(lease, &wanted)
    }

    /// What came out: its permission tokens.
    fn permissions(checked: &Checked) -> Vec<(bool, AppLimit)> {
        let bundle = Bundle::parse(checked.lease.token.expose()).unwrap();
        bundle.permissions().map(|(_, macaroon)| (macaroon.reads_only(), macaroon.limited_to_apps())).collect()
    }

    #[test]
    fn what_fits_is_given_no_wider_than_its_kind() {
        let web = || AppLimit::Only([WEB].into());
        let known = |case: Case| Case { app_id: Some(WEB), ..case };
        let cases: Vec<(&str, Case, bool, AppLimit)> = vec![
            ("a deploy token for readonly", minted(Kind::Readonly, text(org(ACME).caveat(only(WEB)))), true, web()),
            ("a deploy token for deploy", minted(Kind::Deploy, text(org(ACME).caveat(only(WEB)))), false, web()),
            ("an organisation's token for readonly", login(Kind::Readonly, text(org(ACME))), true, AppLimit::Any),
            ("the same with the app known", known(login(Kind::Readonly, text(org(ACME)))), true, web()),
            ("an organisation's token for deploy with the app known", known(login(Kind::Deploy, text(org(ACME)))), false, web()),
            (
                "several apps for deploy with the app known",
                known(login(Kind::Deploy, text(org(ACME).caveat(Caveat::Apps(ResourceSet::new([(WEB, Mask::ALL), (9, Mask::ALL)])))))),
                false,
                web(),
            ),
            ("an ssh token", minted(Kind::Ssh, text(org(ACME).caveat(only(WEB)))), false, web()),
            (
                "the organisation's own token",
                Case { organization_id: Some(ACME), ..minted(Kind::Org, text(org(ACME))) },
                false,
                AppLimit::Any,
            ),
            (
                "a login of two, the organisation known",
                Case { organization_id: Some(ACME), ..login(Kind::Readonly, format!("{},{},fo1_user", text(org(1)), text(org(ACME)))) },
                true,
                AppLimit::Any,
            ),
        ];
        for (what, case, reads_only, limit) in cases {
            let checked = judge(case).unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
            assert_eq!(permissions(&checked), [(reads_only, limit)], "{what}");
            assert!(!checked.lease.token.expose().contains("fo1_"), "{what}: a user token never leaves with it");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_reason() {
        let unlimited = || text(org(ACME));
        let finished = || {
            let forged = org(ACME).third_party("https://auth.fly.io").sign();
            forged.macaroon.encode().to_string()
        };
        let cases: Vec<(Case, &str, &str)> = vec![
            (login(Kind::Readonly, "fo1_user".into()), "Absent", "only a user token"),
            (login(Kind::Deploy, unlimited()), "Absent", "set `id` for `web` under `apps`"),
            (login(Kind::Ssh, text(org(ACME).caveat(only(WEB)))), "Absent", "not obtained for ssh"),
            (Case { app_id: Some(5), ..login(Kind::Deploy, text(org(ACME).caveat(only(WEB)))) }, "Absent", "other apps"),
            (login(Kind::Readonly, format!("{},{}", text(org(1)), unlimited())), "Absent", "set `organization-id`"),
            (Case { organization_id: Some(1), ..login(Kind::Readonly, unlimited()) }, "Absent", "organisation 456, not 1"),
            (login(Kind::Org, unlimited()), "Absent", "`organization-id`"),
            (login(Kind::Readonly, finished()), "NeedsHuman", "any run of `fly`"),
            (login(Kind::Readonly, pair(ACME, NOW - 1)), "NeedsHuman", "has expired"),
            (minted(Kind::Readonly, text(org(ACME).caveat(until(NOW - 1)))), "NeedsHuman", "has expired"),
            (minted(Kind::Readonly, "an opaque text".into()), "Misconfigured", "no token"),
            (minted(Kind::Readonly, String::new()), "Misconfigured", "no token"),
            (minted(Kind::Readonly, "fm2_AAAA".into()), "Misconfigured", "no token"),
            (Case { manual: true, ..minted(Kind::Deploy, finished()) }, "NeedsHuman", "is missing"),
        ];
        for (case, outcome, reason) in cases {
            let refusal = judge(case).expect_err(reason);
            assert!(format!("{refusal:?}").starts_with(outcome) && refusal.text().contains(reason), "{reason}: {refusal:?}");
        }
    }

    #[test]
    fn a_manual_token_and_the_login_are_given_as_they_are() {
        for token in ["fo1_user".to_owned(), text(org(ACME)), format!("{},fo1_user", pair(ACME, NOW + 60))] {
            let manual = judge(Case { manual: true, ..minted(Kind::Deploy, token.clone()) }).unwrap();
            assert_eq!(manual.lease.token.expose(), token);
            let whole = judge(login(Kind::Login, token.clone())).unwrap();
            assert_eq!(whole.lease.token.expose(), token);
            let unknown = token.contains("fo1_");
            assert_eq!(whole.lease.expiry == Expiry::Unknown, unknown, "a user token does not say when it ends");
        }
    }

    #[test]
    fn only_the_discharges_that_are_needed_leave_and_the_earliest_end_counts() {
        let stale = pair(1, NOW + 60);
        let token = format!("{stale},{},fo1_user", pair(ACME, NOW + 300));
        let checked = judge(Case { organization_id: Some(ACME), ..login(Kind::Readonly, token) }).unwrap();
        assert_eq!(Bundle::parse(checked.lease.token.expose()).unwrap().items().len(), 2);
        assert_eq!(checked.lease.expiry, Expiry::At(timestamp(NOW + 300)));
    }

    #[test]
    fn two_permission_tokens_of_one_mint_are_both_given() {
        let both = format!(
            "{},{}",
            text(org(ACME).caveat(only(WEB)).caveat(Caveat::Action(Mask::READ))),
            text(org(ACME).caveat(only(WEB)).caveat(Caveat::Mutations(vec!["addWireGuardPeer".into()])))
        );
        let checked = judge(minted(Kind::Ssh, both.clone())).unwrap();
        assert_eq!(checked.lease.token.expose(), both, "nothing was too wide, so not a byte changes");
    }
}
