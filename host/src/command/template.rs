//! An argument with placeholders.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    str::FromStr,
};

use super::values::{CannotFill, Lasting, Values};

/// One argument or value of a granted command: literal text and the placeholders `{app}`, `{org}`, `{expiry}`, `{unique}`, `{dir}` and `{id}`.
///
/// `{{` and `}}` stand for single braces. Two arguments are equal if they are written the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Argument {
    /// As written: a source names a granted command by repeating it.
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Literal(String),
    Value(Placeholder),
}

impl Argument {
    /// The text as written, placeholders and all.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for `placeholder`, alone or with a text around it.
    pub fn holds(&self, placeholder: Placeholder) -> bool {
        self.pieces.contains(&Piece::Value(placeholder))
    }

    /// The text with every placeholder filled in.
    ///
    /// # Errors
    /// [`CannotFill`] if a value is missing, or could be taken for something else than a value.
    pub fn fill(&self, values: &Values<'_>) -> Result<OsString, CannotFill> {
        self.fill_with(|placeholder| values.of(placeholder))
    }

    /// The text filled in but for what differs from run to run (`{unique}`, `{dir}`), which stays as written.
    pub(super) fn fill_lasting(&self, values: &Lasting<'_>) -> Result<OsString, CannotFill> {
        self.fill_with(|placeholder| values.of(placeholder).unwrap_or_else(|| Ok(OsStr::new(placeholder.written()))))
    }

    fn fill_with<'v>(&'v self, value: impl Fn(Placeholder) -> Result<&'v OsStr, CannotFill>) -> Result<OsString, CannotFill> {
        let mut filled = OsString::with_capacity(self.text.len() + 64);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => filled.push(text),
                Piece::Value(placeholder) => filled.push(value(*placeholder)?),
            }
        }
        Ok(filled)
    }
}

impl FromStr for Argument {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        if text.contains('\0') {
            return Err(BadTemplate::Nul);
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
            } else if brace == "}" {
                return Err(BadTemplate::LoneBrace);
            } else {
                let (name, after) = rest.split_once('}').ok_or(BadTemplate::Open)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Value(Placeholder::named(name)?));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { text: text.to_owned(), pieces })
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl serde::Serialize for Argument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Argument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgumentVisitor)
    }
}

/// Reads an argument from text, or from what YAML takes for a number or a truth value: `FLY_SEND_METRICS: 0`.
pub(super) struct ArgumentVisitor;

impl serde::de::Visitor<'_> for ArgumentVisitor {
    type Value = Argument;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, in quotes if YAML could take it for something else")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Argument, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Argument, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Argument, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<Argument, E> {
        self.visit_str(if truth { "true" } else { "false" })
    }
}

/// What stands for a value in a granted command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placeholder {
    /// `{app}`
    App,
    /// `{org}`
    Org,
    /// `{expiry}`
    Expiry,
    /// `{unique}`
    Unique,
    /// `{dir}`
    Dir,
    /// `{id}`
    Id,
}

impl Placeholder {
    const ALL: [Self; 6] = [Self::App, Self::Org, Self::Expiry, Self::Unique, Self::Dir, Self::Id];

    fn named(name: &str) -> Result<Self, BadTemplate> {
        let distance = |known: &Self| strsim::jaro_winkler(known.name(), &name.to_ascii_lowercase());
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            let nearest = Self::ALL.into_iter().max_by(|a, b| distance(a).total_cmp(&distance(b)));
            let nearest = nearest.filter(|nearest| distance(nearest) > NEAR_ENOUGH);
            let name = name.chars().take(32).filter(|c| !c.is_control()).collect();
            nearest.map_or(BadTemplate::Unknown { name: String::clone(&name) }, |nearest| BadTemplate::Misspelt { name, nearest })
        })
    }

    fn name(self) -> &'static str {
        self.written().trim_matches(['{', '}'])
    }

    fn written(self) -> &'static str {
        match self {
            Self::App => "{app}",
            Self::Org => "{org}",
            Self::Expiry => "{expiry}",
            Self::Unique => "{unique}",
            Self::Dir => "{dir}",
            Self::Id => "{id}",
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written())
    }
}

