//! The rules as a table: what is seen when, and what it changes.

use zeroize::Zeroizing;

use super::{Transition::*, *};
use crate::{login::identity::fingerprints, token::FingerprintKey};

/// One sight.
#[derive(Debug, Clone, Copy)]
enum See {
    /// A token, and the second of its `last_login`; 0 is the zero time.
    Token(&'static str, u64),
    /// The same in a file that may be half written.
    Half(&'static str, u64),
    /// No token, or no file.
    Nothing,
    /// A file that cannot be parsed.
    Noise,
}

use See::{Half, Noise, Nothing, Token};

fn found(see: See) -> Found {
    let reading = |text: &str, last_login: u64, doubt: Option<String>| {
        let items = fingerprints(text, &FingerprintKey::new([7; 32].into()));
        let last_login = (last_login > 0).then(|| Timestamp::from_seconds(last_login));
        Found::Token(Reading { token: Arc::new(ApiToken::new(Zeroizing::new(text.to_owned()))), items, last_login, doubt })
    };
    match see {
        Token(text, last_login) => reading(text, last_login, None),
        Half(text, last_login) => reading(text, last_login, Some("half".into())),
        Nothing => Found::Nothing("gone".into()),
        Noise => Found::Unclear("noise".into()),
    }
}

fn tracker(known: Option<Remembered>) -> Tracker {
    Tracker::new(LoginOrigin::File("/home/ada/.fly/config.yml".into()), known)
}

/// Milliseconds since the start, what is seen then, and what it must change.
type Step = (u64, See, Transition);

/// Runs a sequence, and returns the tracker for a last word.
fn check(name: &str, known: Option<Remembered>, sequence: &[Step]) -> Tracker {
    let mut tracker = tracker(known);
    let mut generations = 100;
    for (step, &(millis, see, expected)) in sequence.iter().enumerate() {
        let mut fresh = || {
            generations += 1;
            Generation::numbered(generations)
        };
        let before = tracker.login().map(|login| login.revision);
        let transition = tracker.observe(&found(see), Duration::from_millis(millis), false, &mut fresh);
        assert_eq!(transition, expected, "{name}, step {step}: {see:?}");
        let changed = before != tracker.login().map(|login| login.revision);
        assert_eq!(changed, matches!(transition, Revised | Began | Ended), "{name}, step {step}: the reading changes with the transition");
        assert_eq!(tracker.problem().is_some(), transition == Kept, "{name}, step {step}: a sight that does not count is a problem");
    }
    tracker
}

fn logged_in(text: &str, last_login: u64) -> Option<Remembered> {
    let mut tracker = tracker(None);
    tracker.observe(&found(Token(Box::leak(text.into()), last_login)), Duration::ZERO, false, &mut || Generation::numbered(1));
    tracker.known().cloned()
}

#[test]
fn sequences_end_as_flyctl_means_them() {
    let sequences: [(&str, &[Step]); 17] = [
        ("the first login", &[(0, Nothing, Same), (9000, Token("fo1_a", 1), Began), (14_000, Token("fo1_a", 1), Same)]),
        (
            "a login's three writes over an old login",
            &[
                (0, Token("fm2_x,fo1_a", 1), Began),
                (5000, Nothing, Kept),
                (5050, Token("fo1_b", 0), Began),
                (5100, Token("fo1_b", 2), Same),
                (9000, Token("fm2_y,fo1_b", 2), Revised),
            ],
        ),
        (
            "a login that writes the new token beside the old time",
            &[(0, Token("fo1_a", 1), Began), (5000, Token("fo1_b", 1), Began), (5100, Token("fo1_b", 2), Same)],
        ),
        (
            "a login whose time comes late",
            &[(0, Token("fo1_b", 0), Began), (60_000, Token("fo1_b", 2), Same), (70_000, Token("fo1_b", 3), Began)],
        ),
        ("a login that only ever had no time", &[(0, Token("fo1_a", 0), Began), (9000, Token("fm2_x,fo1_a", 0), Revised)]),
        (
            "a logout",
            &[(0, Token("fo1_a", 1), Began), (5000, Nothing, Kept), (6999, Nothing, Kept), (7000, Nothing, Ended), (8000, Nothing, Same)],
        ),
        (
            "a logout, and the same token again",
            &[(0, Token("fo1_a", 1), Began), (10, Nothing, Kept), (2010, Nothing, Ended), (3000, Token("fo1_a", 1), Began)],
        ),
        (
            "a file removed and back within a second",
            &[(0, Token("fo1_a", 1), Began), (5000, Nothing, Kept), (5900, Token("fo1_a", 1), Same), (8000, Nothing, Kept)],
        ),
        (
            "a truncation seen at every rewrite never adds up to a logout",
            &[
                (0, Token("fm2_x,fo1_a", 1), Began),
                (1000, Nothing, Kept),
                (1010, Token("fm2_y,fo1_a", 1), Revised),
                (2500, Nothing, Kept),
                (2510, Token("fm2_z,fo1_a", 1), Revised),
                (3500, Nothing, Kept),
            ],
        ),
        ("an account switch in one write", &[(0, Token("fo1_a", 1), Began), (5000, Token("fo1_b", 2), Began)]),
        ("an account switch within the same second", &[(0, Token("fo1_a", 1), Began), (500, Token("fo1_b", 1), Began)]),
        ("a new login that shares an item", &[(0, Token("fm2_x,fo1_a", 1), Began), (5000, Token("fm2_x,fo1_a", 2), Began)]),
        (
            "noise in between",
            &[(0, Token("fo1_a", 1), Began), (5000, Noise, Kept), (60_000, Noise, Kept), (61_000, Token("fo1_a", 1), Same)],
        ),
        (
            "noise while the login is gone starts the wait anew",
            &[
                (0, Token("fo1_a", 1), Began),
                (1000, Nothing, Kept),
                (2000, Noise, Kept),
                (3100, Nothing, Kept),
                (5099, Nothing, Kept),
                (5100, Nothing, Ended),
            ],
        ),
        ("noise before anything", &[(0, Noise, Kept), (100, Token("fo1_a", 1), Began)]),
        (
            "another login without a last line break",
            &[
                (0, Token("fo1_a", 1), Began),
                (5000, Half("fo1_b", 0), Kept),
                (6000, Half("fo1_c", 0), Kept),
                (7000, Half("fo1_c", 0), Kept),
                (8000, Half("fo1_c", 0), Began),
            ],
        ),
        (
            "the same login without a last line break",
            &[
                (0, Half("fo1_a", 0), Began),
                (1000, Half("fo1_a", 0), Same),
                (5000, Half("fm2_x,fo1_a", 0), Kept),
                (7000, Half("fm2_x,fo1_a", 0), Revised),
                (8000, Half("fm2_x,fo1_a", 0), Same),
            ],
        ),
    ];
    for (name, sequence) in sequences {
        check(name, None, sequence);
    }
}

#[test]
fn half_a_file_does_not_count() {
    let sequences: [(&str, &[Step]); 7] = [
        (
            "half a file, cut in the token",
            &[(0, Token("fm2_x,fo1_abc", 1), Began), (5000, Half("fm2_x,fo1_a", 0), Kept), (99_000, Half("fm2_x,fo1_a", 0), Kept)],
        ),
        (
            "half a file, cut in the first item",
            &[(0, Token("fm2_xyz,fo1_a", 1), Began), (5000, Half("fm2_x", 0), Kept), (9000, Token("fm2_xyz,fo1_a", 1), Same)],
        ),
        (
            "half a file, cut behind the token",
            &[(0, Token("fm2_x,fo1_a", 1), Began), (5000, Half("fm2_y,fo1_a", 0), Kept), (5100, Token("fm2_y,fo1_a", 1), Revised)],
        ),
        (
            "half a file, cut in the time",
            &[(0, Token("fm2_x,fo1_a", 11), Began), (5000, Half("fm2_y,fo1_a", 1), Kept), (5100, Token("fm2_y,fo1_a", 11), Revised)],
        ),
        (
            "half a file, cut in a discharge that stands behind the time",
            &[(0, Token("fm2_x,fm2_abc", 1), Began), (5000, Half("fm2_x,fm2_d", 1), Kept), (5100, Token("fm2_x,fm2_def", 1), Revised)],
        ),
        (
            "half a file, cut at the end of the token's line",
            &[(0, Token("fm2_x,fo1_a", 1), Began), (5000, Token("fm2_y,fo1_a", 0), Kept), (5100, Token("fm2_y,fo1_a", 1), Revised)],
        ),
        (
            "a time that is gone for good",
            &[(0, Token("fo1_a", 1), Began), (5000, Token("fo1_a", 0), Kept), (7000, Token("fo1_a", 0), Began)],
        ),
    ];
    for (name, sequence) in sequences {
        check(name, None, sequence);
    }
}

#[test]
fn what_an_earlier_process_knew_goes_on() {
    let sequences: [(&str, &[Step]); 5] = [
        ("rewritten meanwhile", &[(0, Token("fm2_y,fo1_a", 1), Revised)]),
        ("another login meanwhile", &[(0, Token("fo1_b", 1), Began)]),
        ("unreadable, then back", &[(0, Noise, Kept), (9000, Token("fo1_a", 1), Revised)]),
        ("gone for a moment", &[(0, Nothing, Kept), (1000, Token("fo1_a", 1), Revised)]),
        ("half written", &[(0, Half("fm2_x,fo1_a", 0), Kept), (1000, Token("fo1_a", 1), Revised)]),
    ];
    for (name, sequence) in sequences {
        let known = logged_in("fm2_x,fo1_a", 1);
        let before = tracker(known.clone()).identity().map(|identity| identity.generation);
        let began = sequence.iter().any(|(_, _, transition)| *transition == Began);
        let after = check(name, known, sequence).identity().map(|identity| identity.generation);
        assert_eq!(before != after, began, "{name}");
    }
    check("logged out before, the same token now", Some(Remembered::Out), &[(0, Nothing, Same), (100, Token("fo1_a", 1), Began)]);
}

#[test]
fn a_rewrite_every_second_for_a_minute_is_one_login_in_sixty_revisions() {
    let mut tracker = tracker(None);
    let mut generations = 0;
    for second in 0..60 {
        let text: &'static str = Box::leak(format!("fm2_perm,fm2_discharge{second},fo1_user").into());
        let mut fresh = || {
            generations += 1;
            Generation::numbered(generations)
        };
        tracker.observe(&found(Token(text, 1)), Duration::from_secs(second), false, &mut fresh);
    }
    assert_eq!((generations, tracker.login().map(|login| login.revision)), (1, Some(60)));
}

#[test]
fn items_may_be_replaced_one_after_the_other() {
    let sequence = [
        (0, Token("fm2_a,fm2_b", 1), Began),
        (5000, Token("fm2_b,fm2_c", 1), Revised),
        (9000, Token("fm2_c,fm2_d", 1), Revised),
        (12_000, Token("fm2_a,fm2_b", 1), Began),
    ];
    check("a bundle without a user token", None, &sequence);
}

#[test]
fn an_absence_that_is_old_already_is_a_logout_at_once() {
    let mut tracker = tracker(logged_in("fo1_a", 1));
    let transition = tracker.observe(&found(Nothing), Duration::ZERO, true, &mut || unreachable!("nobody logs in"));
    assert_eq!((transition, tracker.known()), (Ended, Some(&Remembered::Out)));
}

#[test]
fn the_next_look_that_matters_is_told() {
    let mut tracker = check("gone", None, &[(0, Token("fo1_a", 1), Began), (5000, Nothing, Kept)]);
    assert_eq!(tracker.deadline(), Some(Duration::from_secs(7)));
    tracker.observe(&found(Noise), Duration::from_secs(6), false, &mut || unreachable!("nobody logs in"));
    assert_eq!(tracker.deadline(), None);
}
