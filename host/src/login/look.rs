//! One look at the place of the login.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    time::Timestamp,
    token::{ApiToken, Fingerprint, FingerprintKey},
};

use super::{
    Place,
    extract::extract,
    file::{self, Content, Writer},
    identity::fingerprints,
    tracker::SETTLE,
};

/// What one look found, and since when it may have been so.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    pub(super) found: Found,
    /// When the file was last written, or a missing one's directory changed.
    pub(super) changed: Option<Timestamp>,
}

/// What one look found.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A token.
    Token(Reading),
    /// No token: an empty or missing value, or no file; the text says which.
    Nothing(String),
    /// What says nothing about the login: a file that cannot be read or parsed; the text says why.
    Unclear(String),
}

/// A token as it was read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) token: Arc<ApiToken>,
    /// Never empty.
    pub(super) items: BTreeSet<Fingerprint>,
    pub(super) last_login: Option<Timestamp>,
    /// Why this may be half of what somebody is writing, if it may.
    pub(super) doubt: Option<String>,
}

impl Sight {
    /// Whether by the clock at `now` this was so for as long as makes a logout. A file from the future was written before the
    /// clock was set back.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        self.changed.is_none_or(|changed| now.since(changed).max(changed.since(now)) >= SETTLE)
    }
}

/// Looks at `place` once. May block for a quarter of a second if a writer is stuck.
pub(super) fn look(place: &Place, key: &FingerprintKey) -> Sight {
    let Some(path) = place.file() else {
        return Sight {
            found: Found::Nothing(
                "neither FLY_CONFIG_DIR nor HOME says where flyctl keeps the login, and there is no systemd credential `fly-login`".into(),
            ),
            changed: None,
        };
    };
    let file::Reading { content, writer } = match file::read(&path, place.lock().as_deref()) {
        Ok(reading) => reading,
        Err(error) => return Sight { found: Found::Unclear(error.to_string()), changed: None },
    };
    let (found, changed) = match (&content, place) {
        (None, _) => (Found::Nothing(format!("`{}` does not exist", path.display())), file::missing_since(&path)),
        (Some(content), Place::Credential(_)) => (read_credential(&path, content, key), content.modified),
        (Some(content), Place::Directory(_) | Place::Nowhere) => (read_config(&path, content, writer, key), content.modified),
    };
    match found {
        // flyctl empties the file before it writes. Whoever does so and then stops for a while logs nobody out.
        Found::Nothing(why) if writer == Writer::Busy => {
            Sight { found: Found::Unclear(format!("{why}, but another process keeps its lock and may be writing it")), changed: None }
        }
        found => Sight { found, changed },
    }
}

fn read_config(path: &Path, content: &Content, writer: Writer, key: &FingerprintKey) -> Found {
    let extract = match extract(&content.bytes) {
        Ok(extract) => extract,
        Err(error) => return Found::Unclear(format!("`{}` is {error}", path.display())),
    };
    let why = match writer {
        Writer::Busy => Some("was read while another process kept its lock"),
        Writer::Unknown => Some("could not be read under its lock"),
        Writer::Absent if !ends_whole(&content.bytes) => Some("ends in the middle of a line"),
        Writer::Absent => None,
    };
    let doubt = why.map(|why| format!("`{}` {why}, and may be half written", path.display()));
    match extract.token {
        Some(token) => reading(path, token, extract.last_login, doubt, key),
        None => no_token(path),
    }
}

fn read_credential(path: &Path, content: &Content, key: &FingerprintKey) -> Found {
    match std::str::from_utf8(&content.bytes).map(str::trim) {
        Ok("") => no_token(path),
        Ok(token) if !token.contains(['\n', '\r', '\0']) => reading(path, Zeroizing::new(token.to_owned()), None, None, key),
        _ => Found::Unclear(format!("`{}` must hold one line with the token and nothing else", path.display())),
    }
}

