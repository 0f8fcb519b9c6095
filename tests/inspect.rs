//! `inspect`: what a token says about itself, without asking anybody and without showing what is secret.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flytoken::{
    hex,
    token::{self, Caveat, ItemKind, Mask, caveat_json},
};
use serde_json::{Value, json};

use crate::harness::{Home, Ran, canary, discharged, minted, organization, user_token, vectors};

const DAY: Duration = Duration::from_hours(24);

/// The moment at which the vectors are judged.
const NOW: i64 = 1_700_000_001;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What `inspect --json` says of a text that can be read.
fn inspected(home: &Home, text: &str) -> Value {
    let ran = home.run_with(&["inspect", "--json"], text);
    assert_eq!(ran.ends_with(0), "");
    canary::assert_clean("what is shown of a token", ran.stdout.as_bytes());
    ran.json()
}

/// A home in the time of the vectors and in a known time zone.
fn home_of_vectors() -> Home {
    let mut home = Home::new();
    home.set("TZ", "UTC");
    home.live_at(NOW);
    home
}

#[test]
fn the_keys_are_exactly_the_promised_ones() {
    let text = format!("{},{}", minted(123, DAY), user_token());
    let account = inspected(&Home::new(), &text);
    assert_eq!(keys(&account), ["problems", "tokens"].into());
    let expected = [
        "kind",
        "location",
        "id",
        "proof",
        "caveats",
        "not_before",
        "not_after",
        "organization",
        "apps",
        "third_parties",
        "usable",
        "usable_until",
        "why",
    ];
    for token in account["tokens"].as_array().unwrap() {
        assert_eq!(keys(token), expected.into(), "{token}");
        for caveat in token["caveats"].as_array().unwrap() {
            assert_eq!(keys(caveat), ["body", "type"].into());
        }
    }
    assert_eq!(keys(&account["tokens"][0]["third_parties"][0]), ["discharged", "location", "not_after"].into());
}

#[test]
fn every_kind_of_token_says_what_it_can() {
    let text = format!("{},{}", minted(123, DAY), user_token());
    let bundle = token::Bundle::parse(&text).unwrap();
    let account = inspected(&Home::new(), &text);
    let [permission, discharge, user] = account["tokens"].as_array().unwrap().as_slice() else { panic!("{account}") };
    let end = &discharge["not_after"];
    assert!(end.is_u64());
    let id = |place: usize| bundle.items()[place].macaroon().unwrap().id().to_string();
    assert_eq!(
        *permission,
        json!({
            "kind": "permission", "location": "https://api.fly.io/v1", "id": id(0), "proof": false,
            "caveats": [
                { "type": "Organization", "body": { "id": 4_560_001, "mask": "rwcdC" } },
                { "type": "Apps", "body": { "apps": { "123": "rwcdC" } } },
                { "type": "3P", "body": { "Location": "https://auth.fly.io" } },
            ],
            "not_before": null, "not_after": null, "organization": 4_560_001, "apps": [123],
            "third_parties": [{ "location": "https://auth.fly.io", "discharged": true, "not_after": end }],
            "usable": true, "usable_until": end, "why": null,
        })
    );
    assert_eq!(
        *discharge,
        json!({
            "kind": "discharge", "location": "https://auth.fly.io", "id": id(1), "proof": true,
            "caveats": [{ "type": "ValidityWindow", "body": { "not_before": 0, "not_after": end } }],
            "not_before": 0, "not_after": end, "organization": null, "apps": null, "third_parties": [],
            "usable": null, "usable_until": null, "why": null,
        })
    );
    assert_eq!(
        *user,
        json!({
            "kind": "user", "location": null, "id": null, "proof": false, "caveats": [], "not_before": null, "not_after": null,
            "organization": null, "apps": null, "third_parties": [], "usable": null, "usable_until": null, "why": null,
        })
    );
}

