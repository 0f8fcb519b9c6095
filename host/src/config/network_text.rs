//! What the grants `http` and `sockets` are written as.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{grant_text::FileName, text::parsed};
use crate::{
    http::{HeaderValueFrom, Origin, header_name},
    network::{Host, SocketGrant, port},
};

/// One entry of `http`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with the key origin")]
pub(super) struct HttpText {
    pub(super) origin: OriginText,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) private: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<HeaderName, HeaderText>,
}

/// An origin as text.
#[derive(Debug, Clone)]
pub(super) struct OriginText(pub(super) Origin);

impl Serialize for OriginText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OriginText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "an origin: https://a.host or https://a.host:port", |text| Origin::parse(text).map(Self))
    }
}

/// A header's name, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct HeaderName(pub(super) String);

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a header's name", |text| header_name(text).map(|name| Self(name.to_string())))
    }
}

/// Where a header's value comes from.
#[derive(Debug, Clone)]
pub(super) struct HeaderText(pub(super) HeaderValueFrom);

impl Serialize for HeaderText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> de::Visitor<'de> for HeaderVisitor {
    type Value = HeaderText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{ file: NAME }` with a name of `files`, or `{ secret: login }`")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<HeaderText, A::Error> {
        use serde::de::Error as _;
        let from = match map.next_key::<String>()?.as_deref() {
            Some("file") => HeaderValueFrom::File(map.next_value::<FileName>()?.0),
            Some("secret") => match map.next_value::<String>()?.as_str() {
                "login" => HeaderValueFrom::Login,
                other => return Err(A::Error::unknown_variant(other, &["login"])),
            },
            Some(other) => return Err(A::Error::unknown_field(other, &["file", "secret"])),
            None => return Err(A::Error::missing_field("file")),
        };
        match map.next_key::<de::IgnoredAny>()? {
            Some(_) => Err(A::Error::custom("a header takes one value: `{ file: NAME }` or `{ secret: login }`")),
            None => Ok(HeaderText(from)),
        }
    }
}

/// One entry of `sockets`: a destination, or a map with it and `private`.
#[derive(Debug, Clone)]
pub(super) struct SocketText(pub(super) SocketGrant);

impl SocketText {
    fn parse(text: &str) -> Result<Self, String> {
        let shape = || "a destination is a host and a port, such as `db.internal:5432`".to_owned();
        let (host, number) = text.rsplit_once(':').ok_or_else(shape)?;
        let host = Host::parse(host).map_err(|error| error.to_string())?;
        Ok(Self(SocketGrant { host, port: port(number).ok_or_else(shape)?, private: false }))
    }
}

impl Serialize for SocketText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.private { Whole { to: self.0.to_string(), private: true }.serialize(serializer) } else { serializer.collect_str(&self.0) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with to and private")]
struct Whole {
    to: String,
    #[serde(default)]
    private: bool,
}

impl<'de> Deserialize<'de> for SocketText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SocketVisitor)
    }
}

struct SocketVisitor;

impl<'de> de::Visitor<'de> for SocketVisitor {
    type Value = SocketText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a destination such as `db.internal:5432`, or `{ to: …, private: true }`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SocketText, E> {
        SocketText::parse(text).map_err(E::custom)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SocketText, A::Error> {
        use serde::de::Error as _;
        let Whole { to, private } = Whole::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let SocketText(grant) = SocketText::parse(&to).map_err(A::Error::custom)?;
        Ok(SocketText(SocketGrant { private, ..grant }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was() {
        for yaml in ["db.internal:5432\n", "to: '[fd00::1]:5432'\nprivate: true\n"] {
            let socket: SocketText = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(serde_yaml::to_string(&socket).unwrap(), yaml);
        }
        for yaml in [
            "origin: https://vault.acme.internal\n",
            "origin: http://vault:8200\nprivate: true\nca: ca.pem\nheaders:\n  authorization:\n    secret: login\n  x-vault-token:\n    file: token\n",
        ] {
            let http: HttpText = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(serde_yaml::to_string(&http).unwrap(), yaml);
        }
    }
}
