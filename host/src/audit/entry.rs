//! One line of the audit.

use serde::{Deserialize, Serialize, Serializer};

use super::chain::{ChainKey, Head, Link};
use crate::{app::AppName, attestation::Facts, kind::Kind, time::Timestamp, token::Fingerprint};

/// Something that is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "it is written down and gone")]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A client asked for something, and this came of it.
    Request(Entry),
    /// A source asked for something without its grant, and did not get it.
    DeniedCall {
        /// The source.
        source: String,
        /// The app that it was asked for.
        app: AppName,
        /// What the token was for.
        kind: Kind,
        /// What it asked for, and the line that would allow it.
        why: String,
        /// How often it did in one call.
        times: u64,
    },
    /// An agent began to write.
    Opened {
        /// The version of flytoken.
        version: String,
    },
    /// The line before was cut off while it was written, by a kill or a full disk; it was given an end.
    ClosedHalfLine {
        /// How many bytes there are of it.
        bytes: u64,
    },
    /// The file is not there, or ends before the head that was kept: lines are missing up to that number.
    Gap {
        /// The number of the last line that is missing.
        through: u64,
    },
    /// The file was full, and goes on under this name.
    Rotated {
        /// The name of the full one, in the same folder.
        previous: String,
    },
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Who asked.
    pub client: Facts,
    /// What was asked: `get`, `refresh`, `set`, `unset`, `invalidate`, `revoke`.
    pub request: String,
    /// For what.
    #[serde(flatten)]
    pub subject: Subject,
    /// What was decided.
    pub decision: Decision,
    /// The rule that decided, by its name or place; none where no rule speaks of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, where it was not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The source that obtained the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Names the token.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "digits")]
    pub fingerprint: Option<Fingerprint>,
    /// What was taken away from the token for this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// The app; none where only a mint's name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// What the token is for; none where all kinds are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The name of the mint that is to be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mint: Option<String>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It was given, or done.
    Given,
    /// A rule says no.
    Denied,
    /// A rule would say no, and is only reported.
    WouldDeny,
    /// There was none to give, or it failed.
    Failed,
}

/// What was taken away from a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Narrowed {
    /// The actions that it allows at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<String>,
    /// The seconds that it lives at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
}

mod digits {
    use super::{Fingerprint, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands it in that way")]
    pub(super) fn serialize<S: Serializer>(fingerprint: &Option<Fingerprint>, serializer: S) -> Result<S::Ok, S::Error> {
        match fingerprint {
            Some(fingerprint) => serializer.collect_str(fingerprint),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Fingerprint>, D::Error> {
        let text: Option<String> = serde::Deserialize::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// A line as it is written, but for its hash.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Numbered {
    pub(super) number: u64,
    /// When, as RFC 3339 in UTC.
    pub(super) time: String,
    #[serde(flatten)]
    pub(super) event: Event,
}

/// The line of the event that follows `head`, with its end, and the head after it.
pub(super) fn line(event: Event, time: jiff::Timestamp, head: Head, key: &ChainKey) -> (Vec<u8>, Head) {
    let number = head.number + 1;
    let numbered = Numbered { number, time: time.to_string(), event };
    let mut line = Vec::with_capacity(USUAL_LINE);
    serde_json::to_writer(&mut line, &numbered).expect("names and numbers can be written");
    let hash = key.link(head.link, &line);
    // In front of the closing brace, so that a line stays one JSON object.
    line.truncate(line.len() - 1);
    line.extend_from_slice(format!("{HASH}{hash}\"}}\n").as_bytes());
    (line, Head { number, link: hash })
}

/// A moment, as people have it.
pub(super) fn moment(at: Timestamp) -> jiff::Timestamp {
    let time = i64::try_from(at.millis()).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.unwrap_or(jiff::Timestamp::MAX)
}

/// A line taken apart: what its hash covers, and its hash. None if it is no whole line.
pub(super) fn parse(line: &[u8]) -> Option<(Vec<u8>, Numbered, Link)> {
    let text = std::str::from_utf8(line).ok()?;
    let at = text.rfind(HASH)?;
    let hash = Link::parse(text[at + HASH.len()..].strip_suffix("\"}")?)?;
    let mut covered = text.as_bytes()[..at].to_vec();
    covered.push(b'}');
    let numbered = serde_json::from_slice(&covered).ok()?;
    Some((covered, numbered, hash))
}

/// The bytes of most lines, so that the room for one is made once.
const USUAL_LINE: usize = 1024;

/// What stands between a line and its hash.
const HASH: &str = ",\"hash\":\"";
