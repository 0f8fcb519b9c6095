//! The outside: the clock, the environment, randomness. `main` builds the real one and hands it in; tests hand in their own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::time::Timestamp;

/// Tells the wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The moment it is now. May go backwards when somebody sets the machine's clock.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Default)]
pub struct SystemClock {
    /// Added to the machine's time; always zero outside debug builds.
    offset: Option<PathBuf>,
}

impl SystemClock {
    /// The machine's clock. In a debug build, and only there, the file that `FLYTOKEN_TEST_CLOCK` names holds a number of seconds
    /// that is added to it: the behaviours in `tests/` live through days that way. A release build does not know the variable.
    pub fn new(environment: &Environment) -> Self {
        Self { offset: if cfg!(debug_assertions) { environment.var("FLYTOKEN_TEST_CLOCK").map(PathBuf::from) } else { None } }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let now = Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let Some(offset) = &self.offset else { return now };
        let offset = std::fs::read_to_string(offset).ok().and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0);
        let shift = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { now.before(shift) } else { now.after(shift) }
    }
}

/// A defect on demand, for behaviours that show what one costs.
#[derive(Debug, Default)]
pub struct Defect {
    /// Where it is ordered; always none outside debug builds.
    order: Option<PathBuf>,
}

impl Defect {
    /// In a debug build, and only there, the file that `FLYTOKEN_TEST_PANIC` names orders one panic: an app, `run` or `owner`, and the
    /// panic's message, with a space between them. A release build does not know the variable.
    pub fn new(environment: &Environment) -> Self {
        Self { order: if cfg!(debug_assertions) { environment.var("FLYTOKEN_TEST_PANIC").map(PathBuf::from) } else { None } }
    }

    /// Goes wrong if that is ordered for this app and this place. The order is gone by then, so that it happens once.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn strike(&self, app: &str, place: &str) {
        let Some(order) = &self.order else { return };
        let text = std::fs::read_to_string(order).unwrap_or_default();
        let meant = text.strip_prefix(app).and_then(|rest| rest.strip_prefix(' ')?.strip_prefix(place)?.strip_prefix(' '));
        if let Some(message) = meant
            && std::fs::remove_file(order).is_ok()
        {
            panic!("ordered: {message}");
        }
    }
}

/// The variables this process was started with, as they were then.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// This process's own variables.
    pub fn of_this_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the process's environment")]
        Self(std::env::vars_os().collect())
    }

    /// One variable, if it is set.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// One variable as text, if it is set, not empty and UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.var(name).and_then(OsStr::to_str).filter(|text| !text.is_empty())
    }

    /// What a service of the whole system may go by: nothing that names a user's home, session or login, and none of the variables with which
    /// users move flytoken's own files. Whatever a unit sets by mistake then moves nothing.
    #[must_use]
    pub fn of_a_service(&self) -> Self {
        let personal = |name: &OsStr| {
            let name = name.to_string_lossy();
            let of_tests = cfg!(debug_assertions) && name.starts_with("FLYTOKEN_TEST_");
            ["HOME", "DBUS_SESSION_BUS_ADDRESS"].contains(&&*name)
                || ["XDG_", "FLY_", "FLYTOKEN_"].iter().any(|prefix| name.starts_with(prefix)) && !of_tests
        };
        Self(self.0.iter().filter(|(name, _)| !personal(name)).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The home directory, if `HOME` names an absolute path.
    pub fn home(&self) -> Option<PathBuf> {
        self.var("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Where numbers drawn evenly from `[0, 1)` come from.
pub type Draw = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Random bytes from the operating system.
///
/// # Panics
/// If the operating system has no randomness to give: no key, nonce or unique name may be made then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A number drawn evenly from `[0, 1)`.
pub fn draw() -> f64 {
    let bits = u32::from_le_bytes(random());
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_goes_by_nothing_of_a_user() {
        let all = ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "FLY_CONFIG_DIR", "FLY_API_TOKEN", "FLYTOKEN_SOCKET", "FLYTOKEN_CONFIG"];
        let all = all.into_iter().chain(["DBUS_SESSION_BUS_ADDRESS", "PATH", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "HTTPS_PROXY"]);
        let environment: Environment = all.map(|name| (name, "/x")).collect();
        let left: Vec<_> = environment.of_a_service().0.into_keys().collect();
        assert_eq!(left, ["CREDENTIALS_DIRECTORY", "HTTPS_PROXY", "PATH", "STATE_DIRECTORY"]);
    }
}
