//! What a component imports, and what of that it gets: not granted is not linked.

use wasmtime::{
    Engine,
    component::{Linker, types::Component as ComponentType},
};

use super::{
    bindings::flytoken::source::{command, files, login, records, secrets, settings, types},
    component::LoadError,
    imports::{
        command::HasCommands,
        files::HasFiles,
        http,
        login::HasLogin,
        records::HasRecords,
        secrets::HasSecrets,
        settings::HasSettings,
        sockets,
        types::{HasTypes, Types},
    },
    state::State,
    text::{Censor, ID_BYTES},
};
use crate::config::{Grants, SourceName};

/// What every source gets: the interfaces without a grant, and WASI over an empty context.
pub(super) fn ungranted(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    types::add_to_linker::<_, HasTypes>(&mut linker, |_| Types)?;
    secrets::add_to_linker::<_, HasSecrets>(&mut linker, State::secrets)?;
    settings::add_to_linker::<_, HasSettings>(&mut linker, State::settings)?;
    Ok(linker)
}

/// Adds what `grants` say to what everybody gets.
pub(super) fn granted(ungranted: &Linker<State>, grants: &Grants) -> wasmtime::Result<Linker<State>> {
    let mut linker = ungranted.clone();
    if Grant::Login.is_given(grants) {
        login::add_to_linker::<_, HasLogin>(&mut linker, State::login)?;
    }
    if Grant::Records.is_given(grants) {
        records::add_to_linker::<_, HasRecords>(&mut linker, State::records)?;
    }
    if Grant::Commands.is_given(grants) {
        command::add_to_linker::<_, HasCommands>(&mut linker, State::commands)?;
    }
    if Grant::Files.is_given(grants) {
        files::add_to_linker::<_, HasFiles>(&mut linker, State::files)?;
    }
    if Grant::Http.is_given(grants) {
        http::add_to_linker(&mut linker)?;
    }
    sockets::add_refusals_to_linker(&mut linker, !grants.sockets.is_empty())?;
    if !grants.sockets.is_empty() {
        sockets::add_lookup_to_linker(&mut linker)?;
    }
    Ok(linker)
}

/// The names of everything that `component` imports, fit to be shown.
pub(super) fn imports(engine: &Engine, component: &ComponentType) -> Vec<String> {
    component.imports(engine).map(|(name, _)| Censor::default().clean(name, ID_BYTES)).collect()
}

/// Holds each import against the grants.
pub(super) fn check(imports: &[String], grants: &Grants, source: &SourceName) -> Result<(), LoadError> {
    for import in imports {
        match need(import) {
            Need::Nothing => {}
            Need::Grant(grant) if grant.is_given(grants) => {}
            Need::Grant(grant) => {
                return Err(LoadError::Ungranted { interface: import.clone(), grant: grant.name(), line: grant.line(source) });
            }
            Need::OtherVersion => return Err(LoadError::OtherVersion { interface: import.clone() }),
            Need::Unknown => return Err(LoadError::Unknown { interface: import.clone() }),
        }
    }
    Ok(())
}

/// What it takes to import an interface.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Grant(Grant),
    OtherVersion,
    Unknown,
}

/// A grant that lets something be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Login,
    Records,
    Commands,
    Files,
    Http,
}

impl Grant {
    fn is_given(self, grants: &Grants) -> bool {
        match self {
            Self::Login => grants.login,
            Self::Records => grants.records.is_some(),
            Self::Commands => !grants.commands.is_empty(),
            Self::Files => !grants.files.is_empty(),
            Self::Http => !grants.http.is_empty(),
        }
    }

    /// As it is spelled in the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Records => "records",
            Self::Commands => "commands",
            Self::Files => "files",
            Self::Http => "http",
        }
    }

    /// How it may be written.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Login => "login: true",
            Self::Records => "records: cache",
            Self::Files => "files: { token: /a/path }",
            Self::Http => "http: [{ origin: \"https://a.host\" }]",
            Self::Commands => "commands: [{ program: …, args: […] }]",
        }
    }

    /// What to write, and where.
    fn line(self, source: &SourceName) -> String {
        let (example, place) = (self.example(), format!("under `sources.{source}.grants`"));
        match self {
            Self::Login => format!("add `{example}` {place}"),
            Self::Records => format!("add `{example}`, or `records: kept` for what must not get lost, {place}"),
            Self::Files => format!("add `{example}` {place}, one entry for each file"),
            Self::Http => format!("add `{example}` {place}, one entry for each origin"),
            Self::Commands => format!("add `{example}` {place}, one entry for each command line"),
        }
    }
}

