//! The least that a run needed of what it was granted.

use std::collections::BTreeMap;

use crate::{
    command::{CommandGrant, EnvValue},
    config::Grants,
    granted_files::{FileForm, FileGrant},
    http::{HeaderValueFrom, Origin},
    network::Host,
    runtime::{Traced, Use},
};

/// The grants that a run made use of, and those without which its component does not load.
#[derive(Debug, PartialEq)]
pub struct Least {
    /// As they may stand under `grants`.
    pub grants: Grants,
    /// Those among them that this run did not use, by name: the component imports what they give, and does not load without them.
    pub only_to_load: Vec<&'static str>,
}

impl Least {
    /// Out of what was granted.
    pub fn of(granted: &Grants, imports: &[String], traced: &Traced) -> Self {
        let used = |what: &Use| traced.uses.contains(what);
        let imports = |interface: &str| imports.iter().any(|import| import.split('@').next() == Some(interface));
        let mut only_to_load = Vec::new();
        let commands = some_of(&granted.commands, |grant| {
            traced.uses.iter().any(|what| matches!(what, Use::Command { program, args } if grant.matches(program, args)))
        });
        let http = some_of(&granted.http, |grant| {
            traced.uses.iter().any(|what| matches!(what, Use::Http(origin) if Origin::parse(origin).is_ok_and(|it| it == grant.origin)))
        });
        let sockets = some_of(&granted.sockets, |grant| {
            let is = |to: &str| Host::parse(to).or_else(|_| Host::parse(&format!("[{to}]"))).is_ok_and(|host| host == grant.host);
            traced.uses.iter().any(|what| matches!(what, Use::Socket(to) if is(to)))
        });
        // What the host puts into headers and variables is used without the source's asking for it.
        let from_headers: Vec<&HeaderValueFrom> = http.iter().flat_map(|grant| grant.headers.values()).collect();
        let files: BTreeMap<String, FileGrant> = granted
            .files
            .iter()
            .filter_map(|(name, file)| {
                let sealed = used(&Use::File(name.clone(), FileForm::Secret))
                    || from_headers.iter().any(|from| **from == HeaderValueFrom::File(name.clone()));
                let form = match (used(&Use::File(name.clone(), FileForm::Bytes)), sealed) {
                    (true, _) => FileForm::Bytes,
                    (false, true) => FileForm::Secret,
                    (false, false) => return None,
                };
                Some((name.clone(), FileGrant { path: file.path.clone(), form: form.min(file.form) }))
            })
            .collect();
        let login = used(&Use::Login)
            || commands.iter().flat_map(|grant: &CommandGrant| grant.env.values()).any(|value| matches!(value, EnvValue::Secret(_)))
            || from_headers.iter().any(|from| **from == HeaderValueFrom::Login);
        let mut grants = Grants {
            reveal: granted.reveal && used(&Use::Reveal),
            login: granted.login && login,
            records: granted.records.filter(|_| used(&Use::Records)),
            commands,
            files,
            http,
            sockets,
            // Nobody can tell which of them were looked at: a language runtime asks for all.
            env: granted.env.clone(),
            memory: granted
                .memory
                .filter(|bytes| *bytes > crate::runtime::DEFAULT_MEMORY && traced.memory > crate::runtime::DEFAULT_MEMORY),
            may_leak: false,
        };
        let mut keep = |name, interface: &str, is_missing: bool| {
            let needed = is_missing && imports(interface);
            if needed {
                only_to_load.push(name);
            }
            needed
        };
        if keep("login", "flytoken:source/login", granted.login && !grants.login) {
            grants.login = true;
        }
        if keep("records", "flytoken:source/records", granted.records.is_some() && grants.records.is_none()) {
            grants.records = granted.records;
        }
        if keep("commands", "flytoken:source/command", grants.commands.is_empty()) {
            grants.commands.clone_from(&granted.commands);
        }
        if keep("files", "flytoken:source/files", grants.files.is_empty()) {
            grants.files.clone_from(&granted.files);
        }
        if keep("http", "wasi:http/outgoing-handler", grants.http.is_empty()) {
            grants.http.clone_from(&granted.http);
            // A header names a file, and the login, which have to be granted then.
            grants.files.extend(granted.files.iter().map(|(name, file)| (name.clone(), file.clone())));
            grants.login |= granted.login;
        }
        grants.may_leak = granted.may_leak && grants.way_to_read().is_some() && grants.way_out().is_some();
        Self { grants, only_to_load }
    }
}

fn some_of<T: Clone>(list: &[T], is_used: impl Fn(&T) -> bool) -> Vec<T> {
    list.iter().filter(|item| is_used(item)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Records, http::HttpGrant};

    fn http(origin: &str, file: Option<&str>) -> HttpGrant {
        let headers = file.map(|file| ("x-token".to_owned(), HeaderValueFrom::File(file.to_owned())));
        HttpGrant { origin: Origin::parse(origin).unwrap(), private: false, ca: None, headers: headers.into_iter().collect() }
    }

    #[test]
    fn only_what_was_used_or_loads_is_left() {
        let file = |path: &str, form| FileGrant { path: path.into(), form };
        let granted = Grants {
            reveal: true,
            login: true,
            records: Some(Records::Kept),
            files: [("a", FileForm::Secret), ("b", FileForm::Bytes), ("c", FileForm::Secret)]
                .map(|(name, form)| (name.to_owned(), file("/x", form)))
                .into(),
            http: vec![http("https://one.example", Some("c")), http("https://two.example", Some("a"))],
            may_leak: true,
            ..Grants::default()
        };
        let imports: Vec<String> =
            ["flytoken:source/records@0.1.0", "flytoken:source/files@0.1.0", "wasi:http/outgoing-handler@0.2.0"].map(str::to_owned).into();
        let traced = Traced {
            uses: vec![Use::Http("https://ONE.example:443".into()), Use::File("b".into(), FileForm::Secret)],
            ..Traced::default()
        };
        let least = Least::of(&granted, &imports, &traced);
        assert_eq!(least.only_to_load, ["records"]);
        let expected = Grants {
            records: Some(Records::Kept),
            files: [("b", FileForm::Secret), ("c", FileForm::Secret)].map(|(name, form)| (name.to_owned(), file("/x", form))).into(),
            http: vec![http("https://one.example", Some("c"))],
            ..Grants::default()
        };
        assert_eq!(least.grants, expected);
    }
}