/// Why a text is no argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// No such placeholder.
    #[error(
        "there is no placeholder `{{{name}}}`: use {{app}}, {{org}}, {{expiry}}, {{unique}}, {{dir}} or {{id}}, or write `{{{{` for a brace"
    )]
    Unknown {
        /// What stands between the braces.
        name: String,
    },
    /// Nearly a placeholder.
    #[error("there is no placeholder `{{{name}}}`: did you mean `{nearest}`?")]
    Misspelt {
        /// What stands between the braces.
        name: String,
        /// The one it resembles.
        nearest: Placeholder,
    },
    /// A placeholder without an end.
    #[error("a placeholder lacks its closing brace; write `{{{{` for a brace")]
    Open,
    /// An end without a placeholder.
    #[error("a closing brace has no opening one; write `}}}}` for a brace")]
    LoneBrace,
    /// No program can be given this.
    #[error("an argument cannot hold a NUL character")]
    Nul,
}

/// Jaro-Winkler similarity from which one word is taken for a slip of the other.
const NEAR_ENOUGH: f64 = 0.75;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{app::AppName, command::TokenId};

    fn filled(text: &str, org: Option<&str>, expiry: &str, unique: &str) -> Result<OsString, CannotFill> {
        let app = AppName::parse("web").unwrap();
        text.parse::<Argument>().unwrap().fill(&Values { app: &app, org, expiry, unique, dir: Path::new("/tmp/x"), id: None })
    }

    #[test]
    fn placeholders_are_filled_in_and_the_rest_stays() {
        let cases = [
            ("", ""),
            ("-a", "-a"),
            ("{app}", "web"),
            ("--app={app}", "--app=web"),
            ("{dir}/{app}.{unique}", "/tmp/x/web.n-1"),
            ("{org}{expiry}", "acme24h0m0s"),
            ("{{app}}", "{app}"),
            ("{{{app}}}", "{web}"),
            ("ä {app} ü", "ä web ü"),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text, Some("acme"), "24h0m0s", "n-1").unwrap(), OsStr::new(expected), "{text}");
        }
    }

    #[test]
    fn a_value_is_never_empty_and_never_an_option() {
        for bad in ["", "-x", "--help", "a b", "a\nb", "a\0b", "ä", "a/b"] {
            assert!(filled("{org}", Some(bad), "1h", "u").is_err(), "{bad:?}");
            assert!(filled("{expiry}", None, bad, "u").is_err(), "{bad:?}");
            assert!(filled("{unique}", None, "1h", bad).is_err(), "{bad:?}");
        }
        assert!(filled("{org}", Some("Acme"), "1h", "u").is_err());
        assert!(filled("{app}", Some(""), "", "").is_ok(), "what is not used is not looked at");
    }

    #[test]
    fn an_id_fills_its_place_and_no_run_without_one_has_it() {
        let (app, id) = (AppName::parse("web").unwrap(), TokenId::parse("aZ-0").unwrap());
        let values = Values { app: &app, org: None, expiry: "1h", unique: "u", dir: Path::new("/tmp/x"), id: Some(&id) };
        assert_eq!("id={id}".parse::<Argument>().unwrap().fill(&values).unwrap(), OsStr::new("id=aZ-0"));
        assert_eq!(filled("{id}", None, "1h", "u"), Err(CannotFill::NoId));
    }

    #[test]
    fn a_missing_organisation_names_the_setting() {
        assert!(filled("{org}", None, "1h", "u").unwrap_err().to_string().contains("organization: "));
    }

    #[test]
    fn a_placeholder_that_does_not_exist_is_an_error_with_a_suggestion() {
        let cases = [
            ("{apps}", "did you mean `{app}`?"),
            ("{App}", "did you mean `{app}`?"),
            ("{organization}", "did you mean `{org}`?"),
            ("{uniqe}", "did you mean `{unique}`?"),
            ("{zzz}", "use {app}, {org}"),
            ("{}", "use {app}, {org}"),
            ("{\"a\":1}", "write `{{` for a brace"),
            ("{app", "lacks its closing brace"),
            ("app}", "has no opening one"),
            ("a\0", "NUL"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Argument>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
