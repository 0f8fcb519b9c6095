//! Docker's `config.json`. All that somebody else wrote stays as it is written: what is not changed is kept as text, passwords of other registries among it.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserializer, de};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::REGISTRY;
use crate::system::Environment;

/// Where the file lies: in `DOCKER_CONFIG`, else in `~/.docker`. None without either.
pub fn file(environment: &Environment) -> Option<PathBuf> {
    let folder = environment.var("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    Some(folder.or_else(|| environment.home().map(|home| home.join(".docker")))?.join("config.json"))
}

/// What the file says.
pub struct Configuration {
    text: Zeroizing<String>,
}

impl Configuration {
    /// Reads the file; one that is missing says nothing.
    ///
    /// # Errors
    /// If it cannot be read, is longer than 1 MiB, or is not what Docker writes.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Self::parse(Zeroizing::new("{}".into())),
            Err(cause) => return Err(cause.into()),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is not a regular file").into());
        }
        if found.len() > LONGEST {
            return Err(ConfigurationError::TooLong);
        }
        // With room for all of it: a text that has to grow leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(found.len()).unwrap_or_default() + 1));
        file.take(found.len()).read_to_string(&mut text)?;
        Self::parse(text)
    }

    fn parse(text: Zeroizing<String>) -> Result<Self, ConfigurationError> {
        // Docker takes an empty file for one that says nothing.
        let text = if text.trim_ascii().is_empty() { Zeroizing::new("{}".into()) } else { text };
        let configuration = Self { text };
        let members = configuration.members()?;
        for name in [HELPERS, LOGINS] {
            members.object(name)?;
        }
        Ok(configuration)
    }

    /// The helper that is asked for Fly's registry; none if none is.
    pub fn helper(&self) -> Option<String> {
        let members = self.members().ok()?;
        let helpers = members.object(HELPERS).ok()??;
        serde_json::from_str(helpers.get(REGISTRY)?.get()).ok()
    }

    /// Whether a login for Fly's registry lies in the file, as `docker login` and `fly auth docker` leave one.
    pub fn has_login(&self) -> bool {
        let Ok(members) = self.members() else { return false };
        let Ok(Some(logins)) = members.object(LOGINS) else { return false };
        // Where something else keeps the passwords, the entry is empty.
        [REGISTRY.to_owned(), format!("https://{REGISTRY}"), format!("https://{REGISTRY}/")]
            .iter()
            .any(|server| logins.get(server).is_some_and(|login| login.get().contains("\"auth\"")))
    }

    /// The text of the file with another helper for Fly's registry, or without one.
    ///
    /// # Errors
    /// None that [`Self::read`] would not have had.
    pub fn with_helper(&self, helper: Option<&str>) -> Result<Zeroizing<String>, ConfigurationError> {
        let helper =
            helper.map(|helper| serde_json::value::to_raw_value(helper).map_err(|cause| ConfigurationError::at(&cause))).transpose()?;
        let mut members = self.members()?;
        let mut helpers = members.object(HELPERS)?.unwrap_or_default();
        helpers.set(REGISTRY, helper.as_deref());
        let text = helpers.text(2);
        let helpers =
            if helpers.0.is_empty() { None } else { Some(serde_json::from_str(&text).map_err(|cause| ConfigurationError::at(&cause))?) };
        members.set(HELPERS, helpers);
        let mut text = members.text(1);
        text.push('\n');
        Ok(text)
    }

    fn members(&self) -> Result<Members<'_>, ConfigurationError> {
        Members::parse(&self.text)
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").finish_non_exhaustive()
    }
}

/// The members of an object in their order, each as it is written.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn parse(text: &'a str) -> Result<Self, ConfigurationError> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = deserializer.deserialize_map(Visitor).and_then(|members| deserializer.end().map(|()| members));
        let members = members.map_err(|cause| ConfigurationError::at(&cause))?;
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        // Which of them counts is the reader's choice.
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ConfigurationError::Twice(pair[0].to_owned())),
            None => Ok(Self(members)),
        }
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }

    /// The members of an object among these; none if it is missing or null.
    fn object(&self, name: &'static str) -> Result<Option<Self>, ConfigurationError> {
        let value = self.get(name).map(RawValue::get).filter(|value| *value != "null");
        value.map(|value| Self::parse(value).map_err(|_| ConfigurationError::NoObject(name))).transpose()
    }

    fn set(&mut self, name: &str, value: Option<&'a RawValue>) {
        let at = self.0.iter().position(|(other, _)| other == name);
        match (at, value) {
            (Some(at), Some(value)) => self.0[at].1 = value,
            (Some(at), None) => drop(self.0.remove(at)),
            (None, Some(value)) => self.0.push((name.to_owned(), value)),
            (None, None) => {}
        }
    }

    /// As Docker writes it, with a tab for each level.
    fn text(&self, depth: usize) -> Zeroizing<String> {
        if self.0.is_empty() {
            return Zeroizing::new("{}".into());
        }
        let length = |(name, value): &(String, &RawValue)| name.len() * 6 + value.get().len() + depth + 8;
        let mut text = Zeroizing::new(String::with_capacity(self.0.iter().map(length).sum::<usize>() + depth + 8));
        text.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            text.push_str(if at == 0 { "\n" } else { ",\n" });
            text.extend(std::iter::repeat_n('\t', depth));
            text.push_str(&serde_json::Value::from(name.as_str()).to_string());
            text.push_str(": ");
            text.push_str(value.get());
        }
        text.push('\n');
        text.extend(std::iter::repeat_n('\t', depth - 1));
        text.push('}');
        text
    }
}