#[test]
fn tokens_keep_their_order() {
    let (one, two, user) = (minted(1, DAY), minted(2, DAY), user_token());
    let (first, second) = (one.split_once(',').unwrap(), two.split_once(',').unwrap());
    let text = format!("FlyV1 {}, {user},,{},{} ,{}\n", second.1, first.0, first.1, second.0);
    let account = inspected(&Home::new(), &text);
    let told: Vec<_> = account["tokens"].as_array().unwrap().iter().map(|token| (token["kind"].clone(), token["apps"].clone())).collect();
    let expected = [
        ("discharge", json!(null)),
        ("user", json!(null)),
        ("permission", json!([1])),
        ("discharge", json!(null)),
        ("permission", json!([2])),
    ];
    assert_eq!(told, expected.map(|(kind, apps)| (json!(kind), apps)));
}

#[test]
fn every_vector_is_told_as_it_decodes() {
    let home = home_of_vectors();
    for (name, vector) in vectors()["tokens"].as_object().unwrap() {
        let text = vector["token"].as_str().unwrap();
        let account = inspected(&home, text);
        let (told, decoded) = (&account["tokens"][0], &vector["decoded"]);
        assert_eq!(told["location"], decoded["location"], "{name}");
        assert_eq!(told["proof"], decoded["proof"].as_bool().unwrap_or(false), "{name}");
        let kind = if decoded["location"] == "https://api.fly.io/v1" { "permission" } else { "discharge" };
        assert_eq!(told["kind"], kind, "{name}");
        let (caveats, expected) = (told["caveats"].as_array().unwrap(), decoded["caveats"].as_array().unwrap());
        assert_eq!(caveats.len(), expected.len(), "{name}");
        for (caveat, expected) in caveats.iter().zip(expected) {
            let number = expected["type"].as_u64().unwrap();
            if caveat["type"] == "3P" {
                assert_eq!((number, &keys(&caveat["body"])), (11, &["Location"].into()), "{name}");
            } else if let Some(raw) = caveat.get("raw") {
                assert_eq!((caveat["type"].as_str().unwrap(), raw), (number.to_string().as_str(), &expected["body_hex"]), "{name}");
            } else {
                // What is shown is the caveat: read as Fly's JSON it comes to the same bytes.
                let read = caveat_json::parse(&json!([caveat]).to_string()).unwrap();
                let bytes = hex::encode(&read[0].encoded());
                assert!(
                    read[0].number() == number && bytes.ends_with(&widened(expected["body_hex"].as_str().unwrap())),
                    "{name}: {caveat}"
                );
            }
        }
    }
}

/// Fly's JSON form has letters for five actions: a mask of all 16 bits comes back as those.
fn widened(body: &str) -> String {
    body.replace("cdffff", "1f")
}

#[test]
fn every_vector_is_usable_until_it_ends() {
    let home = home_of_vectors();
    for vector in vectors()["expiry"].as_array().unwrap() {
        let note = vector["note"].as_str().unwrap();
        let account = inspected(&home, vector["token_string"].as_str().unwrap());
        let permissions: Vec<_> = account["tokens"].as_array().unwrap().iter().filter(|token| token["kind"] == "permission").collect();
        for token in &permissions {
            assert_eq!(token["usable"], vector["usable"], "{note}");
            assert_eq!(token["why"].is_null(), token["usable"] == true, "{note}");
        }
        if let Some(expected) = vector["per_permission"].as_array() {
            let told: Vec<_> =
                permissions.iter().map(|token| json!({ "org": token["organization"], "not_after": token["usable_until"] })).collect();
            assert_eq!(told, *expected, "{note}");
        } else {
            assert_eq!(permissions[0]["usable_until"], vector["effective_not_after"], "{note}");
        }
        if vector["reason"].as_str().is_some_and(|reason| reason.starts_with("undischarged")) {
            assert!(permissions[0]["why"].as_str().unwrap().contains("is missing"), "{note}");
            assert_eq!(permissions[0]["third_parties"][0]["discharged"], false, "{note}");
        }
    }
}

#[test]
fn every_vector_has_its_organisation_and_apps() {
    let home = home_of_vectors();
    for vector in vectors()["scope"].as_array().unwrap() {
        let account = inspected(&home, vector["token"].as_str().unwrap());
        let token = &account["tokens"][0];
        if vector["org"] == "error" {
            assert_eq!((&token["organization"], &token["usable"]), (&Value::Null, &false.into()), "{vector}");
            assert_eq!(token["why"], "it is limited to two organisations at once, which allows nothing");
        } else {
            assert_eq!((&token["organization"], &token["apps"]), (&vector["org"], &vector["apps"]), "{vector}");
        }
    }
}

