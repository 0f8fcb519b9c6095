//! Any text is read as a list of tokens, judged and narrowed without a panic, and what is put together from it reads the same again.

#![no_main]

use flytoken_fuzz::{
    time::Timestamp,
    token::{Assembly, Bundle, Caveat, Mask},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(bundle) = Bundle::parse(text) else { return };
    let now = Timestamp::from_seconds(1_700_000_000);
    let problems: Vec<_> = bundle.problems().map(|problem| problem.to_string()).collect();
    assert_eq!(problems.is_empty(), bundle.check().is_ok());
    let _ = bundle.verdict(now);
    let mut kept = Assembly::new();
    for (place, item) in bundle.items().iter().enumerate() {
        kept.keep(item);
        if let Ok(usable) = bundle.usability(place, now) {
            let selection = bundle.selection(place, &usable, &[Caveat::Action(Mask::READ)]);
            // A permission token that is finished is usable and cannot be narrowed.
            if let Ok(selection) = selection {
                let selected = Bundle::parse(selection.expose()).expect("what is put together can be read");
                assert!(selected.usability_as_sent(0, now).is_ok_and(|same| same.until == usable.until));
            }
        }
    }
    let kept = kept.finish().expect("a bundle has items");
    let again = Bundle::parse(kept.expose()).expect("what is put together can be read");
    // What is no token may hold spaces, and then looks like a scheme where it comes first.
    assert!(!problems.is_empty() || again.items().iter().map(|item| item.text()).eq(bundle.items().iter().map(|item| item.text())));
});
