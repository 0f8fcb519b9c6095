//! Clients that know what they were told: whatever an agent acknowledged they hold every later one to.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::PathBuf,
    time::Duration,
};

use flytoken::system::draw;
use serde_json::{Value, json};

use crate::harness::{Bundle, Fly, Wire, get, minted};

/// Longer than any of these behaviours moves the clock.
const LIFE: Duration = Duration::from_hours(60 * 24);

/// What somebody knows who sets tokens for an app by hand, rejects and forgets them.
pub(super) struct Book {
    pub(super) app: String,
    /// The token that was acknowledged last; none if its end was.
    kept: Option<String>,
    /// What may be found instead: what was tried after that, and never acknowledged.
    tried: Vec<Option<String>>,
    /// Whether the agent of now was held to it already.
    sure: bool,
    /// Writes that were acknowledged so far.
    pub(super) acknowledged: usize,
}

impl Book {
    /// Books of apps that have no token yet.
    pub(super) fn new(count: usize) -> Vec<Self> {
        let app = |number| format!("hand-{number}");
        (0..count).map(|number| Self { app: app(number), kept: None, tried: Vec::new(), sure: false, acknowledged: 0 }).collect()
    }

    /// A token that no app has had is about to be set.
    pub(super) fn set(&mut self) -> String {
        let token = minted(1, LIFE);
        self.tried.push(Some(token.clone()));
        token
    }

    /// The one there is is about to be rejected or forgotten.
    fn end(&mut self) {
        self.tried.push(None);
    }

    /// What was tried last is so for certain.
    pub(super) fn acknowledge(&mut self) {
        self.kept = self.tried.pop().unwrap();
        self.tried.clear();
        self.acknowledged += 1;
    }

    /// Fails unless this is the token to be found.
    pub(super) fn check(&mut self, found: Option<String>) {
        let expected = found == self.kept || self.tried.contains(&found);
        let found_one = found.is_some();
        assert!(expected, "{}: what is found, a token: {found_one}, is neither what was acknowledged last nor tried since", self.app);
        self.kept = found;
        self.tried.clear();
    }

    fn go_on(&mut self, wire: &mut Wire) -> Option<()> {
        let drawn = draw();
        if !self.sure || drawn < 0.2 {
            let answer = wire.try_ask(&get(&self.app))?;
            self.check(token(&answer));
            self.sure = true;
            return Some(());
        }
        let (request, reply) = if drawn < 0.35 && self.kept.is_some() {
            self.end();
            (invalidate(&self.app, None), "invalidated")
        } else if drawn < 0.5 {
            self.end();
            (json!({ "op": "unset", "app": self.app }), "unset")
        } else {
            (json!({ "op": "set", "app": self.app, "token": self.set() }), "set")
        };
        done(&wire.try_ask(&request)?, reply);
        self.acknowledge();
        Some(())
    }
}

/// What somebody knows who gets tokens for an app that are minted, renews them and has them rejected.
pub(super) struct Minting {
    pub(super) app: String,
    /// Where `fly` takes its tokens from.
    stock: PathBuf,
    /// Every token that `fly` was ever given.
    stocked: HashSet<Vec<u8>>,
    rejected: HashSet<Vec<u8>>,
    /// What was given last, and is not rejected: the token and its fingerprint.
    given: Option<(Vec<u8>, String)>,
    sure: bool,
    pub(super) acknowledged: usize,
}

impl Minting {
    /// For an app that has no token yet.
    pub(super) fn new(app: &str, notes: &std::path::Path) -> Self {
        let stock = notes.join(app);
        fs::create_dir_all(&stock).unwrap();
        let (stocked, rejected) = (HashSet::new(), HashSet::new());
        let mut minting = Self { app: app.to_owned(), stock, stocked, rejected, given: None, sure: false, acknowledged: 0 };
        minting.restock();
        minting
    }

    /// Sees to it that `fly` can mint more than any agent asks for in its life.
    pub(super) fn restock(&mut self) {
        let left = fs::read_dir(&self.stock)
            .unwrap()
            .filter(|entry| !entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"."))
            .count();
        for _ in left..STOCK {
            let token = minted(1, LIFE);
            let number = self.stocked.len();
            fs::write(self.stock.join(number.to_string()), format!("{{ \"token\": \"FlyV1 {token}\" }}\n")).unwrap();
            self.stocked.insert(Bundle::of(&token).mint());
        }
    }

    /// How many of the tokens that it was given it had rejected.
    pub(super) fn rejected(&self) -> usize {
        self.rejected.len()
    }

    /// Takes what the agent gave: a token of this app, and none that was rejected.
    pub(super) fn take(&mut self, answer: &Value) {
        let found = token(answer).unwrap_or_else(|| panic!("{}: {answer}", self.app));
        let mint = Bundle::of(&found).mint();
        assert!(self.stocked.contains(&mint), "{}: a token of another app", self.app);
        assert!(!self.rejected.contains(&mint), "{}: a rejected token came back", self.app);
        self.given = Some((mint, answer["reply"]["lease"]["fingerprint"].as_str().unwrap().to_owned()));
        self.sure = true;
    }

    /// Gets a token, has the one rejected that it was given, or a newer one obtained.
    pub(super) fn go_on(&mut self, wire: &mut Wire) -> Option<()> {
        let drawn = draw();
        match self.given.clone().filter(|_| self.sure) {
            Some((mint, fingerprint)) if drawn < 0.5 => {
                // One of the two ways to say which one: by name, or all that there was.
                let named = (drawn < 0.2).then_some(&*fingerprint);
                done(&wire.try_ask(&invalidate(&self.app, named))?, "invalidated");
                self.rejected.insert(mint);
                self.given = None;
            }
            Some(_) if drawn < 0.75 => done(&wire.try_ask(&refresh(&self.app))?, "refreshed"),
            _ => {
                let answer = wire.try_ask(&get(&self.app))?;
                self.take(&answer);
                return Some(());
            }
        }
        self.acknowledged += 1;
        Some(())
    }
}