/// A macaroon of these bytes.
fn item(bytes: &[u8]) -> String {
    format!("fm2_{}", STANDARD.encode(bytes))
}

/// Texts that cannot be read, and what is wrong with each.
fn malformed() -> Vec<(String, String)> {
    let whole = minted(123, DAY);
    let permission = whole.split_once(',').unwrap().0;
    let bytes = token::Bundle::parse(permission).unwrap().items()[0].macaroon().unwrap().bytes().to_vec();
    let nonce = [0x93, 0xc4, 0, 0xc4, 0, 0xc2];
    let with = |rest: &[u8]| item(&[&[0x94], &nonce[..], rest].concat());
    let prefixes = "it starts with none of fm2_, fm1r_, fm1a_ and fo1_";
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "there is no token: the text is empty"),
        (" \n, ,".into(), "there is no token: the text is empty"),
        ("FlyV1 ".into(), "item 1: not a Fly token: "),
        ("hunter2".into(), prefixes),
        (format!("{whole},hunter2"), "item 3: not a Fly token: "),
        (format!("FlyV1\t{whole}"), "item 1: not a Fly token: "),
        ("x".repeat(70_000), "65536"),
        (
            permission[..99].into(),
            "item 1: bad base64 at column 99: the text ends there, in the middle of a group of four; was it cut off?",
        ),
        (permission[..100].into(), "item 1: cut off at byte 72: "),
        (permission.replacen(&permission[49..50], "-", 1), "item 1: bad base64 at column "),
        (format!("{}!{}", &permission[..49], &permission[50..]), "item 1: bad base64 at column 50"),
        (permission.trim_end_matches('=').to_owned() + "=A==", "item 1: bad base64 at column "),
        (format!("{}\u{7}{}", &permission[..49], &permission[49..]), "item 1: a character that no token holds at column 50"),
        ("fo1_a b".into(), "item 1: a character that no token holds at column 6"),
        (item(b"\xc1"), "item 1: not MessagePack: byte 0 begins no value"),
        (item(&[0xc3]), "item 1: expected a macaroon at byte 0, found true or false"),
        (item(&[0x93, 1, 2, 3]), "item 1: wrong array length at byte 0: a macaroon has 4 elements, this has 3"),
        (item(&[0x94, 0x91, 0xc4, 0]), "item 1: wrong array length at byte 1: a nonce has 2 or 3 elements, this has 1"),
        (with(&[0xa1, 0xff]), "item 1: a location at byte 7 is not UTF-8"),
        (with(&[0xa0, 0x91, 0]), "item 1: wrong array length at byte 8: a caveat set has an even number of elements, this has 1"),
        (with(&[0xa0, 0x92, 0, 0x93, 1, 1, 1]), "item 1: wrong array length at byte 10: Organization has 2 elements, this has 3"),
        (with(&[0xa0, 0x92, 26, 0xce, 0, 1, 0, 0]), "item 1: an action mask at byte 10 is out of range"),
        (with(&[&[0xa0, 0x92][..], &[0x0d, 0x92, 0x92].repeat(40)].concat()), "item 1: nested deeper than 32 levels at byte "),
        (with(&[0xa0, 0xdd, 0xff, 0xff, 0xff, 0xfe]), "item 1: cut off at byte 13: "),
        (with(&[0xa0, 0x90, 0xc4, 1, 0]), "item 1: the length of the tail at byte 9 is out of range"),
        (format!("{},{}", permission, &whole[permission.len() + 1..whole.len() - 32]), "item 2: cut off at byte "),
        (item(&bytes[..bytes.len() - 1]), "item 1: cut off at byte "),
    ];
    cases.into_iter().map(|(text, problem)| (text, problem.to_owned())).collect()
}

