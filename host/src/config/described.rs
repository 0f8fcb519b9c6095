//! A source that is described on a command line rather than in a file: the same words, the same bounds, the same rules.

use std::{collections::BTreeMap, path::Path};

use super::{
    build::describe,
    grant_text::{FileName, FileText, VariableName},
    layer::{ComponentText, GrantsLayer, SourceLayer},
    load::parse_document,
    names::SourceName,
    network_text::{HeaderName, HeaderText, HttpText, OriginText, SocketText},
    origin::{Document, Origins},
    problem::ConfigErrors,
    source::{Grants, SourceConfig},
    text::{DurationText, Setting, SizeText},
};

/// What a command line says of a source.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// What it is called meanwhile.
    pub name: &'a SourceName,
    /// The component's file, absolute.
    pub component: &'a Path,
    /// Entries of `grants`, each as YAML; a bare word grants what it names.
    pub grants: &'a [String],
    /// Whether it may have a way to read and a way out.
    pub may_leak: bool,
    /// Its settings.
    pub settings: &'a BTreeMap<String, String>,
    /// How long a call may take.
    pub timeout: Option<DurationText>,
    /// How much memory a call may take.
    pub memory: Option<SizeText>,
    /// Where relative paths start from.
    pub folder: &'a Path,
    /// What `~` stands for.
    pub home: Option<&'a Path>,
}

impl Described<'_> {
    /// The source, as a configuration file with the same words would have it. It has the role `live`.
    ///
    /// # Errors
    /// Everything that is wrong, as in a configuration file.
    pub fn source(&self) -> Result<SourceConfig, ConfigErrors> {
        let mut grants = GrantsLayer { may_leak: self.may_leak.then_some(true), ..GrantsLayer::default() };
        for entry in self.grants {
            let is_word = !entry.is_empty() && entry.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let text = if is_word { format!("{entry}: true") } else { entry.clone() };
            grants.add(parse_document(&self.document(text))?);
        }
        if let Some(memory) = self.memory {
            grants.memory = Some(memory);
        }
        let settings = self.settings.iter().map(|(key, value)| (key.clone(), Some(Setting(value.clone()))));
        let layer = SourceLayer {
            component: Some(ComponentText::Path(self.component.display().to_string())),
            dev: Some(true),
            settings: Some(settings.collect()),
            timeout: self.timeout,
            grants: Some(grants),
            ..SourceLayer::default()
        };
        describe(self.name, &layer, &Origins::of_one(self.document(String::new())), self.home)
    }

    fn document(&self, text: String) -> Document {
        Document { name: "--grant".into(), folder: Some(self.folder.to_owned()), text }
    }
}

impl Grants {
    /// The grants as lines of a configuration file, to stand under `grants:`; nothing if there are none.
    pub fn lines(&self) -> String {
        let layer = GrantsLayer::of(self);
        // A map without keys is told as one all the same.
        serde_yaml::to_string(&layer).ok().filter(|text| text.trim() != "{}").unwrap_or_default()
    }
}

impl GrantsLayer {
    /// Adds what another entry says: lists and maps grow, of all else the later word counts.
    fn add(&mut self, more: Self) {
        fn grow<T: Default + Extend<E> + IntoIterator<Item = E>, E>(list: &mut Option<T>, more: Option<T>) {
            if let Some(more) = more {
                list.get_or_insert_default().extend(more);
            }
        }
        let Self { reveal, login, records, commands, files, http, sockets, env, memory, may_leak } = more;
        self.reveal = reveal.or(self.reveal);
        self.login = login.or(self.login);
        self.records = records.or(self.records);
        self.memory = memory.or(self.memory);
        self.may_leak = may_leak.or(self.may_leak);
        grow(&mut self.commands, commands);
        grow(&mut self.files, files);
        grow(&mut self.http, http);
        grow(&mut self.sockets, sockets);
        grow(&mut self.env, env);
    }

    /// What would be read as these grants.
    fn of(grants: &Grants) -> Self {
        fn some<T: IntoIterator + Clone, C: FromIterator<E>, E>(list: &T, write: impl FnMut(T::Item) -> E) -> Option<C> {
            let mut items = list.clone().into_iter().map(write).peekable();
            items.peek().is_some().then(|| items.collect())
        }
        let http = |grant: crate::http::HttpGrant| HttpText {
            origin: OriginText(grant.origin),
            private: grant.private,
            ca: grant.ca.map(|ca| ca.display().to_string()),
            headers: grant.headers.into_iter().map(|(name, from)| (HeaderName(name), HeaderText(from))).collect(),
        };
        Self {
            reveal: grants.reveal.then_some(true),
            login: grants.login.then_some(true),
            records: grants.records,
            commands: some(&grants.commands, |command| command),
            files: some(&grants.files, |(name, file)| {
                (FileName(name), FileText { path: file.path.display().to_string(), form: file.form })
            }),
            http: some(&grants.http, http),
            sockets: some(&grants.sockets, SocketText),
            env: some(&grants.env, VariableName),
            memory: grants.memory.map(SizeText),
            may_leak: grants.may_leak.then_some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(grants: &[&str]) -> Result<SourceConfig, String> {
        let (name, grants) = (SourceName::parse("it").unwrap(), grants.iter().map(ToString::to_string).collect::<Vec<_>>());
        let (component, folder) = (Path::new("/a/it.wasm"), Path::new("/here"));
        let settings = BTreeMap::from([("path".to_owned(), "7".to_owned())]);
        let described = Described {
            name: &name,
            component,
            grants: &grants,
            may_leak: false,
            settings: &settings,
            timeout: None,
            memory: None,
            folder,
            home: None,
        };
        described.source().map_err(|errors| errors.to_string())
    }

    #[test]
    fn what_is_granted_on_a_command_line_is_what_a_file_would_grant_and_is_written_back_so() {
        let source = described(&[
            "login",
            "records: cache",
            "files: { token: ./token }",
            "files: { other: /b, bytes: { path: /c, as: bytes } }",
            "commands: [{ program: fly, args: [version, '{app}'] }]",
            "memory: 128MiB",
            "may-leak",
        ]);
        let grants = source.unwrap().grants;
        assert!(grants.login && !grants.reveal && grants.commands.len() == 1);
        assert_eq!(grants.files["token"].path, Path::new("/here/token"));
        assert_eq!(grants.files.len(), 3);
        let again = described(&[&grants.lines()]).unwrap().grants;
        assert_eq!(again, grants);
        assert_eq!(Grants::default().lines(), "");
        let http =
            described(&["http: [{ origin: 'https://a.example' }]", "http: [{ origin: 'https://b.example' }]", "sockets: ['db.a:1']"]);
        let http = http.unwrap().grants;
        assert_eq!(described(&[&http.lines()]).unwrap().grants, http);
        assert_eq!(http.http.len(), 2);
    }

    #[test]
    fn what_a_file_may_not_grant_no_command_line_grants() {
        for (grants, told) in [
            (vec!["lgoin"], "did you mean `login`?"),
            (vec!["records: true"], "known are `cache` and `kept`"),
            (vec!["http: [{ origin: 'http://a.example' }]"], "`http://` is for private networks alone"),
            (vec!["reveal", "http: [{ origin: 'https://a.example' }]"], "may-leak"),
            (vec!["memory: 2GiB"], "must be from"),
            (vec!["files: { a: /a, a: /b }"], "second time"),
            (vec!["["], "not YAML"),
        ] {
            let error = described(&grants).unwrap_err();
            assert!(error.starts_with("--grant") && error.contains(told), "{grants:?}: {error}");
        }
    }
}
