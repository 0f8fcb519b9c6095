//! Caveats in words.

use std::fmt::Display;

use super::{Moments, Tree, rough};
use crate::{
    hex, plain,
    time::Timestamp,
    token::{Caveat, Command, FlySrc, IfPresent, Mask, ResourceSet},
};

/// What a caveat allows, as a line; those inside a condition hang below it.
pub fn in_words(caveat: &Caveat, moments: &Moments) -> Tree {
    Tree::new(match caveat {
        Caveat::IfPresent(inner) => return condition(inner, moments),
        Caveat::Organization { id, mask } => format!("only organisation {id}: {}", actions(*mask)),
        Caveat::Volumes(set) => resources(set, "volume", "volumes"),
        Caveat::Apps(set) => resources(set, "app", "apps"),
        Caveat::ValidityWindow { not_before, not_after } => window(*not_before, *not_after, moments),
        Caveat::FeatureSet(set) => resources(set, "feature of the organisation", "features of the organisation"),
        Caveat::Mutations(names) if names.is_empty() => "no GraphQL mutation, and nothing else".into(),
        Caveat::Mutations(names) => format!("only GraphQL mutations {}", list(names.iter().map(|name| plain::line(name)))),
        Caveat::Machines(set) => resources(set, "machine", "machines"),
        Caveat::ConfineUser(id) => format!("only for Fly user {id}"),
        Caveat::ConfineOrganization(id) => format!("only for members of organisation {id}"),
        Caveat::IsUser(id) => format!("made by user {id}: an old note without effect"),
        Caveat::ThirdParty(party) => format!("only with a discharge from {}", plain::line(&party.location)),
        Caveat::BindToParentToken(_) => "only together with the token it was bound to".into(),
        Caveat::MachineFeatureSet(set) => resources(set, "feature of machines", "features of machines"),
        Caveat::FromMachineSource(id) => format!("only from machine {}", plain::line(id)),
        Caveat::Clusters(set) => resources(set, "LiteFS cluster", "LiteFS clusters"),
        Caveat::ConfineGoogleHd(domain) => format!("only for users of the Google domain {}", plain::line(domain)),
        Caveat::ConfineGitHubOrg(id) => format!("only for members of GitHub organisation {id}"),
        Caveat::MaxValidity(seconds) => format!("discharges live {} at most", rough(std::time::Duration::from_secs(*seconds))),
        Caveat::IsMember => "only what a plain member may do".into(),
        Caveat::FlyioUserId(id) => format!("states that Fly user {id} was there"),
        Caveat::GitHubUserId(id) => format!("states that GitHub user {id} was there"),
        Caveat::GoogleUserId(id) => format!("states that Google user {} was there", big_endian(id)),
        Caveat::Action(mask) => format!("only actions: {}", actions(*mask)),
        Caveat::Commands(commands) if commands.is_empty() => "no command on machines".into(),
        Caveat::Commands(commands) => format!("only commands {}", list(commands.iter().map(command))),
        Caveat::AppFeatureSet(set) => resources(set, "feature of apps", "features of apps"),
        Caveat::StorageObjects(set) => resources(set, "stored object", "stored objects below"),
        Caveat::AllowedRoles(roles) => format!("only roles: {}", role_names(*roles)),
        Caveat::FlySrc(from) => source(from),
        Caveat::Unknown(unknown) => format!("a restriction of type {}, which is not known here", unknown.number()),
    })
}

