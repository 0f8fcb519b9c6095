//! `attenuate`: narrows a token offline, byte for byte as Fly's own tools would, and never makes one wider.

use std::{fs, time::Duration};

use flytoken::{
    hex,
    system::{Clock, Environment, SystemClock},
    token::{
        AUTH_LOCATION, Bundle, Caveat, IfPresent, Macaroon, Mask, ResourceSet,
        caveat_json::{self, Full},
        forge::{Forge, Forged},
    },
};

use crate::harness::{Home, Ran, minted, organization, user_token, vectors};

const DAY: Duration = Duration::from_hours(24);

/// A home with a file of caveats in Fly's JSON form, and the arguments that name it.
fn with_caveats(json: &str) -> (Home, String) {
    let home = Home::new();
    let path = home.path("caveats.json");
    fs::write(&path, json).unwrap();
    (home, path.display().to_string())
}

/// The items of a printed token.
fn items(ran: &Ran) -> Vec<String> {
    assert_eq!(ran.ends_with(0), "");
    let text = ran.stdout.strip_prefix("FlyV1 ").unwrap_or_else(|| panic!("{}", ran.stdout)).strip_suffix('\n').unwrap();
    text.split(',').map(str::to_owned).collect()
}

fn macaroon(text: &str) -> Macaroon {
    Bundle::parse(text).unwrap().items()[0].macaroon().unwrap().copy()
}

/// The caveats of a set in Fly's binary form.
fn caveat_set(digits: &str) -> Vec<Caveat> {
    let set = hex::decode(digits).unwrap();
    let bytes = [&[0x94, 0x92, 0xc4, 0, 0xc4, 0, 0xa0][..], &set, &[0xc4, 32], &[0; 32]].concat();
    Macaroon::decode(&bytes).unwrap().caveats().cloned().collect()
}

#[test]
fn every_vector_comes_to_the_exact_text() {
    for vector in vectors()["attenuation"].as_array().unwrap() {
        let added = caveat_set(vector["added_caveat_set_hex"].as_str().unwrap());
        let (home, path) = with_caveats(&serde_json::to_string(&Full(&added)).unwrap());
        let ran = home.run_with(&["attenuate", "--caveats", &path], vector["base"].as_str().unwrap());
        assert_eq!(items(&ran), [vector["result"].as_str().unwrap()], "{}", vector["note"]);
    }
}

