//! A scenario as its file holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_yaml::{Mapping, Value};

use super::time::Length;
use crate::{
    app::AppName,
    kind::Kind,
    protocol::{FailureCode, LeaseState},
};

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    /// What it shows, for whoever reads the file.
    #[serde(rename = "title")]
    pub(super) _title: String,
    /// Whether it is an agent or a command that resolves by itself.
    #[serde(default)]
    pub(super) one_shot: bool,
    /// The configuration, without its `version`.
    pub(super) config: Mapping,
    /// The numbers that are drawn, in order; the last again and again.
    #[serde(default)]
    pub(super) draws: Vec<f64>,
    /// Who is logged in at the beginning.
    #[serde(default)]
    pub(super) login: Option<Login>,
    /// What each scripted source answers, in order.
    #[serde(default)]
    pub(super) sources: BTreeMap<String, Vec<Answer>>,
    /// What happens, and what is seen of it.
    pub(super) story: Vec<Event>,
}

/// What a scripted source does when it is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Answer {
    /// How long it takes.
    #[serde(default)]
    pub(super) takes: Length,
    /// How often in a row; for ever is written `always`.
    #[serde(default)]
    pub(super) times: Times,
    /// The token that it gives.
    #[serde(default)]
    pub(super) gives: Option<String>,
    /// How long that lives, by what the source says.
    #[serde(default)]
    pub(super) lives: Option<Life>,
    /// How long that lives by what the token says, if it says anything.
    #[serde(default)]
    pub(super) token_lives: Option<Length>,
    /// The only actions that it allows, of the two there are: `r`, `rC`.
    #[serde(default)]
    pub(super) actions: Option<String>,
    /// In the role `memory`: it gives what it remembers, and takes so long to remember.
    #[serde(default)]
    pub(super) remembers_after: Option<Length>,
    /// What it says instead.
    #[serde(default)]
    pub(super) says: Option<Refusal>,
    /// What becomes of it instead.
    #[serde(default)]
    pub(super) breaks: Option<Break>,
}

/// How often an answer is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Times {
    /// So often.
    Some(u32),
    /// For ever.
    Always,
}

impl Default for Times {
    fn default() -> Self {
        Self::Some(1)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "always" => Ok(Self::Always),
            value => serde_yaml::from_value(value).map(Self::Some).map_err(de::Error::custom),
        }
    }
}

/// How long a token lives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Life {
    /// So long from when it is given; a negative one is over.
    For(Length),
    /// Without an end.
    Never,
    /// Nobody can tell.
    Unknown,
}

impl<'de> Deserialize<'de> for Life {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "never" => Ok(Self::Never),
            Value::String(text) if text == "unknown" => Ok(Self::Unknown),
            value => serde_yaml::from_value(value).map(Self::For).map_err(de::Error::custom),
        }
    }
}

/// What a source says if it gives no token.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Refusal {
    Absent,
    Unavailable,
    NeedsHuman,
    Misconfigured,
}

/// What becomes of a source that does not answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Break {
    Trap,
    Memory,
    Denied,
    Panic,
}

/// Who is logged in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Login {
    /// The user's name, which is their token's name too.
    pub(super) user: String,
    /// Which time they log in; another one is another login.
    #[serde(default)]
    pub(super) session: u32,
    /// Which discharge there is; flyctl fetches a new one every few minutes.
    #[serde(default)]
    pub(super) round: u32,
}

/// Something that happens, and when.
#[derive(Debug)]
pub(super) struct Event {
    /// Since the beginning.
    pub(super) at: Length,
    pub(super) what: What,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut event = Mapping::deserialize(deserializer)?;
        let at = event.remove("at").ok_or_else(|| de::Error::missing_field("at"))?;
        let at = serde_yaml::from_value(at).map_err(de::Error::custom)?;
        // One key is left, and a second one is an error.
        let what = serde_yaml::with::singleton_map::deserialize(Value::Mapping(event)).map_err(de::Error::custom)?;
        Ok(Self { at, what })
    }
}

