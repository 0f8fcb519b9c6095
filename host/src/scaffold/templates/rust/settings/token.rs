//! From a request to a token. It takes the host as an argument, so that a test can hand in another.

use flytoken_source::{Expiry, Lease, Refusal, Request, Secret, Settings};

/// The token in the settings. When it ends only the token itself can say.
pub fn resolve(request: &Request, host: &impl Settings) -> Result<Lease, Refusal> {
    host.only_settings(&["token"])?;
    let Some(token) = host.setting("token") else {
        return Err(Refusal::absent(format!("the setting `token` is not set, so there is nothing for `{}`", request.app)));
    };
    Ok(Lease::new(Secret::seal(&token), Expiry::Unknown))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flytoken_source::{Intent, Kind};

    use super::*;

    fn resolved(settings: &[(&str, &str)]) -> Result<Lease, Refusal> {
        let request = Request { app: "web".into(), kind: Kind::Readonly, organization: None, intent: Intent::Resolve, now: 1000, lifetime: 60 };
        resolve(&request, &settings.iter().copied().collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn the_setting_is_the_token() {
        assert_eq!(resolved(&[("token", "fm2_x")]).unwrap().token, Secret::seal("fm2_x"));
    }

    #[test]
    fn without_it_there_is_nothing_and_no_other_is_known() {
        assert!(matches!(resolved(&[]), Err(Refusal::Absent(_))));
        assert!(matches!(resolved(&[("tokne", "fm2_x")]), Err(Refusal::Misconfigured(_))));
    }
}