#[test]
fn a_finished_token_refuses_and_says_why() {
    for vector in vectors()["attenuation_refused"].as_array().unwrap() {
        let text = vector["token"].as_str().unwrap();
        let location = macaroon(text).location().to_owned();
        let ran = Home::new().run_with(&["attenuate", "--actions", "r", "--location", &location], text);
        assert!(ran.ends_with(7).contains("item 1: a finished token cannot be narrowed"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn without_caveats_every_token_stays_as_it_is_byte_for_byte() {
    let (home, path) = with_caveats("[]");
    let (whole, user) = (minted(123, DAY), user_token());
    let (permission, discharge) = whole.split_once(',').unwrap();
    let old = format!("fm1r_{}", &permission["fm2_".len()..]);
    for (text, expected) in [
        (whole.clone(), vec![permission, discharge]),
        (format!("  Bearer FlyV1 {discharge} ,,{user}, {old}\n"), vec![discharge, &user, &old]),
    ] {
        assert_eq!(items(&home.run_with(&["attenuate", "--caveats", &path], &text)), expected);
        let elsewhere = ["attenuate", "--caveats", &path, "--location", "https://auth.fly.io"];
        assert_eq!(items(&home.run_with(&elsewhere, &text)), expected, "also where a finished token is meant");
    }
    for vector in vectors()["tokens"].as_object().unwrap().values() {
        let text = vector["token"].as_str().unwrap();
        assert_eq!(items(&home.run_with(&["attenuate", "--caveats", &path], text)), [text]);
    }
}

fn apps(ids: &[u64], mask: Mask) -> Caveat {
    Caveat::Apps(ResourceSet::new(ids.iter().map(|id| (*id, mask))))
}

fn if_present(caveat: Caveat, otherwise: Mask) -> Caveat {
    Caveat::IfPresent(Box::new(IfPresent { caveats: vec![caveat], otherwise }))
}

#[test]
fn each_option_adds_its_caveat_and_the_discharge_goes_along() {
    let home = Home::new();
    let read_write = Mask::READ | Mask::WRITE;
    let cases: &[(&[&str], Vec<Caveat>)] = &[
        (&["--actions", "r"], vec![Caveat::Action(Mask::READ)]),
        (&["--actions", "*"], vec![Caveat::Action(Mask::ALL)]),
        (&["--organization-id", "9876543210"], vec![Caveat::Organization { id: 9_876_543_210, mask: Mask::ALL }]),
        (&["--app-id", "124", "--app-id", "123"], vec![apps(&[123, 124], Mask::ALL)]),
        (&["--app-id", "123,124"], vec![apps(&[123, 124], Mask::ALL)]),
        (&["--app-id", "123", "--if-present"], vec![if_present(apps(&[123], Mask::ALL), Mask::READ)]),
        (&["--if-present", "rC", "--app-id", "123"], vec![if_present(apps(&[123], Mask::ALL), Mask::READ | Mask::CONTROL)]),
        (
            &["--organization-id", "1", "--app-id", "123", "--actions", "rw", "--if-present"],
            vec![
                Caveat::Organization { id: 1, mask: read_write },
                if_present(apps(&[123], read_write), Mask::READ),
                Caveat::Action(read_write),
            ],
        ),
    ];
    for (options, expected) in cases {
        let whole = minted(123, DAY);
        let ran = home.run_with(&[&["attenuate"], *options].concat(), &whole);
        let items = items(&ran);
        let (permission, discharge) = whole.split_once(',').unwrap();
        let (before, after) = (macaroon(permission), macaroon(&items[0]));
        assert_eq!((items.len(), items[1].as_str()), (2, discharge), "{options:?}");
        let added: Vec<_> = after.caveats().skip(before.caveats().len()).cloned().collect();
        assert_eq!(added, *expected, "{options:?}");
        assert!(after.caveats().zip(before.caveats()).all(|(after, before)| after == before), "{options:?}");
        assert!(after.is_signed_with(&[7; 32]), "the chain is as if the issuer had made it: {options:?}");
    }
}

#[test]
fn a_lifetime_ends_the_token_and_never_later_than_before() {
    let home = Home::new();
    let now = || SystemClock::new(&Environment::default()).now();
    for (asked, expected) in [("10m", Duration::from_mins(10)), ("7d", DAY)] {
        let (before, text) = (now(), minted(123, DAY));
        let ran = home.run_with(&["attenuate", "--max-lifetime", asked], &text);
        let items = items(&ran).join(",");
        let after = now();
        let usable = Bundle::parse(&items).unwrap().usability(0, after).unwrap();
        let until = usable.until.unwrap().seconds();
        assert!((before.after(expected).seconds()..=after.after(expected).seconds()).contains(&until), "{asked}: {until}");
    }
}

#[test]
fn only_macaroons_of_the_location_are_narrowed() {
    let home = Home::new();
    let Forged { macaroon: permission, tickets } = organization(1).third_party(AUTH_LOCATION).sign();
    let discharge = tickets[0].open_discharge([1; 16]).sign().macaroon;
    let other = Forge::new([8; 32]).permission([9; 16]).sign().macaroon;
    let text = format!("{},{},{}", *permission.encode(), *discharge.encode(), *other.encode());
    let texts: Vec<_> = text.split(',').collect();
    let reads = |text: &str| macaroon(text).caveats().any(|caveat| *caveat == Caveat::Action(Mask::READ));

    let narrowed = items(&home.run_with(&["attenuate", "--actions", "r"], &text));
    assert!(reads(&narrowed[0]) && narrowed[1] == texts[1] && reads(&narrowed[2]), "every permission token, and nothing else");
    let narrowed = items(&home.run_with(&["attenuate", "--actions", "r", "--location", AUTH_LOCATION], &text));
    assert!(narrowed[0] == texts[0] && reads(&narrowed[1]) && narrowed[2] == texts[2]);
    // No normalisation: it is the text that is compared, as Fly does.
    let ran = home.run_with(&["attenuate", "--actions", "r", "--location", "https://api.fly.io/aaa/v1/"], &text);
    assert!(ran.ends_with(7).contains("no macaroon of the text is for that location"), "{}", ran.stderr);
}

#[test]
fn what_is_narrowed_says_so_to_inspect() {
    let home = Home::new();
    let ran = home.run_with(&["attenuate", "--app-id", "123", "--actions", "r", "--max-lifetime", "10m"], &minted(123, DAY));
    let account = home.run_with(&["inspect", "--json"], &ran.stdout).json();
    let token = &account["tokens"][0];
    assert_eq!((&token["usable"], &token["apps"]), (&true.into(), &serde_json::json!([123])), "{account}");
    assert!(token["usable_until"].as_u64() < account["tokens"][1]["not_after"].as_u64(), "{account}");
}

#[test]
fn what_is_there_already_is_not_added_again() {
    let home = Home::new();
    let once = home.run_with(&["attenuate", "--actions", "r"], &minted(123, DAY));
    let twice = home.run_with(&["attenuate", "--actions", "r"], &once.stdout);
    assert_eq!((once.code, &once.stdout), (Some(0), &twice.stdout));
}

#[test]
fn what_cannot_be_narrowed_is_refused_as_a_whole_and_says_why() {
    let (whole, user) = (minted(123, DAY), user_token());
    let discharge = whole.split_once(',').unwrap().1;
    let third_party = r#"[{"type":"3P","body":{"Location":"https://auth.fly.io","VerifierKey":"AQ==","Ticket":"Ag=="}}]"#;
    let (home, second) = with_caveats(third_party);
    let attestation = home.path("attestation.json");
    fs::write(&attestation, r#"[{"type":"FlyioUserID","body":42}]"#).unwrap();
    let attestation = attestation.display().to_string();
    let read = &["--actions", "r"][..];
    for (what, options, text, expected) in [
        ("a user token", read, user.clone(), "item 1: a user token cannot be narrowed"),
        ("a user token beside others", read, format!("{whole},{user}"), "item 3: a user token cannot be narrowed"),
        ("a discharge alone", read, discharge.to_owned(), "no macaroon of the text is for that location"),
        (
            "a finished discharge",
            &["--actions", "r", "--location", "https://auth.fly.io"],
            whole.clone(),
            "item 2: a finished token cannot be narrowed",
        ),
        ("a second third party", &["--caveats", &second], whole.clone(), "waits for a discharge from that third party already"),
        ("an attestation", &["--caveats", &attestation], whole.clone(), "a statement about a user belongs into discharges"),
        ("nothing", read, String::new(), "there is no token: the text is empty"),
        ("a cut-off token", read, whole[..100].into(), "item 1: cut off at byte 72"),
        ("a text that is no token", read, format!("{whole},hunter2"), "item 3: not a Fly token"),
        ("far too much", read, "x".repeat(70_000), "65536"),
    ] {
        let ran = home.run_with(&[&["attenuate"], options].concat(), &text);
        assert!(ran.ends_with(7).contains(expected), "{what}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("hint: "), "{what}: {}", ran.stderr);
    }
}

#[test]
fn a_file_of_caveats_that_does_not_hold_is_named_with_what_is_wrong() {
    for (json, expected) in [
        ("", "caveats are a JSON array of objects with \"type\" and \"body\": EOF while parsing a value at line 1 column 0"),
        ("{}", "caveats are a JSON array"),
        ("[\n{\"type\":\"Action\"},]", "trailing comma at line 2 column 19"),
        (r#"[{"type":"IsMember"},{"type":"Acton","body":"r"}]"#, "caveat 2 (Acton): no such type"),
        (r#"[{"type":"Apps","body":{"apps":{"my-app":"r"}}}]"#, "caveat 1 (Apps): app ids are numbers"),
        (r#"[{"type":"4242","raw":"c"}]"#, "caveat 1 (4242): \"raw\" is hex digits"),
    ] {
        let (home, path) = with_caveats(json);
        let ran = home.run_with(&["attenuate", "--caveats", &path], &minted(123, DAY));
        let said = ran.ends_with(7);
        assert!(said.contains(expected) && said.contains(&path) && ran.stdout.is_empty(), "{json}: {said}");
    }
    let (home, path) = with_caveats(&format!("[{}]", " ".repeat(70_000)));
    assert!(home.run_with(&["attenuate", "--caveats", &path], &minted(123, DAY)).ends_with(7).contains("it has more than 65536 bytes"));
    let missing = home.run_with(&["attenuate", "--caveats", "missing.json"], &minted(123, DAY));
    assert!(missing.ends_with(7).contains("`missing.json`: it cannot be read: No such file"), "{}", missing.stderr);
}

#[test]
fn caveats_of_every_form_are_read_from_a_file() {
    let json = r#"[{"type":"IfPresent","body":{"ifs":[{"type":"Apps","body":{"apps":{"123":"r"}}}],"else":"r"}},{"type":"4242","raw":"93010203"}]"#;
    let (home, path) = with_caveats(json);
    let narrowed = items(&home.run_with(&["attenuate", "--caveats", &path], &minted(123, DAY)));
    let added: Vec<_> = macaroon(&narrowed[0]).caveats().skip(3).cloned().collect();
    assert_eq!(added, caveat_json::parse(json).unwrap());
}

#[test]
fn somebody_who_says_no_limit_is_asked_for_one() {
    let ran = Home::new().run_with(&["attenuate"], &minted(123, DAY));
    let said = ran.ends_with(2);
    assert!(["--caveats", "--actions", "--max-lifetime", "--app-id"].iter().all(|option| said.contains(option)), "{said}");
}