/// What it takes to import `import`.
pub(super) fn need(import: &str) -> Need {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(name) = interface.strip_prefix("flytoken:source/") {
        let need = match name {
            "types" | "secrets" | "settings" => Need::Nothing,
            "login" => Need::Grant(Grant::Login),
            "records" => Need::Grant(Grant::Records),
            "command" => Need::Grant(Grant::Commands),
            "files" => Need::Grant(Grant::Files),
            _ => Need::Unknown,
        };
        // Within 0.1 every version is one contract; a function that this one lacks is found when the import is linked.
        return if need == Need::Unknown || version.starts_with("0.1.") { need } else { Need::OtherVersion };
    }
    // The rest of `wasi:http` is for servers.
    if matches!(interface, "wasi:http/types" | "wasi:http/outgoing-handler") {
        return if version.starts_with("0.2.") { Need::Grant(Grant::Http) } else { Need::OtherVersion };
    }
    // What language runtimes import whatever their code does; an interface that is not there is found when the import is linked.
    let runtimes = ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];
    match runtimes.iter().any(|package| interface.starts_with(package)) {
        true if version.starts_with("0.2.") => Need::Nothing,
        true => Need::OtherVersion,
        false => Need::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        config::Records,
        granted_files::{FileForm, FileGrant},
        http::{HttpGrant, Origin},
    };

    fn all() -> Grants {
        let mut grants = Grants { login: true, records: Some(Records::Cache), ..Grants::default() };
        let file = FileGrant { path: "/a".into(), form: FileForm::Secret };
        grants.files.insert("a".into(), file);
        let origin = Origin::parse("https://a.example").expect("an origin");
        grants.http.push(HttpGrant { origin, private: false, ca: None, headers: BTreeMap::new() });
        grants.commands.push(serde_json::from_str(r#"{ "program": "fly" }"#).expect("a grant"));
        grants
    }

    #[test]
    fn each_interface_needs_its_grant_and_the_message_names_the_line() {
        let source = SourceName::parse("corp").expect("a name");
        let place = "under `sources.corp.grants`";
        for (import, grant, line) in [
            ("flytoken:source/types@0.1.0", None, String::new()),
            ("flytoken:source/secrets@0.1.0", None, String::new()),
            ("flytoken:source/settings@0.1.9", None, String::new()),
            ("wasi:cli/environment@0.2.6", None, String::new()),
            ("wasi:sockets/tcp@0.2.0", None, String::new()),
            ("flytoken:source/login@0.1.0", Some("login"), format!("add `login: true` {place}")),
            (
                "flytoken:source/records@0.1.0",
                Some("records"),
                format!("add `records: cache`, or `records: kept` for what must not get lost, {place}"),
            ),
            ("flytoken:source/files@0.1.0", Some("files"), format!("add `files: {{ token: /a/path }}` {place}, one entry for each file")),
            (
                "wasi:http/outgoing-handler@0.2.6",
                Some("http"),
                format!("add `http: [{{ origin: \"https://a.host\" }}]` {place}, one entry for each origin"),
            ),
            (
                "wasi:http/types@0.2.0",
                Some("http"),
                format!("add `http: [{{ origin: \"https://a.host\" }}]` {place}, one entry for each origin"),
            ),
            (
                "flytoken:source/command@0.1.0",
                Some("commands"),
                format!("add `commands: [{{ program: …, args: […] }}]` {place}, one entry for each command line"),
            ),
        ] {
            let imports = [import.to_owned()];
            let error = check(&imports, &Grants::default(), &source).err().map(|error| error.to_string());
            let expected = grant.map(|grant| format!("imports `{import}`, which needs the grant `{grant}`; {line}"));
            assert_eq!(error, expected);
            assert!(check(&imports, &all(), &source).is_ok(), "{import} with every grant");
        }
    }

    #[test]
    fn what_this_host_does_not_offer_is_named() {
        let source = SourceName::parse("corp").expect("a name");
        for (import, expected) in [
            ("flytoken:source/login@0.2.0", "was built against another version"),
            ("flytoken:source/login", "was built against another version"),
            ("wasi:cli/environment@0.3.0", "was built against another version"),
            ("flytoken:source/keychain@0.1.0", "does not offer"),
            ("wasi:http/incoming-handler@0.2.0", "does not offer"),
            ("wasi:http/outgoing-handler@0.3.0", "was built against another version"),
            ("wasi:config/store@0.2.0", "does not offer"),
            ("run", "does not offer"),
        ] {
            let error = check(&[import.to_owned()], &all(), &source).expect_err(import).to_string();
            assert!(error.contains(expected) && error.contains(import), "{error}");
        }
    }
}
