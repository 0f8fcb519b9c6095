//! For tests: the vectors beside this file, made with an independent implementation.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce, aead::AeadInOut as _};
use serde_json::Value;

use super::{
    AppLimit, Assembly, Bundle, CannotNarrow, Caveat, ItemKind, Macaroon, ScopeError, caveat_bytes::read_set, caveat_json, msgpack::Reader,
};
use crate::{hex, time::Timestamp};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).expect("the vectors are JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hex digits")
}

fn only_macaroon(token: &str) -> Macaroon {
    Bundle::parse(token).expect("a token").items()[0].macaroon().expect("a macaroon").copy()
}

fn caveat_set(hex: &str) -> Vec<Caveat> {
    read_set(&mut Reader::new(&bytes(hex))).expect("a caveat set")
}

#[test]
fn every_token_decodes_into_its_parts_and_encodes_into_itself() {
    for (name, token) in vectors()["tokens"].as_object().expect("tokens by name") {
        let (macaroon, decoded) = (only_macaroon(text(token, "token")), &token["decoded"]);
        assert_eq!(*macaroon.encode(), text(token, "token"), "{name}");
        assert_eq!(hex::encode(macaroon.nonce_bytes()), text(decoded, "nonce_hex"), "{name}");
        assert_eq!(hex::encode(macaroon.kid()), text(decoded, "kid_hex"), "{name}");
        assert_eq!(hex::encode(macaroon.rnd()), text(decoded, "rnd_hex"), "{name}");
        assert_eq!(macaroon.is_proof(), decoded["proof"].as_bool().unwrap_or_default(), "{name}");
        assert_eq!(macaroon.location(), text(decoded, "location"), "{name}");
        assert_eq!(hex::encode(macaroon.tail()), text(decoded, "tail_hex"), "{name}");
        let expected = list(decoded, "caveats");
        assert_eq!(macaroon.caveats().len(), expected.len(), "{name}");
        for ((caveat, bytes), expected) in macaroon.caveats().zip(macaroon.caveats_bytes()).zip(expected) {
            assert_eq!(Some(caveat.number()), expected["type"].as_u64(), "{name}");
            assert!(hex::encode(bytes).ends_with(text(expected, "body_hex")), "{name}");
            assert_eq!(**caveat.encoded(), *bytes, "{name}: written anew it is the same");
        }
    }
}

