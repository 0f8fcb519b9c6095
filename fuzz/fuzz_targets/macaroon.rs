//! Any bytes are refused, or are a macaroon that is written as it was read and can only become narrower.

#![no_main]

use flytoken_fuzz::token::{AppLimit, Bundle, Caveat, Macaroon, Mask, caveat_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let macaroon = match Macaroon::decode(bytes) {
        Ok(macaroon) => macaroon,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(bytes.starts_with(macaroon.bytes()), "what is kept is what was read");
    let text = macaroon.encode();
    if let Ok(bundle) = Bundle::parse(&text) {
        let same = bundle.items()[0].macaroon().expect("what is written can be read");
        assert_eq!(same.bytes(), macaroon.bytes());
    }
    let _ = (macaroon.id().to_string(), macaroon.window(), macaroon.organization(), macaroon.allows_nothing());
    let caveats: Vec<Caveat> = macaroon.caveats().cloned().collect();
    for caveat in &caveats {
        serde_json::to_string(&caveat_json::Shown(caveat)).expect("every caveat has a form in JSON");
    }
    let added = [Caveat::Action(Mask::READ), Caveat::ValidityWindow { not_before: 0, not_after: 1_800_000_000 }];
    let Ok(narrowed) = macaroon.attenuated(&added) else { return };
    assert!(narrowed.reads_only() && narrowed.ceiling().is_within(macaroon.ceiling()));
    assert!(narrowed.caveats().zip(&caveats).all(|(after, before)| after == before), "no caveat is lost");
    if let (AppLimit::Only(before), after) = (macaroon.limited_to_apps(), narrowed.limited_to_apps()) {
        assert_eq!(after, AppLimit::Only(before));
    }
});