/// Why the file cannot be used. Nothing of what it says is in it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is longer than any that Docker writes.
    #[error("it is longer than 1 MiB")]
    TooLong,
    /// It is no JSON object.
    #[error("line {line}, column {column}: it is not the JSON object that Docker writes")]
    Broken {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// A key of it is no object.
    #[error("its key `{0}` is no object of different keys")]
    NoObject(&'static str),
    /// A key stands in it twice.
    #[error("its key `{}` stands there twice", crate::plain::line(.0))]
    Twice(String),
}

impl ConfigurationError {
    /// The place alone: the text of the cause may hold what the file says.
    fn at(cause: &serde_json::Error) -> Self {
        Self::Broken { line: cause.line(), column: cause.column().max(1) }
    }
}

/// The key of helpers by their registries.
const HELPERS: &str = "credHelpers";

/// The key of logins by their registries.
const LOGINS: &str = "auths";

const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::HELPER;

    fn configuration(text: &str) -> Result<Configuration, ConfigurationError> {
        Configuration::parse(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_helper_is_written_and_taken_out_and_the_rest_stays_as_it_is() {
        for (before, with, without) in [
            ("", "{\n\t\"credHelpers\": {\n\t\t\"registry.fly.io\": \"flytoken\"\n\t}\n}\n", "{}\n"),
            (
                "{\"auths\": {\"a\":  {\"auth\": \"Y2FuYXJ5\"}}, \"z\": 1.50, \"é\\n\": null}",
                "{\n\t\"auths\": {\"a\":  {\"auth\": \"Y2FuYXJ5\"}},\n\t\"z\": 1.50,\n\t\"é\\n\": null,\n\t\"credHelpers\": {\n\t\t\"registry.fly.io\": \"flytoken\"\n\t}\n}\n",
                "{\n\t\"auths\": {\"a\":  {\"auth\": \"Y2FuYXJ5\"}},\n\t\"z\": 1.50,\n\t\"é\\n\": null\n}\n",
            ),
            (
                "{\n\t\"credHelpers\": {\"gcr.io\": \"gcloud\", \"registry.fly.io\": \"other\"},\n\t\"a\": []\n}",
                "{\n\t\"credHelpers\": {\n\t\t\"gcr.io\": \"gcloud\",\n\t\t\"registry.fly.io\": \"flytoken\"\n\t},\n\t\"a\": []\n}\n",
                "{\n\t\"credHelpers\": {\n\t\t\"gcr.io\": \"gcloud\"\n\t},\n\t\"a\": []\n}\n",
            ),
            ("{\"credHelpers\": null}", "{\n\t\"credHelpers\": {\n\t\t\"registry.fly.io\": \"flytoken\"\n\t}\n}\n", "{}\n"),
        ] {
            let found = configuration(before).unwrap().with_helper(Some(HELPER)).unwrap();
            assert_eq!(*found, with, "{before}");
            let found = configuration(&found).unwrap();
            assert_eq!(found.helper().as_deref(), Some(HELPER), "{before}");
            assert_eq!(*found.with_helper(Some(HELPER)).unwrap(), with, "it is written the same the second time");
            assert_eq!(*found.with_helper(None).unwrap(), without, "{before}");
        }
    }

    #[test]
    fn what_docker_does_not_write_is_refused_and_nothing_of_it_is_repeated() {
        for (text, expected) in [
            ("\"canary\"", "line 1, column 8: it is not"),
            ("{\"auths\": {}", "line 1, column 12: it is not"),
            ("{} canary", "line 1, column 4: it is not"),
            ("{\"credHelpers\": \"canary\"}", "its key `credHelpers` is no object"),
            ("{\"auths\": [\"canary\"]}", "its key `auths` is no object"),
            ("{\"credHelpers\": {\"a\": \"canary\", \"a\": 1}}", "its key `credHelpers` is no object of different keys"),
            ("{\"auths\": {}, \"auths\": {}}", "its key `auths` stands there twice"),
        ] {
            let error = configuration(text).unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains("canary"), "{text}: {error}");
        }
    }

    #[test]
    fn a_login_that_lies_in_the_file_is_seen() {
        for (text, expected) in [
            ("{}", false),
            ("{\"auths\": {\"registry.fly.io\": {\"auth\": \"eDpj\"}}}", true),
            ("{\"auths\": {\"https://registry.fly.io\": {\"auth\": \"eDpj\"}}}", true),
            ("{\"auths\": {\"registry.fly.io\": {}}, \"credsStore\": \"osxkeychain\"}", false),
            ("{\"auths\": {\"gcr.io\": {\"auth\": \"eDpj\"}}}", false),
        ] {
            assert_eq!(configuration(text).unwrap().has_login(), expected, "{text}");
        }
    }

    #[test]
    fn it_lies_where_docker_looks() {
        let place = |variables: &[(&str, &str)]| file(&variables.iter().copied().collect());
        assert_eq!(place(&[("HOME", "/h")]), Some("/h/.docker/config.json".into()));
        assert_eq!(place(&[("HOME", "/h"), ("DOCKER_CONFIG", "")]), Some("/h/.docker/config.json".into()));
        assert_eq!(place(&[("HOME", "/h"), ("DOCKER_CONFIG", "/d")]), Some("/d/config.json".into()));
        assert_eq!(place(&[]), None);
    }
}
