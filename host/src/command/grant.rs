//! One program with its arguments that a source may run.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::{self, Write as _},
};

use super::{
    outcome::Failure,
    template::{Argument, ArgumentVisitor, Placeholder},
    values::{CannotFill, Lasting, Values},
};

/// One program with its arguments that a source may run, and the variables the program gets on top of what every program gets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandGrant {
    /// A name that is looked for at each run, or an absolute path.
    #[serde(deserialize_with = "program")]
    pub program: String,
    /// Its arguments, as literals and placeholders.
    #[serde(default)]
    pub args: Vec<Argument>,
    /// Its variables.
    #[serde(default, deserialize_with = "variables")]
    pub env: BTreeMap<String, EnvValue>,
}

impl CommandGrant {
    /// Whether a source that asks for `program` with `args` means this entry: it repeats both as they are written here.
    pub fn matches(&self, program: &str, args: &[impl AsRef<str>]) -> bool {
        self.program == program && self.args.iter().map(Argument::as_str).eq(args.iter().map(AsRef::as_ref))
    }

    /// The arguments with every placeholder filled in.
    ///
    /// # Errors
    /// [`CannotFill`] if a value is missing or unsafe.
    pub fn fill(&self, values: &Values<'_>) -> Result<Vec<OsString>, CannotFill> {
        self.args.iter().map(|argument| argument.fill(values)).collect()
    }

    /// Whether `placeholder` stands anywhere in it.
    pub fn holds(&self, placeholder: Placeholder) -> bool {
        let texts = self.env.values().filter_map(|value| match value {
            EnvValue::Text(text) => Some(text),
            EnvValue::Secret(_) => None,
        });
        self.args.iter().chain(texts).any(|argument| argument.holds(placeholder))
    }

    /// What two runs have in common that would obtain the same: everything filled in but `{unique}` and `{dir}`.
    pub(super) fn shared_key(&self, values: &Lasting<'_>) -> Result<Vec<OsString>, CannotFill> {
        let mut key = vec![OsString::from(&self.program)];
        for argument in &self.args {
            key.push(argument.fill_lasting(values)?);
        }
        // No argument holds a NUL character, so none can pass for a variable.
        key.push("\0".into());
        for (name, value) in &self.env {
            key.push(name.into());
            key.push(match value {
                EnvValue::Text(text) => text.fill_lasting(values)?,
                EnvValue::Secret(name) => format!("{{secret {name}}}").into(),
            });
        }
        Ok(key)
    }

    /// The entry as one line of YAML, for whoever has to add it to a configuration.
    fn line(program: &str, args: &[impl AsRef<str>]) -> String {
        let mut line = format!("- {{ program: {}, args: [", quoted(program));
        for (index, argument) in args.iter().enumerate() {
            if line.len() > LONGEST_LINE {
                line.push_str(", …");
                break;
            }
            let _ = write!(line, "{}{}", if index == 0 { "" } else { ", " }, quoted(argument.as_ref()));
        }
        line.push_str("] }");
        line
    }
}

/// The entry of `grants` that a source means by `program` and `args`, both repeated as they are written there.
///
/// # Errors
/// [`Failure::Denied`] with the line to add, if there is no such entry.
pub fn granted<'g>(grants: &'g [CommandGrant], program: &str, args: &[impl AsRef<str>]) -> Result<&'g CommandGrant, Failure> {
    grants.iter().find(|grant| grant.matches(program, args)).ok_or_else(|| {
        let line = CommandGrant::line(program, args);
        Failure::Denied(format!("this command is not granted; to allow it, add to the source's `grants.commands`: {line}"))
    })
}

/// What a granted variable is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// A text, with placeholders.
    Text(Argument),
    /// A secret, by its name, so that no source sees it.
    Secret(SecretName),
}

/// A secret that the host holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretName {
    /// The user's own login.
    Login,
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login => f.write_str("login"),
        }
    }
}

impl serde::Serialize for EnvValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Secret(name) => serializer.collect_map([("secret", name.to_string())]),
        }
    }
}