/// The names of actions: `read, write`.
pub fn actions(mask: Mask) -> String {
    const NAMES: [(Mask, &str); 5] =
        [(Mask::READ, "read"), (Mask::WRITE, "write"), (Mask::CREATE, "create"), (Mask::DELETE, "delete"), (Mask::CONTROL, "control")];
    if Mask::ALL.is_within(mask) {
        return "any action".into();
    }
    let mut names: Vec<_> = NAMES.iter().filter(|(action, _)| action.is_within(mask)).map(|(_, name)| *name).collect();
    if !mask.is_within(Mask::ALL) {
        names.push("others without a name");
    }
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

fn condition(inner: &IfPresent, moments: &Moments) -> Tree {
    let what = if inner.caveats.is_empty() { "only actions:" } else { "what applies of these; elsewhere" };
    let line = format!("{what} {}", actions(inner.otherwise));
    Tree::new(line).with(inner.caveats.iter().map(|caveat| in_words(caveat, moments)))
}

fn window(not_before: i64, not_after: i64, moments: &Moments) -> String {
    let moment = |seconds: i64| Timestamp::from_seconds(u64::try_from(seconds).unwrap_or(0));
    let end = moments.both(moment(not_after));
    if not_before > 0 { format!("only from {} until {end}", moments.both(moment(not_before))) } else { format!("only until {end}") }
}

fn resources<Id: Ord + Default + Display>(set: &ResourceSet<Id>, one: &str, several: &str) -> String {
    if set.is_contradictory() {
        return format!("no {one}: every {one} is named beside single ones, which counts as none");
    }
    let mut masks = set.iter().map(|(_, mask)| mask);
    let Some(first) = masks.next() else { return format!("no {one}") };
    if set.is_wildcard() {
        return format!("every {one}: {}", actions(first));
    }
    let id = |id: &Id| plain::line(&id.to_string());
    if masks.all(|mask| mask == first) {
        return format!("only {several} {}: {}", list(set.iter().map(|entry| id(entry.0))), actions(first));
    }
    format!("only {several} {}", list(set.iter().map(|(entry, mask)| format!("{} ({})", id(entry), actions(mask)))))
}

fn command(command: &Command) -> String {
    let words = command.args.iter().map(|word| plain::line(word)).collect::<Vec<_>>().join(" ");
    match (command.args.is_empty(), command.exact) {
        (true, false) => "of any kind".into(),
        (true, true) => "of no words".into(),
        (false, true) => format!("`{words}`"),
        (false, false) => format!("`{words} …`"),
    }
}

fn role_names(roles: u32) -> String {
    const NAMES: [(u32, &str); 2] = [(1, "member"), (2, "billing manager")];
    if roles == u32::MAX {
        return "any, that of an admin included".into();
    }
    let mut names: Vec<_> = NAMES.iter().filter(|(bit, _)| roles & bit != 0).map(|(_, name)| *name).collect();
    if roles & !3 != 0 {
        names.push("others without a name");
    }
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn source(from: &FlySrc) -> String {
    let parts = [("organisation", &from.organization), ("app", &from.app), ("machine", &from.instance)];
    let named: Vec<_> =
        parts.iter().filter(|(_, name)| !name.is_empty()).map(|(what, name)| format!("{what} {}", plain::line(name))).collect();
    if named.is_empty() { "only from a machine at Fly".into() } else { format!("only from {}", named.join(", ")) }
}

/// A number of any length, in decimal digits as long as they are short.
fn big_endian(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=16 => bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte)).to_string(),
        _ => plain::line(&format!("0x{}", hex::encode(bytes))),
    }
}

