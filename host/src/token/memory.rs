//! For tests: what reading costs in memory. A text from outside may not make the host allocate more than a small multiple of its length.

use proptest::prelude::*;

use super::{Bundle, Macaroon, caveat_json, forge::Forge, msgpack::Writer};

/// The most that is allocated at once for each byte read: a caveat of two bytes has to be an entry in a list, and what it holds has to lie
/// somewhere.
const MULTIPLE: u64 = 64;

/// What is there whatever is read: the parts of one macaroon and the text of one error.
const FIXED: u64 = 2048;

/// Fails if `read` holds more at once than `input` bytes give it a right to.
fn check<T>(what: &str, input: usize, read: impl FnOnce() -> T) {
    let used = allocation_counter::measure(|| drop(read())).bytes_max;
    let most = MULTIPLE * input as u64 + FIXED;
    assert!(used <= most, "{what}: {used} bytes for {input}, which is more than {most}");
}

/// A macaroon with this for its caveats: `unit` again and again, as the announced `count` of elements.
fn macaroon(count: usize, unit: &[u8], units: usize) -> Vec<u8> {
    let mut writer = Writer::with_capacity(0);
    writer.array(4);
    writer.raw(&[0x93, 0xc4, 0, 0xc4, 0, 0xc2, 0xa0]);
    writer.array(count);
    for _ in 0..units {
        writer.raw(unit);
    }
    writer.bytes(&[0; 32]);
    writer.finish().to_vec()
}

#[test]
fn tiny_parts_in_great_number_cost_a_small_multiple_of_their_length() {
    const MANY: usize = 20_000;
    for (what, unit) in [
        ("empty conditions", &[0x0d, 0x90][..]),
        ("empty third parties", &[0x0b, 0x90]),
        ("empty sources", &[0x1f, 0x90]),
        ("empty structures", &[0x16, 0x90]),
        ("masks", &[0x1a, 0x01]),
        ("unknown caveats", &[0x20, 0xc0]),
        ("conditions with one caveat", &[0x0d, 0x92, 0x92, 0x16, 0x90, 0x01]),
        ("sets with one name", &[0x02, 0x91, 0x81, 0xa0, 0x01]),
    ] {
        let bytes = macaroon(2 * MANY, unit, MANY);
        assert!(Macaroon::decode(&bytes).is_ok(), "{what}");
        check(what, bytes.len(), || Macaroon::decode(&bytes));
    }
}

#[test]
fn one_caveat_with_a_great_number_of_parts_costs_a_small_multiple_of_its_length() {
    const MANY: u16 = 50_000;
    let head = |before: &[u8], kind: u8| [before, &[kind], &MANY.to_be_bytes()].concat();
    for (what, front, part) in [
        ("mutations", head(&[0x06, 0x91], 0xdc), &[0xa0][..]),
        ("commands", head(&[0x1b], 0xdc), &[0x90]),
        ("arguments", [head(&[0x1b, 0x91, 0x92], 0xdc)].concat(), &[0xa0]),
        ("apps", head(&[0x03, 0x91], 0xde), &[0x01, 0x01]),
        ("names", head(&[0x02, 0x91], 0xde), &[0xa0, 0x01]),
        ("caveats in a condition", head(&[0x0d, 0x92], 0xdc), &[0x1a, 0x01]),
    ] {
        // The last of them is missing its end: until then everything has been read.
        let bytes = macaroon(2, &[front, part.repeat(MANY.into())].concat(), 1);
        check(what, bytes.len(), || Macaroon::decode(&bytes));
    }
}

#[test]
fn an_announced_length_alone_costs_nothing() {
    for (what, caveats) in [
        ("caveats", &[][..]),
        ("mutations", &[0x06, 0x91, 0xdd, 0xff, 0xff, 0xff, 0xff]),
        ("apps", &[0x03, 0x91, 0xdf, 0xff, 0xff, 0xff, 0xff]),
        ("a name", &[0x13, 0xdb, 0xff, 0xff, 0xff, 0xff]),
        ("an unknown body", &[0x20, 0xc6, 0xff, 0xff, 0xff, 0xff]),
        ("caveats in conditions", &[0x0d, 0x92, 0xdd, 0xff, 0xff, 0xff, 0xfe].repeat(30)),
    ] {
        let bytes = macaroon(0xffff_fffe, caveats, 1);
        assert!(Macaroon::decode(&bytes).is_err(), "{what}");
        check(what, bytes.len(), || Macaroon::decode(&bytes));
    }
}

#[test]
fn a_list_of_tiny_items_costs_a_small_multiple_of_its_length() {
    for item in ["a,", "fm2_,", "fo1_a,", "fm2_kA==,"] {
        let text = item.repeat(10_000);
        check(item, text.len(), || Bundle::parse(&text).map(|bundle| bundle.problems().count()));
    }
}

#[test]
fn caveats_in_json_cost_a_small_multiple_of_their_length() {
    for unit in
        [r#"{"type":"IsMember"}"#, r#"{"type":"Apps","body":{"apps":{}}}"#, r#"{"type":"Mutations","body":{"mutations":["","",""]}}"#]
    {
        let json = format!("[{}]", vec![unit; 5_000].join(","));
        assert!(caveat_json::parse(&json).is_ok(), "{unit}");
        check(unit, json.len(), || caveat_json::parse(&json));
    }
    let deep = format!("{}{}", r#"[{"type":"IfPresent","body":{"else":"r","ifs":"#.repeat(1_000), "[]".to_owned() + &"}}]".repeat(1_000));
    check("conditions in conditions", deep.len(), || caveat_json::parse(&deep));
}

proptest! {
    #[test]
    fn arbitrary_bytes_cost_a_small_multiple_of_their_length(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        check("bytes", bytes.len(), || Macaroon::decode(&bytes));
        let caveats = macaroon(0xfffe, &bytes, 1);
        check("caveats", caveats.len(), || Macaroon::decode(&caveats));
    }

    #[test]
    fn a_damaged_token_costs_a_small_multiple_of_its_length(at in 0_usize..200, byte: u8) {
        let mut bytes = Forge::new([1; 32]).permission([1; 16]).third_party("https://auth.fly.io").sign().macaroon.bytes().to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        check("a damaged token", length, || Macaroon::decode(&bytes));
    }

    #[test]
    fn arbitrary_texts_cost_a_small_multiple_of_their_length(text in "(FlyV1 )?((fm2_[A-Za-z0-9+/]{0,200}={0,2}|fo1_.{0,9}|.{0,40}),){0,20}") {
        check("text", text.len(), || Bundle::parse(&text).map(|bundle| bundle.problems().count()));
    }
}