fn reading(path: &Path, token: Zeroizing<String>, last_login: Option<Timestamp>, doubt: Option<String>, key: &FingerprintKey) -> Found {
    let items = fingerprints(&token, key);
    if items.is_empty() {
        no_token(path)
    } else {
        Found::Token(Reading { token: Arc::new(ApiToken::new(token)), items, last_login, doubt })
    }
}

fn no_token(path: &Path) -> Found {
    Found::Nothing(format!("`{}` holds no token", path.display()))
}

/// Whether the file cannot be the first part of a longer one: a plain YAML text that is cut off is still YAML, with a shorter token.
/// What `flyctl` writes ends with a line break; a closing bracket or quote would do for what people write.
fn ends_whole(yaml: &[u8]) -> bool {
    yaml.last().is_none_or(|last| b"\n\r}\"'".contains(last))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    fn key() -> FingerprintKey {
        FingerprintKey::new([7; 32].into())
    }

    #[test]
    fn a_look_tells_a_token_from_nothing_and_from_what_is_unclear() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::directory(directory.path());
        let cases = [
            (Some("access_token: fo1_canary\n"), "token"),
            (Some("access_token: fo1_canary"), "token, ends in the middle of a line"),
            (Some("access_token: 'fo1_canary'"), "token"),
            (Some("access_token: \"\"\n"), "holds no token"),
            (Some("access_token: \" , \"\n"), "holds no token"),
            (Some(""), "holds no token"),
            (None, "does not exist"),
            (Some("access_token: [fo1_canary]\n"), "line 1, column 15"),
        ];
        for (content, expected) in cases {
            let file = place.file().unwrap();
            match content {
                Some(content) => fs::write(&file, content).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let text = match look(&place, &key()).found {
                Found::Token(Reading { doubt, .. }) => format!("token, {}", doubt.unwrap_or_default()),
                Found::Nothing(text) | Found::Unclear(text) => text,
            };
            let told = expected.split(", ").all(|part| text.contains(part)) && (expected.contains("middle") == text.contains("middle"));
            assert!(told && !text.contains("canary"), "{content:?}: {text}");
        }
    }

    #[test]
    fn while_a_writer_has_the_lock_there_is_no_telling_that_nobody_is_logged_in() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::directory(directory.path());
        let lock = fs::File::create(place.lock().unwrap()).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        for content in [None, Some(""), Some("access_token: ''\n")] {
            if let Some(content) = content {
                fs::write(place.file().unwrap(), content).unwrap();
            }
            let found = look(&place, &key()).found;
            assert!(matches!(&found, Found::Unclear(why) if why.contains("keeps its lock")), "{content:?}: {found:?}");
        }
        fs::write(place.file().unwrap(), "access_token: fo1_canary\n").unwrap();
        let found = look(&place, &key()).found;
        assert!(matches!(&found, Found::Token(Reading { doubt: Some(why), .. }) if why.contains("kept its lock")), "{found:?}");
    }

    #[test]
    fn a_credential_is_the_token_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::Credential(directory.path().join("fly-login"));
        for (content, expected) in [("FlyV1 fm2_a,fo1_b\n", "token"), ("\n", "nothing"), ("access_token: canary\nx: y\n", "unclear")] {
            fs::write(place.file().unwrap(), content).unwrap();
            let found = match look(&place, &key()).found {
                Found::Token(_) => "token",
                Found::Nothing(_) => "nothing",
                Found::Unclear(_) => "unclear",
            };
            assert_eq!(found, expected, "{content}");
        }
    }

    #[test]
    fn a_sight_is_settled_after_two_seconds_or_if_it_is_from_the_future() {
        let written = Timestamp::from_seconds(1000);
        let sight = Sight { found: Found::Nothing(String::new()), changed: Some(written) };
        for (offset, expected) in [(0, false), (1999, false), (2000, true), (3_600_000, true)] {
            assert_eq!(sight.is_settled(written.after(Duration::from_millis(offset))), expected, "{offset} ms after");
            assert_eq!(sight.is_settled(written.before(Duration::from_millis(offset))), expected, "{offset} ms before");
        }
    }
}