/// What can happen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// Somebody asks for a token.
    Get(Get),
    /// A user has it renewed.
    Refresh(Get),
    /// A token, or everything, is rejected.
    Invalidate(Named),
    /// A token is set by hand.
    Set(Named),
    /// The token set by hand goes.
    Unset(Named),
    /// What is in the login's file from now on.
    Login(Login),
    /// flyctl has emptied it.
    Logout(Nothing),
    /// flyctl writes the file again and again, each time with a new discharge.
    Rewrites(Rewrites),
    /// Another configuration is in force.
    Configure(Mapping),
    /// The wall clock is set, or the machine slept: nobody who waits notices.
    Clock(Length),
    /// The agent ends and another one starts over the same state.
    Restart(Nothing),
    /// How things are by now.
    Expect(Box<Expect>),
}

/// An event that needs no more words: `{}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A caller, or many, and what each must see.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Get {
    pub(super) app: AppName,
    #[serde(default)]
    pub(super) kind: Kind,
    /// At least this much must be left.
    #[serde(default)]
    pub(super) valid_for: Option<Length>,
    /// How many there are.
    #[serde(default = "one")]
    pub(super) callers: usize,
    /// The token that each is given.
    #[serde(default)]
    pub(super) sees: Option<String>,
    /// Or the failure.
    #[serde(default)]
    pub(super) fails: Option<FailureCode>,
    /// What steps of a failure say, as far as it is told here.
    #[serde(default)]
    pub(super) steps: BTreeMap<String, String>,
    /// How long each waits for it; at once if nothing is said.
    #[serde(default)]
    pub(super) after: Length,
    /// They do not wait for longer than this.
    #[serde(default)]
    pub(super) hang_up: Option<Length>,
}

fn one() -> usize {
    1
}

/// An app, and a token by its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Named {
    pub(super) app: AppName,
    #[serde(default)]
    pub(super) kind: Option<Kind>,
    #[serde(default)]
    pub(super) token: Option<String>,
    #[serde(default)]
    pub(super) fails: Option<FailureCode>,
}

/// What flyctl does while it is in use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rewrites {
    pub(super) user: String,
    pub(super) times: u32,
    pub(super) every: Length,
}

/// How things are.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Expect {
    /// How often each source was asked in all.
    pub(super) asked: BTreeMap<String, usize>,
    /// What each asking of a source was for, in order: `resolve`, or `renew`.
    pub(super) intents: BTreeMap<String, Vec<Intent>>,
    /// Where in its life the cached lease of an app is; `none` if there is none.
    pub(super) states: BTreeMap<AppName, State>,
    /// When the cached lease of an app is renewed, waited for, and over, since the beginning; what is not told here is not looked at.
    pub(super) moments: BTreeMap<AppName, Moments>,
    /// For how long a source is not asked for an app, by `source/app`; `none` if it would be, `change` until it is another.
    pub(super) rests: BTreeMap<String, String>,
    /// For how long a source's breaker is open; `none` if it is closed.
    pub(super) breakers: BTreeMap<String, String>,
    /// How many mints the ledger names.
    pub(super) minted: Option<usize>,
    /// How many numbers were drawn in all.
    pub(super) drawn: Option<usize>,
    /// How many tombstones there are.
    pub(super) tombstones: Option<usize>,
    /// How many owners there are.
    pub(super) owners: Option<usize>,
}

/// What a source was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Intent {
    Resolve,
    Renew,
}

/// Where a lease is in its life, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    None,
    Fresh,
    Renewing,
    Ending,
    Expired,
}

impl From<Option<LeaseState>> for State {
    fn from(state: Option<LeaseState>) -> Self {
        match state {
            None => Self::None,
            Some(LeaseState::Fresh) => Self::Fresh,
            Some(LeaseState::Renewing) => Self::Renewing,
            Some(LeaseState::Ending) => Self::Ending,
            Some(LeaseState::Expired) => Self::Expired,
        }
    }
}

/// The moments of a lease, since the beginning, or `never`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Moments {
    #[serde(default)]
    pub(super) soft: Option<String>,
    #[serde(default)]
    pub(super) hard: Option<String>,
    #[serde(default)]
    pub(super) end: Option<String>,
}