impl<'de> serde::Deserialize<'de> for EnvValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnvValueVisitor)
    }
}

struct EnvValueVisitor;

impl<'de> serde::de::Visitor<'de> for EnvValueVisitor {
    type Value = EnvValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or `{ secret: login }`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EnvValue, E> {
        ArgumentVisitor.visit_str(text).map(EnvValue::Text)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<EnvValue, E> {
        ArgumentVisitor.visit_u64(number).map(EnvValue::Text)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<EnvValue, E> {
        ArgumentVisitor.visit_i64(number).map(EnvValue::Text)
    }

    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<EnvValue, E> {
        ArgumentVisitor.visit_bool(truth).map(EnvValue::Text)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<EnvValue, A::Error> {
        use serde::de::Error;
        let Some(key) = map.next_key::<String>()? else { return Err(A::Error::missing_field("secret")) };
        if key != "secret" {
            return Err(A::Error::unknown_field(&key, &["secret"]));
        }
        let name: String = map.next_value()?;
        if map.next_key::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a variable takes one secret and nothing else: `{ secret: login }`"));
        }
        if name == SecretName::Login.to_string() {
            Ok(EnvValue::Secret(SecretName::Login))
        } else {
            Err(A::Error::unknown_variant(&name, &["login"]))
        }
    }
}

fn program<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    let is_name = !text.contains('/') && !matches!(text.as_str(), "" | "." | "..");
    if (is_name || text.starts_with('/')) && !text.contains('\0') {
        Ok(text)
    } else {
        Err(serde::de::Error::custom("a program is a name without slashes, such as `fly`, or an absolute path"))
    }
}

fn variables<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, EnvValue>, D::Error> {
    let variables: BTreeMap<String, EnvValue> = serde::Deserialize::deserialize(deserializer)?;
    for name in variables.keys() {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(serde::de::Error::custom("the name of a variable is made of letters, digits and `_`, and starts with no digit"));
        }
    }
    Ok(variables)
}

/// A text as YAML takes it in double quotes, at most 128 characters of it: it comes from a source, which may write anything.
fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if is_plain && text.len() <= LONGEST_TEXT && !text.starts_with('-') {
        return text.to_owned();
    }
    let shown: String = text.chars().take(LONGEST_TEXT).flat_map(char::escape_default).collect();
    format!("\"{shown}{}\"", if text.chars().nth(LONGEST_TEXT).is_some() { "…" } else { "" })
}

/// A source must not flood a terminal with what it was denied.
const LONGEST_TEXT: usize = 128;
const LONGEST_LINE: usize = 768;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::AppName;

    const DEPLOY: &str = r#"
