//! Where in the vault a token lies, as the settings say.

use flytoken_source::{Kind, Refusal, Request, Settings};

/// One secret's place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    address: String,
    /// How the token comes about there.
    pub(crate) engine: Engine,
    /// Below `/v1/`, as it is sent.
    path: String,
    /// The key of the secret that holds the token.
    pub(crate) field: String,
    /// The namespace, where the vault has several.
    pub(crate) namespace: Option<String>,
}

/// What answers at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The key-value engine, version 2: what somebody put there.
    Kv,
    /// One that makes a secret for each who asks, with a lease of its own.
    Dynamic,
}

impl Place {
    pub(crate) fn of(request: &Request, settings: &impl Settings) -> Result<Self, Refusal> {
        settings.only_settings(&["address", "engine", "mount", "path", "field", "namespace"])?;
        let set = |key: &str| settings.setting(key).filter(|value| !value.is_empty());
        let Some(address) = set("address") else {
            return Err(Refusal::misconfigured("say where the vault is: `settings: { address: \"https://vault.acme.example:8200\" }`"));
        };
        let engine = match set("engine").as_deref() {
            None | Some("kv-v2") => Engine::Kv,
            Some("dynamic") => Engine::Dynamic,
            Some(other) => return Err(Refusal::misconfigured(format!("`engine` is `{other}`, and can be `kv-v2` or `dynamic`"))),
        };
        let (mount, path) = match engine {
            Engine::Kv => ("secret", "fly/{app}"),
            Engine::Dynamic => ("fly", "creds/{app}"),
        };
        let mount = set("mount").unwrap_or_else(|| mount.to_owned());
        let path = set("path").unwrap_or_else(|| path.to_owned());
        let below = if engine == Engine::Kv { "/data/" } else { "/" };
        let template = format!("{}{below}{}", mount.trim_matches('/'), path.trim_matches('/'));
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            engine,
            path: filled(&template, request)?,
            field: set("field").unwrap_or_else(|| "token".to_owned()),
            namespace: set("namespace"),
        })
    }

    /// What is asked for.
    pub(crate) fn url(&self) -> String {
        format!("{}/v1/{}", self.address, self.path)
    }

    /// The place in words.
    pub(crate) fn shown(&self) -> &str {
        &self.path
    }
}

/// The path with what is asked for in it, encoded as a URL takes it.
fn filled(template: &str, request: &Request) -> Result<String, Refusal> {
    let mut path = template.replace("{app}", &request.app).replace("{kind}", kind(request.kind));
    if path.contains("{organization}") {
        let Some(organization) = &request.organization else {
            let text = format!(
                "`path` names the organisation, and that of `{}` is not known: set `organization` for it under `apps`",
                request.app
            );
            return Err(Refusal::misconfigured(text));
        };
        path = path.replace("{organization}", organization);
    }
    if let Some(unknown) = path.split('{').nth(1).and_then(|rest| rest.split('}').next()) {
        return Err(Refusal::misconfigured(format!("`path` can hold {{app}}, {{kind}} and {{organization}}, and no {{{unknown}}}")));
    }
    // What a server takes for another path than the policy of the vault was written for.
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Refusal::misconfigured("`mount` and `path` hold no empty segment, no `.` and no `..`"));
    }
    let encoded = path.bytes().map(|byte| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    Ok(encoded.collect())
}

/// As it is written in configurations.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Readonly => "readonly",
        Kind::Deploy => "deploy",
        Kind::Ssh => "ssh",
        Kind::MachineExec => "machine-exec",
        Kind::Org => "org",
        Kind::Login => "login",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flytoken_source::Intent;

    use super::*;

    fn place(settings: &[(&str, &str)], organization: Option<&str>) -> Result<Place, Refusal> {
        let settings: BTreeMap<_, _> = settings.iter().copied().collect();
        let organization = organization.map(str::to_owned);
        let request =
            Request { app: "web".into(), kind: Kind::MachineExec, organization, intent: Intent::Resolve, now: 1000, lifetime: 60 };
        Place::of(&request, &settings)
    }

    #[test]
    fn settings_make_a_url() {
        let at = ("address", "https://v.example/");
        for (settings, url) in [
            (&[at][..], "https://v.example/v1/secret/data/fly/web"),
            (&[at, ("engine", "dynamic")], "https://v.example/v1/fly/creds/web"),
            (&[at, ("mount", "/kv/"), ("path", "/a b/{kind}/{app}/")], "https://v.example/v1/kv/data/a%20b/machine-exec/web"),
            (&[at, ("path", "{organization}?x=1#y")], "https://v.example/v1/secret/data/acme%3Fx%3D1%23y"),
            (&[at, ("engine", "dynamic"), ("mount", "a/b"), ("path", "{app}%2e")], "https://v.example/v1/a/b/web%252e"),
        ] {
            assert_eq!(place(settings, Some("acme")).unwrap().url(), url);
        }
    }

    #[test]
    fn settings_that_name_no_place_are_said_to_be_wrong() {
        let at = ("address", "https://v.example");
        for (settings, told) in [
            (&[][..], "say where the vault is"),
            (&[("adress", "https://v.example")], "no setting `adress`"),
            (&[at, ("engine", "kv")], "can be `kv-v2` or `dynamic`"),
            (&[at, ("path", "{organization}")], "set `organization` for it"),
            (&[at, ("path", "{application}")], "no {application}"),
            (&[at, ("path", "fly/../sys/{app}")], "no `..`"),
            (&[at, ("path", "fly//{app}")], "no empty segment"),
        ] {
            let refusal = place(settings, None).unwrap_err();
            assert!(matches!(&refusal, Refusal::Misconfigured(text) if text.contains(told)), "{refusal:?}");
        }
    }
}