#[test]
fn what_cannot_be_read_says_where_and_why() {
    let home = Home::new();
    for (text, problem) in malformed() {
        let shown: String = text.chars().take(40).collect();
        let ran = home.run_with(&["inspect", "--json"], &text);
        assert_eq!(ran.ends_with(7), "", "{shown}");
        let account = ran.json();
        assert_eq!(keys(&account), ["problems", "tokens"].into(), "{shown}");
        let problems = account["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{shown}: {account}");
        assert!(problems[0].as_str().unwrap().contains(&problem), "{shown}: {account}");
        canary::assert_clean("a problem", ran.stdout.as_bytes());

        let ran = home.run_with(&["inspect"], &text);
        let said = ran.ends_with(7);
        assert!(said.starts_with("error: ") && said.contains(problems[0].as_str().unwrap()) && said.contains("hint: "), "{shown}: {said}");
    }
}

#[test]
fn what_can_be_read_beside_what_cannot_is_told() {
    let (one, two) = (minted(1, DAY), minted(2, DAY));
    let text = format!("{one},fm2_!,{two},what");
    let ran = Home::new().run_with(&["inspect", "--json"], &text);
    ran.ends_with(7);
    let account = ran.json();
    let apps: Vec<_> = account["tokens"].as_array().unwrap().iter().filter_map(|token| token["apps"].as_array()).collect();
    assert_eq!(apps, [&[json!(1)], &[json!(2)]], "{account}");
    let problems: Vec<_> = account["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap()).collect();
    assert_eq!(problems.len(), 2, "{account}");
    assert!(problems[0].starts_with("item 3: bad base64 at column 5") && problems[1].starts_with("item 6: not a Fly token"), "{account}");
}

#[test]
fn what_is_no_text_is_refused_at_its_byte() {
    let ran = Home::new().run_with_bytes(&["inspect", "--json"], b"fm2_\xff");
    ran.ends_with(7);
    assert!(ran.json()["problems"][0].as_str().unwrap().contains("byte 5"), "{}", ran.stdout);
}

/// Fails if what was printed holds these bytes in some form.
fn assert_hidden(ran: &Ran, what: &str, secret: &[u8]) {
    let forms = [hex::encode(secret), STANDARD.encode(secret), STANDARD.encode(secret).trim_end_matches('=').to_owned()];
    for form in forms {
        assert!(!ran.stdout.contains(&form) && !ran.stderr.contains(&form), "{what} is shown: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn nothing_secret_is_shown() {
    let home = Home::new();
    let inner = Caveat::IfPresent(Box::new(token::IfPresent {
        caveats: vec![Caveat::ThirdParty(Box::new(token::ThirdParty {
            location: "https://inner.example".into(),
            verifier_key: vec![0xaa; 60].into(),
            ticket: vec![0xbb; 60].into(),
        }))],
        otherwise: Mask::READ,
    }));
    let text = format!("{},{}", discharged(organization(1).caveat(inner), DAY), user_token());
    for arguments in [&["inspect", "--json"][..], &["inspect"]] {
        let ran = home.run_with(arguments, &text);
        ran.ends_with(0);
        assert!(ran.stdout.contains("https://inner.example"), "{}", ran.stdout);
        canary::assert_clean("what is shown of a token", ran.stdout.as_bytes());
        assert_hidden(&ran, "a ticket in a condition", &[0xbb; 60]);
        assert_hidden(&ran, "a key in a condition", &[0xaa; 60]);
        let bundle = token::Bundle::parse(&text).unwrap();
        for macaroon in bundle.items().iter().filter_map(token::Item::macaroon) {
            assert_hidden(&ran, "a tail", &macaroon.bytes()[macaroon.bytes().len() - 32..]);
            assert_hidden(&ran, "a key id", macaroon.kid());
            for party in macaroon.third_parties() {
                assert_hidden(&ran, "a ticket", &party.ticket);
                assert_hidden(&ran, "a verifier key", &party.verifier_key);
            }
        }
        let user = bundle.items().iter().find(|item| item.kind() == ItemKind::User).unwrap();
        assert!(!ran.stdout.contains(user.text()));
    }
}

#[test]
fn people_see_a_tree_with_words_and_their_own_time() {
    let home = home_of_vectors();
    let vectors = vectors();
    let text = format!("{},fo1_SYNTHETICNOTAREALTOKEN", vectors["expiry"][0]["token_string"].as_str().unwrap());
    let ran = home.run_with(&["inspect"], &text);
    assert_eq!(ran.ends_with(0), "");
    let ids: Vec<_> =
        token::Bundle::parse(&text).unwrap().items().iter().filter_map(token::Item::macaroon).map(|one| one.id().to_string()).collect();
    let expected = format!(
        "\
1  permission token
├─ location      https://api.fly.io/v1
├─ id            {}
├─ organisation  1234
├─ apps          any
├─ valid         from 22:13 (1 s ago) until 2023-11-15 22:13 (in 23 h)
├─ caveats
│  ├─ only organisation 1234: any action
│  ├─ only from 22:13 (1 s ago) until 2023-11-15 22:13 (in 23 h)
│  └─ only with a discharge from https://api.fly.io/aaa/v1
├─ third parties
│  └─ https://api.fly.io/aaa/v1: discharged, until 22:23 (in 9 min)
└─ usable until 22:23 (in 9 min)

2  discharge
├─ location      https://api.fly.io/aaa/v1
├─ id            {}
├─ belongs to    1
├─ valid         from 22:13 (1 s ago) until 22:23 (in 9 min)
├─ finished      nothing can be added to it
└─ caveats
   ├─ only from 22:13 (1 s ago) until 22:23 (in 9 min)
   └─ states that Fly user 42 was there

3  user token
└─ can do whatever its user can; nothing else can be read out of it
",
        ids[0], ids[1]
    );
    // How long ago it began is told to the second.
    let whole_second = |line: &str| match line.split_once(" s ago") {
        Some((before, behind)) => format!("{}1 s ago{behind}", before.trim_end_matches(|digit: char| digit.is_ascii_digit())),
        None => line.to_owned(),
    };
    let shown: Vec<_> = ran.stdout.lines().map(whole_second).collect();
    assert_eq!(shown.join("\n") + "\n", expected);
}

#[test]
fn each_permission_token_has_its_verdict_in_one_line() {
    let mut home = Home::new();
    home.set("TZ", "UTC");
    let whole = minted(123, DAY);
    let (permission, discharge) = whole.split_once(',').unwrap();
    let endless = organization(1).sign().macaroon.encode().to_string();
    let nothing = organization(1).caveat(Caveat::Action(Mask::NONE)).sign().macaroon.encode().to_string();
    let later = organization(1).caveat(Caveat::ValidityWindow { not_before: 4_000_000_000, not_after: 4_100_000_000 }).sign().macaroon;
    for (text, expected) in [
        (whole.as_str(), "usable until "),
        (&endless, "usable without an end"),
        (permission, "cannot be used: its discharge from https://auth.fly.io is missing: was the text cut at a comma?"),
        (&nothing, "cannot be used: its caveats exclude each other, so that it allows nothing"),
        (&later.encode(), "cannot be used: it is not valid yet: 2096-10-02 07:06 (in "),
        (discharge, "cannot be used: it holds no permission token"),
    ] {
        let ran = home.run_with(&["inspect"], text);
        assert_eq!(ran.ends_with(0), "");
        let verdicts: Vec<_> = ran.stdout.lines().filter(|line| line.contains("usable ") || line.contains("cannot be used")).collect();
        assert!(verdicts.len() == 1 && verdicts[0].contains(expected), "{expected}: {}", ran.stdout);
    }
    home.set_clock(25 * 3600);
    let ran = home.run_with(&["inspect"], &whole);
    assert!(ran.stdout.contains("cannot be used: its discharge from https://auth.fly.io has expired: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("(60 min ago)") || ran.stdout.contains("(1 h ago)"), "{}", ran.stdout);
}

#[test]
fn nobody_is_asked_and_nothing_is_left_behind() {
    let mut home = Home::new();
    home.unset("XDG_CACHE_HOME");
    home.run_with(&["inspect"], &minted(123, DAY)).ends_with(0);
    home.run_with(&["--agent", "require", "inspect"], &minted(123, DAY)).ends_with(0);
    assert_eq!(std::fs::read_dir(home.path("")).unwrap().count(), 0);
}

#[test]
fn a_token_given_as_an_argument_is_refused_and_not_repeated() {
    for command in [&["inspect"][..], &["attenuate", "--actions", "r"]] {
        let ran = Home::new().run(&[command, &[&minted(123, DAY)]].concat());
        assert!(ran.ends_with(2).contains("not taken from an argument"), "{}", ran.stderr);
    }
}
