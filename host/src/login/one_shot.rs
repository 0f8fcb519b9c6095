//! The login as a command without an agent sees it: one look.

use std::{ffi::OsStr, sync::Arc, thread, time::Duration};

use zeroize::Zeroizing;

use crate::{
    system::{Clock, Environment},
    token::{ApiToken, FingerprintKey},
};

use super::{
    Generation, IdentityMemory, Login, LoginOrigin, LoginState, Place,
    follow::Follower,
    identity::fingerprints,
    look::{Found, look},
};

/// Reads the login once: the caller's `FLY_ACCESS_TOKEN`, then `FLY_API_TOKEN`, then what is at `place`.
///
/// Other than for `flyctl`, an empty variable is an absent one. A variable's login is a generation of its own, in memory only.
/// An empty or missing token is taken for a logout only if the file is older than 2 s. May block for half a second.
pub fn one_shot(
    environment: &Environment,
    place: &Place,
    clock: &dyn Clock,
    key: &FingerprintKey,
    memory: &dyn IdentityMemory,
) -> LoginState {
    for name in VARIABLES {
        if let Some(state) = variable(name, environment.var(name), place, key) {
            return state;
        }
    }
    let mut follower = Follower::new(place.origin(), place.file(), memory);
    let mut sight = look(place, key);
    let mut settled = sight.is_settled(clock.now());
    // Somebody may be between truncating and writing. It matters only if there is a login that could be lost.
    if !settled && follower.is_logged_in() && !matches!(&sight.found, Found::Token(reading) if reading.doubt.is_none()) {
        thread::sleep(SECOND_LOOK);
        sight = look(place, key);
        settled = sight.is_settled(clock.now());
    }
    follower.follow(&sight, Duration::ZERO, settled, memory)
}

/// The login that a variable holds; none if it is absent or empty.
fn variable(name: &'static str, value: Option<&OsStr>, place: &Place, key: &FingerprintKey) -> Option<LoginState> {
    let value = value?;
    let alone =
        |login, generation, problem| LoginState { login, generation, problem, file: place.file(), last_login: None, remembered: false };
    let Some(text) = value.to_str() else {
        // Going on to the next place would use another login than the one that was asked for.
        return Some(alone(None, None, Some(format!("{name} is not UTF-8, as every token is"))));
    };
    if fingerprints(text, key).is_empty() {
        return None;
    }
    let (token, generation) = (Arc::new(ApiToken::new(Zeroizing::new(text.to_owned()))), Generation::fresh());
    let login = Login { token, generation, revision: 1, origin: LoginOrigin::Variable(name) };
    Some(alone(Some(Arc::new(login)), Some(generation), None))
}

/// The first that is not empty wins.
const VARIABLES: [&str; 2] = ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN"];

/// After how long a look that may have come between two writes is repeated.
const SECOND_LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path};

    use super::*;
    use crate::{
        login::{Standing, follow::tests::Notebook},
        time::Timestamp,
    };

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    /// A clock that stands `offset` after the file's last change.
    fn after(file: &Path, offset: Duration) -> At {
        let modified = fs::metadata(file).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        At(Timestamp::from_millis(u64::try_from(modified.as_millis()).unwrap()).after(offset))
    }

    fn key() -> FingerprintKey {
        FingerprintKey::new([7; 32].into())
    }

    #[test]
    fn a_variable_wins_over_the_file_unless_it_is_empty() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::directory(home.path());
        let file = place.file().unwrap();
        fs::write(&file, "access_token: fo1_file\nlast_login: 2026-08-21T10:00:00Z\n").unwrap();
        let none: &[(&str, &str)] = &[];
        let cases = [
            (none, "fo1_file"),
            (&[("FLY_API_TOKEN", "fo1_api")], "fo1_api"),
            (&[("FLY_API_TOKEN", "fo1_api"), ("FLY_ACCESS_TOKEN", "FlyV1 fm2_a")], "FlyV1 fm2_a"),
            (&[("FLY_API_TOKEN", "fo1_api"), ("FLY_ACCESS_TOKEN", "")], "fo1_api"),
            (&[("FLY_API_TOKEN", " "), ("FLY_ACCESS_TOKEN", "")], "fo1_file"),
            (&[("FLY_AUTH_TOKEN", "fo1_other")], "fo1_file"),
        ];
        let memory = Notebook::default();
        for (variables, expected) in cases {
            let environment: Environment = variables.iter().copied().collect();
            let state = one_shot(&environment, &place, &after(&file, Duration::ZERO), &key(), &memory);
            let login = state.login.unwrap();
            assert_eq!(login.token.expose(), expected, "{variables:?}");
            assert_eq!(login.origin == LoginOrigin::File(file.clone()), expected == "fo1_file");
        }
        let garbled: Environment = [("FLY_API_TOKEN", OsString::from_vec(vec![0xff]))].into_iter().collect();
        let state = one_shot(&garbled, &place, &after(&file, Duration::ZERO), &key(), &memory);
        assert!(state.login.is_none() && state.problem.is_some());
    }

    #[test]
    fn a_variables_login_neither_reads_nor_wipes_what_the_files_obtained() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::directory(home.path());
        let file = place.file().unwrap();
        fs::write(&file, "access_token: fo1_file\n").unwrap();
        let memory = Notebook::default();
        let look = |variables: &[(&str, &str)]| {
            one_shot(&variables.iter().copied().collect(), &place, &after(&file, Duration::ZERO), &key(), &memory)
        };
        let of_file = look(&[]).generation.unwrap();
        let remembered = memory.page.lock().unwrap().clone();
        let variable = look(&[("FLY_API_TOKEN", "fo1_api")]);
        assert_eq!(variable.standing(of_file), Standing::Foreign);
        assert_eq!(variable.standing(variable.generation.unwrap()), Standing::Current);
        assert_eq!(*memory.page.lock().unwrap(), remembered);
        assert_eq!(look(&[]).standing(of_file), Standing::Current);
        assert_eq!(look(&[]).standing(variable.generation.unwrap()), Standing::Void);
    }

    #[test]
    fn an_absence_counts_as_a_logout_only_once_the_file_is_older_than_two_seconds() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::directory(home.path());
        let file = place.file().unwrap();
        let memory = Notebook::default();
        let look = |offset: u64| {
            let changed = if file.exists() { &file } else { home.path() };
            one_shot(&Environment::default(), &place, &after(changed, Duration::from_millis(offset)), &key(), &memory)
        };
        for gone in [Some("access_token: \"\"\nlast_login: 0001-01-01T00:00:00Z\n"), Some(""), None] {
            fs::write(&file, "access_token: fo1_file\nlast_login: 2026-08-21T10:00:00Z\n").unwrap();
            let generation = look(0).generation.unwrap();
            match gone {
                Some(content) => fs::write(&file, content).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let young = look(0);
            assert!(young.login.is_none() && young.problem.is_some());
            assert_eq!(young.standing(generation), Standing::Current, "{gone:?}");
            assert_eq!(look(2000).standing(generation), Standing::Void, "{gone:?}");
        }
    }
}