#[test]
fn the_chain_of_every_permission_token_follows_from_the_key() {
    let vectors = vectors();
    let key = STANDARD.decode(text(&vectors["keys"], "signing_key_b64")).expect("base64");
    let mut checked = 0;
    for (name, token) in vectors["tokens"].as_object().expect("tokens by name") {
        let macaroon = only_macaroon(text(token, "token"));
        if !macaroon.is_permission() {
            continue;
        }
        let signatures: Vec<_> = macaroon.signatures(&key).iter().map(|signature| hex::encode(&**signature)).collect();
        assert_eq!(signatures, list(&token["decoded"], "running_macs_hex"), "{name}");
        assert!(macaroon.is_signed_with(&key), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 8);
}

/// Opens what a third party or a verifier would: `nonce ‖ ciphertext ‖ tag`, without associated data.
fn unseal(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<12>()?;
    let mut body = body.to_vec();
    let cipher = ChaCha20Poly1305::new_from_slice(key).expect("a key of 32 bytes");
    cipher.decrypt_in_place(&Nonce::from(*nonce), b"", &mut body).ok().map(|()| body)
}

/// The key that a ticket holds, found by whichever third party it was sealed for.
fn discharge_key(keys: &Value, ticket: &[u8]) -> Option<Vec<u8>> {
    let third_parties = ["auth_3p_key_b64", "new_auth_3p_key_b64"].map(|name| STANDARD.decode(text(keys, name)).expect("base64"));
    let content = third_parties.iter().find_map(|key| unseal(key, ticket))?;
    let mut reader = Reader::new(&content);
    assert_eq!(reader.array("a ticket"), Ok(2));
    Some(reader.bytes("a discharge key").expect("bytes").to_vec())
}

#[test]
fn the_chain_of_every_discharge_follows_from_the_key_in_its_ticket() {
    let vectors = vectors();
    let mut checked = 0;
    for (name, token) in vectors["tokens"].as_object().expect("tokens by name") {
        let macaroon = only_macaroon(text(token, "token"));
        if macaroon.is_permission() {
            continue;
        }
        let key = discharge_key(&vectors["keys"], macaroon.kid()).unwrap_or_else(|| panic!("{name}: its key id is no ticket"));
        let signatures: Vec<_> = macaroon.signatures(&key).iter().map(|signature| hex::encode(&**signature)).collect();
        assert_eq!(signatures, list(&token["decoded"], "running_macs_hex"), "{name}");
        assert!(macaroon.is_signed_with(&key), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 3);
}

#[test]
fn the_key_of_a_discharge_is_sealed_for_the_verifier_under_the_signature_before_its_caveat() {
    let vectors = vectors();
    let root = STANDARD.decode(text(&vectors["keys"], "signing_key_b64")).expect("base64");
    let mut checked = 0;
    for (name, token) in vectors["tokens"].as_object().expect("tokens by name") {
        let macaroon = only_macaroon(text(token, "token"));
        for (before, caveat) in macaroon.signatures(&root).iter().zip(macaroon.caveats()) {
            let Caveat::ThirdParty(third_party) = caveat else { continue };
            let key = discharge_key(&vectors["keys"], &third_party.ticket);
            assert!(key.is_some() && key == unseal(&**before, &third_party.verifier_key), "{name}");
            checked += 1;
        }
    }
    assert_eq!(checked, 3);
}

#[test]
fn a_finished_discharge_is_the_hash_of_its_last_signature() {
    for (name, token) in vectors()["tokens"].as_object().expect("tokens by name") {
        let (macaroon, decoded) = (only_macaroon(text(token, "token")), &token["decoded"]);
        let last: [u8; 32] =
            bytes(list(decoded, "running_macs_hex").last().and_then(Value::as_str).expect("a signature")).try_into().expect("32 bytes");
        let tail = if macaroon.is_proof() { super::chain::finish(&zeroize::Zeroizing::new(last)) } else { zeroize::Zeroizing::new(last) };
        assert_eq!(hex::encode(&*tail), text(decoded, "tail_hex"), "{name}");
    }
}

#[test]
fn narrowing_gives_the_exact_text() {
    for vector in list(&vectors(), "attenuation") {
        let note = text(vector, "note");
        let added = caveat_set(text(vector, "added_caveat_set_hex"));
        let blobs: Vec<_> = added.iter().map(|caveat| format!("92{}", hex::encode(&caveat.encoded()))).collect();
        assert_eq!(blobs, list(vector, "signed_blobs_hex"), "{note}");

        let base = only_macaroon(text(vector, "base"));
        let narrowed = base.attenuated(&added).expect("it can be narrowed");
        assert_eq!(*narrowed.encode(), text(vector, "result"), "{note}");
        assert_eq!(hex::encode(narrowed.tail()), text(vector, "result_tail_hex"), "{note}");
        let again = narrowed.attenuated(&added).expect("it can be narrowed");
        assert_eq!(*again.encode(), text(vector, "result"), "{note}: what is there is not added again");

        let json = serde_json::to_string(&caveat_json::Full(&added)).expect("JSON");
        assert_eq!(caveat_json::parse(&json).expect("the same caveats"), added, "{note}");
    }
}

#[test]
fn finished_tokens_refuse_to_be_narrowed() {
    for vector in list(&vectors(), "attenuation_refused") {
        assert_eq!(only_macaroon(text(vector, "token")).attenuated(&[]).expect_err("finished"), CannotNarrow::Finished);
    }
}

#[test]
fn expiry_is_that_of_the_token_and_the_discharges_that_will_be_used() {
    for vector in list(&vectors(), "expiry") {
        let note = text(vector, "note");
        let bundle = Bundle::parse(text(vector, "token_string")).expect("a bundle");
        bundle.check().expect("every item is a token");
        let now = Timestamp::from_seconds(vector["now"].as_u64().expect("a time"));
        let as_sent: Vec<_> = bundle.permissions().map(|(place, _)| bundle.usability_as_sent(place, now)).collect();
        let until = |seconds: &Value| seconds.as_u64().map(Timestamp::from_seconds);
        assert_eq!(as_sent.iter().all(Result::is_ok), vector["usable"].as_bool().expect("a verdict"), "{note}");

        if let Some(permissions) = vector["per_permission"].as_array() {
            for (((_, macaroon), usable), expected) in bundle.permissions().zip(as_sent).zip(permissions) {
                assert_eq!(macaroon.organization().ok(), expected["org"].as_u64(), "{note}");
                assert_eq!(usable.expect("usable").until, until(&expected["not_after"]), "{note}");
            }
        } else if as_sent[0].is_ok() {
            assert_eq!(as_sent[0].as_ref().expect("usable").until, until(&vector["effective_not_after"]), "{note}");
            assert_eq!(bundle.usability(0, now), as_sent[0], "{note}");
        } else if vector["usable_after_pruning_expired"] == true {
            let usable = bundle.usability(0, now).expect("usable with the right discharge");
            assert_eq!(usable.until, until(&vector["effective_not_after_after_pruning"]), "{note}");
            let mut pruned = Assembly::new();
            pruned.keep(&bundle.items()[0]);
            usable.discharges.iter().for_each(|place| pruned.keep(&bundle.items()[*place]));
            let pruned = pruned.finish().expect("two items");
            let pruned = Bundle::parse(pruned.expose()).expect("two items");
            assert_eq!(pruned.items().len(), 2, "{note}");
            assert!(pruned.usability_as_sent(0, now).is_ok(), "{note}");
        } else {
            let reason = as_sent[0].as_ref().expect_err("unusable").to_string();
            assert!(reason.contains("is missing"), "{note}: {reason}");
        }
        if let Some(users) = vector["user_tokens"].as_array() {
            let found: Vec<_> = bundle.items().iter().filter(|item| item.kind() == ItemKind::User).map(super::Item::text).collect();
            assert_eq!(found, *users, "{note}");
        }
    }
}

#[test]
fn scope_is_what_flys_library_says() {
    for vector in list(&vectors(), "scope") {
        let macaroon = only_macaroon(text(vector, "token"));
        if vector["org"] == "error" {
            assert_eq!(macaroon.organization(), Err(ScopeError::Several));
            continue;
        }
        assert_eq!(macaroon.organization().ok(), vector["org"].as_u64());
        let apps = match vector["apps"].as_array() {
            None => AppLimit::Any,
            Some(ids) => AppLimit::Only(ids.iter().filter_map(Value::as_u64).collect()),
        };
        assert_eq!(macaroon.apps(), apps, "{vector}");
        assert_eq!(macaroon.limited_to_apps(), apps, "{vector}");
    }
}

/// The vectors count as Fly's command does, by prefix; a text without one counts as a user token there and as opaque here.
#[test]
fn items_are_told_apart_by_their_prefix() {
    for vector in list(&vectors(), "parse") {
        let input = text(vector, "in");
        let items = Bundle::parse(input).map_or_else(|_| Vec::new(), |bundle| bundle.items().iter().map(super::Item::kind).collect());
        let is_user = |kind: &&ItemKind| matches!(kind, ItemKind::User | ItemKind::Opaque);
        let users = items.iter().filter(is_user).count() as u64;
        let quirk = u64::from(input.is_empty());
        assert_eq!(users + quirk, vector["user"].as_u64().expect("a number"), "{input}");
        assert_eq!(items.len() as u64 - users, vector["macaroons"].as_u64().expect("a number"), "{input}");
    }
}

#[test]
fn a_token_cut_off_anywhere_is_an_error_that_repeats_none_of_it() {
    for token in vectors()["tokens"].as_object().expect("tokens by name").values() {
        let whole = text(token, "token");
        for end in "fm2_".len()..whole.len() {
            let cut = &whole[..end];
            let error = Bundle::parse(cut).expect("one item").check().expect_err("cut off").to_string();
            assert!(error.starts_with("item 1: cut off at byte") || error.starts_with("item 1: bad base64 at column"), "{end}: {error}");
        }
    }
}