program: fly
args: [tokens, create, deploy, -a, "{app}", -j, -n, "{unique}", -x, "{expiry}"]
env: { FLY_API_TOKEN: { secret: login }, FLY_CONFIG_DIR: "{dir}", FLY_SEND_METRICS: 0 }
"#;

    fn read(yaml: &str) -> Result<CommandGrant, String> {
        serde_yaml::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_is_read_as_the_configuration_has_it() {
        let grant = read(DEPLOY).unwrap();
        assert_eq!(grant.env["FLY_API_TOKEN"], EnvValue::Secret(SecretName::Login));
        assert_eq!(grant.env["FLY_SEND_METRICS"], EnvValue::Text("0".parse().unwrap()));
        let app = AppName::parse("web").unwrap();
        let values = Values { app: &app, org: None, expiry: "24h0m0s", unique: "flytoken-1", dir: Path::new("/tmp/x"), id: None };
        let expected = ["tokens", "create", "deploy", "-a", "web", "-j", "-n", "flytoken-1", "-x", "24h0m0s"];
        assert_eq!(grant.fill(&values).unwrap(), expected.map(OsString::from));
        let again = serde_yaml::to_string(&grant).unwrap();
        assert_eq!(read(&again).unwrap(), grant);
    }

    #[test]
    fn a_placeholder_is_found_in_arguments_and_variables() {
        for (yaml, holds) in [
            ("{ program: fly, args: [a, '{id}'] }", true),
            ("{ program: fly, env: { A: 'x{id}' } }", true),
            ("{ program: fly, args: [id, '{{id}}', '{app}'], env: { A: { secret: login } } }", false),
        ] {
            assert_eq!(read(yaml).unwrap().holds(Placeholder::Id), holds, "{yaml}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        let cases = [
            ("{ program: fly, arg: [] }", "unknown field `arg`"),
            ("{ args: [] }", "missing field `program`"),
            ("{ program: bin/fly }", "an absolute path"),
            ("{ program: '' }", "an absolute path"),
            ("{ program: fly, args: ['{apq}'] }", "did you mean `{app}`?"),
            ("{ program: fly, args: [1.10] }", "in quotes"),
            ("{ program: fly, args: [[a]] }", "in quotes"),
            ("{ program: fly, env: { A: { secret: logn } } }", "unknown variant `logn`, expected `login`"),
            ("{ program: fly, env: { A: { sercet: login } } }", "unknown field `sercet`, expected `secret`"),
            ("{ program: fly, env: { A: { secret: login, b: c } } }", "one secret and nothing else"),
            ("{ program: fly, env: { A: {} } }", "missing field `secret`"),
            ("{ program: fly, env: { A: [x] } }", "{ secret: login }"),
            ("{ program: fly, env: { 1A: x } }", "starts with no digit"),
            ("{ program: fly, env: { 'A=B': x } }", "letters, digits"),
        ];
        for (yaml, expected) in cases {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(expected), "{yaml}: {error}");
        }
    }

    #[test]
    fn a_source_names_an_entry_by_repeating_it() {
        let grants = [read("{ program: fly, args: [auth, '{app}'] }").unwrap()];
        assert!(granted(&grants, "fly", &["auth", "{app}"]).is_ok());
        for (program, args) in [("fly", vec!["auth", "web"]), ("fly", vec!["auth"]), ("flyctl", vec!["auth", "{app}"]), ("sh", vec![])] {
            assert!(matches!(granted(&grants, program, &args), Err(Failure::Denied(_))), "{program} {args:?}");
        }
    }

    #[test]
    fn a_denied_command_comes_with_a_line_that_allows_it() {
        let args = ["auth", "{app}", "-x", "a\"\x1b[2J\u{202e}"];
        let Err(Failure::Denied(text)) = granted(&[], "fly", &args) else { panic!("nothing is granted") };
        assert!(text.chars().all(|c| c.is_ascii() && !c.is_control()), "{text}");
        let line = text.split_once("commands`: ").unwrap().1;
        assert_eq!(line, "- { program: fly, args: [auth, \"{app}\", \"-x\", \"a\\\"\\u{1b}[2J\\u{202e}\"] }");
        let allowed: Vec<CommandGrant> = serde_yaml::from_str(&text_of(&["auth", "{app}", "-x"])).unwrap();
        assert!(granted(&allowed, "fly", &["auth", "{app}", "-x"]).is_ok());
        assert!(text_of(&vec!["x".repeat(100_000); 1000]).len() < 4096);
    }

    fn text_of(args: &[impl AsRef<str>]) -> String {
        CommandGrant::line("fly", args)
    }

    #[test]
    fn runs_share_a_key_if_they_would_obtain_the_same() {
        let deploy = read(DEPLOY).unwrap();
        let key = |grant: &CommandGrant, app: &str, org| {
            let app = AppName::parse(app).unwrap();
            grant.shared_key(&Lasting { app: &app, org, expiry: "24h0m0s" })
        };
        assert_eq!(key(&deploy, "web", None).unwrap(), key(&deploy, "web", Some("acme")).unwrap(), "the organisation is not used");
        assert_ne!(key(&deploy, "web", None).unwrap(), key(&deploy, "api", None).unwrap());
        let mut loud = deploy.clone();
        loud.env.remove("FLY_SEND_METRICS");
        assert_ne!(key(&deploy, "web", None).unwrap(), key(&loud, "web", None).unwrap());
    }
}
