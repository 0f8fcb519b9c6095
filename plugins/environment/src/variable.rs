//! From a variable to an answer.

use flytoken_source::{Expiry, Lease, Refusal, Secret, Settings};

/// The token in the variable. When it ends only the token itself can say.
pub(crate) fn resolve(settings: &impl Settings, variable: impl Fn(&str) -> Option<String>) -> Result<Lease, Refusal> {
    settings.only_settings(&["variable"])?;
    let Some(name) = settings.setting("variable") else {
        return Err(Refusal::misconfigured("say which variable holds the token: `settings: { variable: NAME }`"));
    };
    match variable(&name).filter(|value| !value.trim().is_empty()) {
        Some(value) => Ok(Lease::new(Secret::seal(&value), Expiry::Unknown)),
        None => Err(Refusal::absent(format!("`{name}` is not set, or not granted under `grants.env`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(Option<&'static str>);

    impl Settings for Named {
        fn setting(&self, _: &str) -> Option<String> {
            self.0.map(str::to_owned)
        }
    }

    #[test]
    fn the_variable_of_the_setting_answers_if_it_is_set() {
        let set = |name: &str| (name == "CI_TOKEN").then(|| "fo1_x\n".to_owned());
        assert_eq!(resolve(&Named(Some("CI_TOKEN")), set).unwrap().token, Secret::seal("fo1_x"));
        let absent = resolve(&Named(Some("OTHER")), set).unwrap_err();
        assert_eq!(absent, Refusal::absent("`OTHER` is not set, or not granted under `grants.env`"));
        assert_eq!(
            resolve(&Named(Some("EMPTY")), |_| Some(" ".into())).unwrap_err(),
            Refusal::absent("`EMPTY` is not set, or not granted under `grants.env`")
        );
        assert!(matches!(resolve(&Named(None), set), Err(Refusal::Misconfigured(_))));
    }
}