/// Names after each other, the first few of them.
pub fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LONGEST_LIST);
    let text = names.take(LONGEST_LIST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

/// More names than this would fill the screen; `--json` has them all.
const LONGEST_LIST: usize = 12;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::{output::Paint, token::caveat_json};

    fn words(json: &str) -> String {
        let moments = Moments::at(Timestamp::from_seconds(1_700_000_000), TimeZone::UTC);
        let caveats = caveat_json::parse(&format!("[{json}]")).expect(json);
        in_words(&caveats[0], &moments).lines(Paint::new(false)).trim_end().to_owned()
    }

    #[test]
    fn every_type_has_its_words() {
        for (json, expected) in [
            (r#"{"type":"Organization","body":{"id":1,"mask":"r"}}"#, "only organisation 1: read"),
            (r#"{"type":"Volumes","body":{"volumes":{"vol_x":"rw","vol_y":"rw"}}}"#, "only volumes vol_x, vol_y: read, write"),
            (r#"{"type":"Apps","body":{"apps":{"123":"r","124":"rwcdC"}}}"#, "only apps 123 (read), 124 (any action)"),
            (r#"{"type":"Apps","body":{"apps":{}}}"#, "no app"),
            (r#"{"type":"Apps","body":{"apps":{"0":"*"}}}"#, "every app: any action"),
            (r#"{"type":"Apps","body":{"apps":{"0":"r","7":"r"}}}"#, "no app: every app is named beside single ones, which counts as none"),
            (
                r#"{"type":"ValidityWindow","body":{"not_before":1699999000,"not_after":1700000300}}"#,
                "only from 21:56 (16 min ago) until 22:18 (in 5 min)",
            ),
            (r#"{"type":"ValidityWindow","body":{"not_before":-1,"not_after":1700000300}}"#, "only until 22:18 (in 5 min)"),
            (r#"{"type":"FeatureSet","body":{"features":{"wg":"r"}}}"#, "only features of the organisation wg: read"),
            (r#"{"type":"Mutations","body":{"mutations":["x","y"]}}"#, "only GraphQL mutations x, y"),
            (r#"{"type":"Mutations","body":{"mutations":[]}}"#, "no GraphQL mutation, and nothing else"),
            (r#"{"type":"Machines","body":{"machines":{"":"rC"}}}"#, "every machine: read, control"),
            (r#"{"type":"ConfineUser","body":{"id":1}}"#, "only for Fly user 1"),
            (r#"{"type":"ConfineOrganization","body":{"id":1}}"#, "only for members of organisation 1"),
            (r#"{"type":"IsUser","body":{"uint64":1}}"#, "made by user 1: an old note without effect"),
            (r#"{"type":"3P","body":{"Location":"l","VerifierKey":"AQ==","Ticket":"Ag=="}}"#, "only with a discharge from l"),
            (r#"{"type":"BindToParentToken","body":"AQ=="}"#, "only together with the token it was bound to"),
            (
                r#"{"type":"IfPresent","body":{"ifs":[{"type":"Action","body":"w"},{"type":"IsMember"}],"else":"r"}}"#,
                "what applies of these; elsewhere read\n├─ only actions: write\n└─ only what a plain member may do",
            ),
            (r#"{"type":"IfPresent","body":{"ifs":[],"else":"r"}}"#, "only actions: read"),
            (r#"{"type":"MachineFeatureSet","body":{"features":{"f":"r"}}}"#, "only features of machines f: read"),
            (r#"{"type":"FromMachineSource","body":{"id":"m"}}"#, "only from machine m"),
            (r#"{"type":"Clusters","body":{"clusters":{"c":"r"}}}"#, "only LiteFS clusters c: read"),
            (r#"{"type":"ConfineGoogleHD","body":"g"}"#, "only for users of the Google domain g"),
            (r#"{"type":"ConfineGitHubOrg","body":200}"#, "only for members of GitHub organisation 200"),
            (r#"{"type":"MaxValidity","body":600}"#, "discharges live 10 min at most"),
            (r#"{"type":"IsMember","body":{}}"#, "only what a plain member may do"),
            (r#"{"type":"FlyioUserID","body":42}"#, "states that Fly user 42 was there"),
            (r#"{"type":"GitHubUserID","body":42}"#, "states that GitHub user 42 was there"),
            (r#"{"type":"GoogleUserID","body":113456789012345678901}"#, "states that Google user 113456789012345678901 was there"),
            (r#"{"type":"Action","body":"rw"}"#, "only actions: read, write"),
            (r#"{"type":"Action","body":""}"#, "only actions: nothing"),
            (
                r#"{"type":"Commands","body":[{"args":["ls","-l"],"exact":true},{"args":["cat"]},{"args":[]}]}"#,
                "only commands `ls -l`, `cat …`, of any kind",
            ),
            (r#"{"type":"Commands","body":[]}"#, "no command on machines"),
            (r#"{"type":"AppFeatureSet","body":{"features":{"f":"r"}}}"#, "only features of apps f: read"),
            (r#"{"type":"StorageObjects","body":{"storage_objects":{"https://x/":"r"}}}"#, "only stored objects below https://x/: read"),
            (r#"{"type":"AllowedRoles","body":4294967295}"#, "only roles: any, that of an admin included"),
            (r#"{"type":"AllowedRoles","body":7}"#, "only roles: member, billing manager, others without a name"),
            (r#"{"type":"FlySrc","body":{"organization":"o","app":"","instance":"i"}}"#, "only from organisation o, machine i"),
            (r#"{"type":"FlySrc","body":{"organization":""}}"#, "only from a machine at Fly"),
            (r#"{"type":"4242","raw":"82a16b01a17ac0"}"#, "a restriction of type 4242, which is not known here"),
        ] {
            assert_eq!(words(json), expected, "{json}");
        }
    }

    #[test]
    fn actions_that_have_no_name_yet_are_not_passed_over() {
        assert_eq!(actions(Mask::from_bits(0x21)), "read, others without a name");
        assert_eq!(actions(Mask::ANY), "any action");
    }

    #[test]
    fn what_a_token_says_can_neither_play_with_a_terminal_nor_fill_it() {
        let evil = words(r#"{"type":"FromMachineSource","body":{"id":"\u001b[2J\u202efm2_AAAAAAAAAAAAAAAAAAAA"}}"#);
        assert_eq!(evil, r"only from machine \u{1b}[2J\u{202e}fm2_…");
        let many = (1..1000).map(|id| format!("\"{id}\":\"r\"")).collect::<Vec<_>>().join(",");
        let many = words(&format!(r#"{{"type":"Apps","body":{{"apps":{{{many}}}}}}}"#));
        assert_eq!(many, "only apps 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 987 more: read");
    }
}