/// Somebody who holds the ledger and the budget to what `fly` says it was asked for, gets a token that nobody touches, and is in the way of
/// those who mint.
pub(super) struct Auditor<'a> {
    pub(super) fly: &'a Fly,
    /// The app that nobody touches, and its token.
    pub(super) still: (&'a str, String),
    /// Apps that others mint for.
    pub(super) others: &'a [&'a str],
    /// How many calls are no longer of this hour.
    pub(super) outdated: usize,
    /// Names that were found in the ledger so far.
    pub(super) named: usize,
}

impl Auditor<'_> {
    fn go_on(&mut self, wire: &mut Wire) -> Option<()> {
        let other = self.others[usize::from(draw() < 0.5)];
        match draw() {
            drawn if drawn < 0.4 => self.audit(wire),
            drawn if drawn < 0.6 => {
                let found = token(&wire.try_ask(&get(self.still.0))?);
                assert!(found.is_some_and(|found| found == self.still.1), "a kept lease is gone");
                Some(())
            }
            drawn if drawn < 0.8 => wire.try_ask(&refresh(other)).map(|answer| done(&answer, "refreshed")),
            _ => wire
                .try_ask(&json!({ "op": "explain", "app": other, "kind": "readonly", "resolve": true }))
                .map(|answer| done(&answer, "explained")),
        }
    }

    /// Fails unless every call of `fly` so far has its name in the ledger, and its share of the budget.
    pub(super) fn audit(&mut self, wire: &mut Wire) -> Option<()> {
        let calls = self.fly.calls();
        let answer = wire.try_ask(&json!({ "op": "minted" }))?;
        done(&answer, "minted");
        let ledger: BTreeSet<&str> =
            answer["reply"]["mints"].as_array().unwrap().iter().map(|mint| mint["name"].as_str().unwrap()).collect();
        for call in &calls {
            let name = call.split(' ').find(|word| word.starts_with("flytoken-")).unwrap();
            assert!(ledger.contains(name), "{name} was minted and is not in the ledger");
        }
        let charged = answer["reply"]["charged"].as_u64().unwrap();
        assert!(charged >= (calls.len() - self.outdated) as u64, "{charged} mints were charged, of {}", calls.len() - self.outdated);
        self.named = calls.len();
        Some(())
    }
}

/// One client of many.
pub(super) enum Client<'a> {
    Hand(Book),
    Mint(Minting),
    Audit(Auditor<'a>),
}

impl Client<'_> {
    /// Another agent is there: what was tried and never acknowledged may be so or not.
    pub(super) fn meets_another(&mut self) {
        match self {
            Self::Hand(book) => book.sure = false,
            Self::Mint(minting) => {
                minting.sure = false;
                minting.restock();
            }
            Self::Audit(_) => {}
        }
    }

    /// Does something, and looks whether it comes to what it should.
    pub(super) fn go_on(&mut self, wire: &mut Wire) -> Option<()> {
        match self {
            Self::Hand(book) => book.go_on(wire),
            Self::Mint(minting) => minting.go_on(wire),
            Self::Audit(auditor) => auditor.go_on(wire),
        }
    }

    /// Writes that were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        match self {
            Self::Hand(book) => book.acknowledged,
            Self::Mint(minting) => minting.acknowledged,
            Self::Audit(_) => 0,
        }
    }
}

/// Mints each token once.
pub(super) const ONCE: &str = r#"
for token in $(ls "$notes/$5" | sort -n); do
    mv "$notes/$5/$token" "$notes/$5/.$token" && exec cat "$notes/$5/.$token"
done
exit 1
"#;

fn invalidate(app: &str, fingerprint: Option<&str>) -> Value {
    json!({ "op": "invalidate", "app": app, "kind": null, "fingerprint": fingerprint })
}

fn refresh(app: &str) -> Value {
    json!({ "op": "refresh", "app": app, "kind": "readonly" })
}

fn done(answer: &Value, reply: &str) {
    assert_eq!(answer["reply"]["reply"], reply, "{}", answer["failure"]);
}

/// The token that the agent has for this app, which nothing but its absence may explain if there is none.
pub(super) fn token(answer: &Value) -> Option<String> {
    if answer["failure"].is_object() {
        assert_eq!(answer["failure"]["code"], "no-token", "{answer}");
    }
    answer["reply"]["token"].as_str().map(str::to_owned)
}

/// More than any agent here is asked to mint for one app before it is killed.
const STOCK: usize = 60;
