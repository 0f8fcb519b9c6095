//! A stand-in for flyctl: it knows one app, for which it mints made-up deploy tokens.

use super::forged::Forged;

/// The script. Nothing but what every shell has in itself: nobody knows what else a machine has.
pub(super) fn script(app: &str, mint: &Forged) -> String {
    let token = &mint.text;
    format!(
        r#"#!/bin/sh
case "$3 $5" in
"deploy {app}") echo '{{ "token": "FlyV1 {token}" }}' ;;
*) echo "Error: failed retrieving app $5: Could not find App \"$5\"" >&2; exit 1 ;;
esac
"#
    )
}
