//! `flytoken get`: a token on stdout, and nothing else.

use zeroize::Zeroizing;

use super::Context;
use crate::{
    cli::Get,
    output::json,
    protocol::{Delivered, Failure},
};

pub(super) fn run(get: &Get, context: &Context) -> Result<(), Failure> {
    let delivered = context.token(&get.app, get.kind, get.wish)?;
    if get.json {
        context.output.print_json(&machine_form(get, &delivered))?;
    } else {
        let mut line = text(get, &delivered);
        line.push('\n');
        context.output.print(&line)?;
    }
    context.tell(&delivered.facts);
    Ok(())
}

fn text(get: &Get, delivered: &Delivered) -> Zeroizing<String> {
    let token = &delivered.token;
    let text = match (get.bare, get.header) {
        (true, _) => token.bare(),
        (false, false) => token.printed(),
        (false, true) => return joined("Authorization: ", &token.header_value()),
    };
    joined("", &text)
}

/// With room for the end of the line: a text that has to grow leaves a copy behind.
fn joined(before: &str, text: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(before.len() + text.len() + 1));
    line.push_str(before);
    line.push_str(text);
    line
}

fn machine_form<'a>(get: &Get, delivered: &'a Delivered) -> json::Token<'a> {
    let token = &delivered.token;
    json::Token::new(delivered, if get.bare { token.bare() } else { token.printed() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{app::AppName, kind::Kind, lease::Expiry, protocol::LeaseFacts, time::Timestamp, token::ApiToken};

    fn delivered(token: &str) -> Delivered {
        Delivered {
            token: Arc::new(ApiToken::new(Zeroizing::new(token.into()))),
            facts: LeaseFacts {
                app: AppName::parse("web").unwrap(),
                kind: Kind::Readonly,
                source: "cli".into(),
                expiry: Expiry::Unknown,
                obtained: Timestamp::from_millis(1_700_000_000_999),
                fingerprint: "0123456789abcdef".parse().unwrap(),
            },
        }
    }

    #[test]
    fn the_token_is_printed_as_fly_prints_it_or_as_asked() {
        let (plain, bare, header) = (Get::default(), Get { bare: true, ..Get::default() }, Get { header: true, ..Get::default() });
        for (get, token, expected) in [
            (&plain, "fm2_AAAA", "FlyV1 fm2_AAAA"),
            (&plain, "fo1_user", "fo1_user"),
            (&bare, "fm2_AAAA", "fm2_AAAA"),
            (&header, "fm2_AAAA", "Authorization: FlyV1 fm2_AAAA"),
            (&header, "fo1_user", "Authorization: Bearer fo1_user"),
        ] {
            assert_eq!(text(get, &delivered(token)).as_str(), expected);
        }
    }

    #[test]
    fn json_has_exactly_the_promised_keys() {
        let value = serde_json::to_value(machine_form(&Get::default(), &delivered("fm2_AAAA"))).unwrap();
        let expected = serde_json::json!({
            "app": "web", "kind": "readonly", "token": "FlyV1 fm2_AAAA", "source": "cli",
            "expires_at": null, "obtained_at": 1_700_000_000, "fingerprint": "0123456789abcdef",
        });
        assert_eq!(value, expected);
    }
}
