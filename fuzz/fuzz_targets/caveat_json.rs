//! Any text is refused, or is a caveat set that is read from what is written of it.

#![no_main]

use flytoken_fuzz::token::caveat_json::{self, Full};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let caveats = match caveat_json::parse(text) {
        Ok(caveats) => caveats,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = serde_json::to_string(&Full(&caveats)).expect("every caveat has a form in JSON");
    let again = caveat_json::parse(&written).expect("what is written can be read");
    // Not the caveats themselves: bits of a mask that have no letter do not survive in Fly's JSON form.
    assert_eq!(serde_json::to_string(&Full(&again)).expect("every caveat has a form in JSON"), written);
});
