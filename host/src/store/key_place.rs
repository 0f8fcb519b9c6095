//! Where the sealing key lies.
//!
//! Chosen once for a state directory and recorded beside the databases: a key that came from somewhere else the next time would open nothing.

use std::{
    fmt::Write as _,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    KeyError, Keyring, LockFile, Patience, SealingKey,
    key_error::name,
    keyring::within,
    private::{self, Exposure},
    seal::KEY_LENGTH,
};
use crate::{config::KeyPlace, system::Environment};

/// A search for the sealing key of one state directory.
///
/// Blocks the thread, for seconds if the keyring hangs: not for the start path.
pub struct KeySearch<'a> {
    /// The state directory.
    pub directory: &'a Path,
    /// The variables: `DBUS_SESSION_BUS_ADDRESS` and `CREDENTIALS_DIRECTORY` say what can be reached.
    pub environment: &'a Environment,
    /// The user's keyring.
    pub keyring: Arc<dyn Keyring>,
    /// The configured place; none for the first that can be reached.
    pub wanted: Option<KeyPlace>,
    /// How long another process may take that makes the key at the same time.
    pub patience: Patience,
}

/// The key and where it was.
#[derive(Debug)]
pub struct FoundKey {
    /// The key.
    pub key: SealingKey,
    /// Where it lies.
    pub place: KeyPlace,
}

impl KeySearch<'_> {
    /// Loads the key from the recorded place. Without a record, chooses the place, makes the key if the place has none, and records it.
    ///
    /// # Errors
    /// [`KeyError::Unreachable`] or [`KeyError::Missing`] if the recorded or configured place does not give it, [`KeyError::Elsewhere`] if
    /// another place is configured than the recorded one, and the others as their names say. Nothing is switched and nothing made then.
    pub fn find(&self) -> Result<FoundKey, KeyError> {
        if let Some(found) = self.find_recorded()? {
            return Ok(found);
        }
        private::ensure_directory(self.directory)?;
        let _lock = LockFile::lock_within(&self.directory.join(LOCK_FILE), self.patience)?;
        // Another process may have chosen while this one waited.
        if let Some(found) = self.find_recorded()? {
            return Ok(found);
        }
        let found = self.choose()?;
        private::replace(&self.directory.join(PLACE_FILE), format!("{}\n", name(found.place)).as_bytes())?;
        Ok(found)
    }

    /// The recorded place, without asking it.
    ///
    /// # Errors
    /// [`KeyError::Record`] if the record names no place, [`KeyError::File`] if it cannot be read.
    pub fn recorded(directory: &Path) -> Result<Option<KeyPlace>, KeyError> {
        let path = directory.join(PLACE_FILE);
        let Some(text) = private::read(&path, LONGEST_FILE, Exposure::Tighten)? else { return Ok(None) };
        let place = PLACES.into_iter().find(|place| name(*place).as_bytes() == text.trim_ascii());
        place.map(Some).ok_or(KeyError::Record { path })
    }

    /// Has the keyring forget the key, if that is where it lies: nothing that it sealed can be opened afterwards.
    ///
    /// # Errors
    /// As [`Self::recorded`], and [`KeyError::Unreachable`] if the keyring does not forget it.
    pub fn forget(&self) -> Result<(), KeyError> {
        if Self::recorded(self.directory)? == Some(KeyPlace::Keyring) {
            let (keyring, account) = (Arc::clone(&self.keyring), self.account());
            self.ask_keyring(move || keyring.remove(&account))?;
        }
        Ok(())
    }

    fn find_recorded(&self) -> Result<Option<FoundKey>, KeyError> {
        let Some(place) = Self::recorded(self.directory)? else { return Ok(None) };
        if let Some(wanted) = self.wanted.filter(|wanted| *wanted != place) {
            return Err(KeyError::Elsewhere { recorded: place, wanted });
        }
        let key = self.load(place)?.ok_or(KeyError::Missing { place })?;
        Ok(Some(FoundKey { key, place }))
    }

    /// Chooses among the places. The caller holds the lock.
    fn choose(&self) -> Result<FoundKey, KeyError> {
        if let Some(place) = self.wanted {
            return self.load_or_make(place);
        }
        // Only we make that file: a process that died before it could record its choice. A new key elsewhere would shut away what it sealed.
        if self.key_file().exists() {
            return self.load_or_make(KeyPlace::File);
        }
        for place in [KeyPlace::Keyring, KeyPlace::Systemd] {
            match self.load_or_make(place) {
                Err(KeyError::Unreachable { .. } | KeyError::Missing { .. }) => {}
                answer => return answer,
            }
        }
        self.load_or_make(KeyPlace::File)
    }

    fn load_or_make(&self, place: KeyPlace) -> Result<FoundKey, KeyError> {
        if let Some(key) = self.load(place)? {
            return Ok(FoundKey { key, place });
        }
        let key = SealingKey::random();
        match place {
            KeyPlace::Keyring => {
                let (keyring, account, text) = (Arc::clone(&self.keyring), self.account(), to_hex(&key));
                self.ask_keyring(move || keyring.save(&account, &text))?;
                // Some keyrings take everything and keep nothing.
                let kept = self.load(place)?.is_some_and(|kept| kept.bytes() == key.bytes());
                if !kept {
                    return Err(unreachable(place, "it does not keep what it takes"));
                }
            }
            // Only the administrator can put it there.
            KeyPlace::Systemd => return Err(KeyError::Missing { place }),
            KeyPlace::File => private::replace(&self.key_file(), format!("{}\n", *to_hex(&key)).as_bytes())?,
        }
        Ok(FoundKey { key, place })
    }

    /// The key that is in the place, if it can be reached and has one.
    fn load(&self, place: KeyPlace) -> Result<Option<SealingKey>, KeyError> {
        let bytes = match place {
            KeyPlace::Keyring => {
                let (keyring, account) = (Arc::clone(&self.keyring), self.account());
                self.ask_keyring(move || keyring.load(&account))?.map(|text| Zeroizing::new(text.as_bytes().to_vec()))
            }
            KeyPlace::Systemd => self.read_credential()?,
            KeyPlace::File => private::read(&self.key_file(), LONGEST_FILE, Exposure::Refuse)?,
        };
        bytes.map(|bytes| from_text(&bytes).ok_or(KeyError::Malformed { place })).transpose()
    }

    fn ask_keyring<T: Send + 'static>(&self, ask: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, KeyError> {
        // Without a session bus there is nobody to ask, and asking anyway may start one.
        if !cfg!(target_os = "macos") && self.environment.text("DBUS_SESSION_BUS_ADDRESS").is_none() {
            return Err(unreachable(KeyPlace::Keyring, "there is no session bus: DBUS_SESSION_BUS_ADDRESS is not set"));
        }
        within(KEYRING_LIMIT, ask).map_err(|why| KeyError::Unreachable { place: KeyPlace::Keyring, why })
    }

    /// A credential is systemd's file, often root's: its owner is not ours to judge.
    fn read_credential(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let Some(directory) = self.environment.var("CREDENTIALS_DIRECTORY").filter(|text| !text.is_empty()) else {
            return Err(unreachable(KeyPlace::Systemd, "CREDENTIALS_DIRECTORY is not set: this is no service with credentials"));
        };
        let path = Path::new(directory).join(CREDENTIAL);
        match File::open(&path).and_then(|file| private::read_bounded(file, LONGEST_FILE)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(unreachable(KeyPlace::Systemd, &format!("cannot read `{}`: {cause}", path.display()))),
        }
    }

    /// The keyring is one for the user, the state directories may be several: each has a key of its own.
    fn account(&self) -> String {
        self.directory.to_string_lossy().into_owned()
    }

    fn key_file(&self) -> PathBuf {
        self.directory.join(KEY_FILE)
    }
}

fn unreachable(place: KeyPlace, why: &str) -> KeyError {
    KeyError::Unreachable { place, why: why.into() }
}

fn to_hex(key: &SealingKey) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_LENGTH));
    for byte in key.bytes() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A key is 32 raw bytes, as `head -c 32 /dev/urandom` gives them, or 64 hex digits with white space around.
fn from_text(bytes: &[u8]) -> Option<SealingKey> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    if bytes.len() == KEY_LENGTH {
        key.copy_from_slice(bytes);
        return Some(SealingKey::new(key));
    }
    let digits = bytes.trim_ascii();
    if digits.len() != 2 * KEY_LENGTH {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(SealingKey::new(key))
}

/// Every place, in the order in which they are tried.
const PLACES: [KeyPlace; 3] = [KeyPlace::Keyring, KeyPlace::Systemd, KeyPlace::File];
/// Where the choice is recorded.
const PLACE_FILE: &str = "key-place";
/// The key itself, if it is a file.
const KEY_FILE: &str = "key";
/// Held while a key is made.
const LOCK_FILE: &str = "key.lock";
/// What systemd calls the key.
pub(super) const CREDENTIAL: &str = "flytoken-key";
/// A keyring that waits for a person, or for a bus that is gone, must not keep anybody from a token longer than this.
const KEYRING_LIMIT: Duration = Duration::from_secs(2);
/// Far more than a key or a place takes; a device or a wrong file must not fill the memory.
const LONGEST_FILE: u64 = 1 << 10;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    /// A keyring in memory.
    #[derive(Default)]
    struct FakeKeyring {
        secrets: Mutex<BTreeMap<String, String>>,
        broken: bool,
        forgetful: bool,
        asked: AtomicUsize,
    }

    impl Keyring for FakeKeyring {
        fn load(&self, name: &str) -> Result<Option<Zeroizing<String>>, String> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.broken { Err("it is locked".into()) } else { Ok(self.secrets.lock().unwrap().get(name).cloned().map(Zeroizing::new)) }
        }

        fn save(&self, name: &str, secret: &str) -> Result<(), String> {
            if !self.forgetful {
                self.secrets.lock().unwrap().insert(name.into(), secret.into());
            }
            Ok(())
        }

        fn remove(&self, name: &str) -> Result<(), String> {
            self.secrets.lock().unwrap().remove(name);
            Ok(())
        }
    }

    /// A machine: its keyring and its state directory, with or without a session bus and a credential.
    struct Machine {
        home: tempfile::TempDir,
        keyring: Arc<FakeKeyring>,
        environment: Environment,
    }

    impl Machine {
        fn new(bus: bool, credential: Option<&[u8]>, keyring: FakeKeyring) -> Self {
            let home = tempfile::tempdir().unwrap();
            let mut variables = Vec::new();
            if bus {
                variables.push(("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere".into()));
            }
            if let Some(credential) = credential {
                let directory = home.path().join("credentials");
                fs::create_dir(&directory).unwrap();
                fs::write(directory.join("flytoken-key"), credential).unwrap();
                variables.push(("CREDENTIALS_DIRECTORY", directory.into_os_string()));
            }
            Self { home, keyring: Arc::new(keyring), environment: variables.into_iter().collect() }
        }

        fn state(&self) -> PathBuf {
            self.home.path().join("state")
        }

        fn find(&self, wanted: Option<KeyPlace>) -> Result<FoundKey, KeyError> {
            let keyring: Arc<dyn Keyring> = self.keyring.clone();
            let patience = Patience::of(Duration::from_secs(10));
            KeySearch { directory: &self.state(), environment: &self.environment, keyring, wanted, patience }.find()
        }
    }

    fn broken() -> FakeKeyring {
        FakeKeyring { broken: true, ..FakeKeyring::default() }
    }

    fn forgetful() -> FakeKeyring {
        FakeKeyring { forgetful: true, ..FakeKeyring::default() }
    }

    struct Case {
        what: &'static str,
        bus: bool,
        credential: bool,
        keyring: FakeKeyring,
        chosen: KeyPlace,
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_first_place_that_can_be_reached_is_chosen_and_stays() {
        let case = |what, bus, credential, keyring, chosen| Case { what, bus, credential, keyring, chosen };
        for Case { what, bus, credential, keyring, chosen: place } in [
            case("a keyring", true, true, FakeKeyring::default(), KeyPlace::Keyring),
            case("no session bus", false, true, FakeKeyring::default(), KeyPlace::Systemd),
            case("a locked keyring", true, true, broken(), KeyPlace::Systemd),
            case("a keyring that keeps nothing", true, false, forgetful(), KeyPlace::File),
            case("a locked keyring and no credential", true, false, broken(), KeyPlace::File),
            case("nothing", false, false, FakeKeyring::default(), KeyPlace::File),
        ] {
            let machine = Machine::new(bus, credential.then_some(&[9; KEY_LENGTH]), keyring);
            let first = machine.find(None).unwrap();
            assert_eq!(first.place, place, "{what}");
            for wanted in [None, Some(place)] {
                let again = machine.find(wanted).unwrap();
                assert_eq!((again.place, again.key.bytes()), (place, first.key.bytes()), "{what}");
            }
            assert_eq!(KeySearch::recorded(&machine.state()).unwrap(), Some(place), "{what}");
        }
    }

    #[test]
    fn without_a_session_bus_the_keyring_is_not_even_asked() {
        let machine = Machine::new(false, None, FakeKeyring::default());
        machine.find(None).unwrap();
        let asked = machine.keyring.asked.load(Ordering::SeqCst);
        assert!(asked == 0 || cfg!(target_os = "macos"));
    }

    #[test]
    fn a_recorded_place_that_cannot_be_reached_is_an_error_and_makes_nothing() {
        let mut machine = Machine::new(true, None, FakeKeyring::default());
        let first = machine.find(Some(KeyPlace::Keyring)).unwrap();
        let secrets = std::mem::take(&mut *machine.keyring.secrets.lock().unwrap());
        assert!(matches!(machine.find(None), Err(KeyError::Missing { place: KeyPlace::Keyring })), "removed from the keyring");
        machine.keyring = Arc::new(broken());
        let error = machine.find(None).unwrap_err();
        assert!(matches!(error, KeyError::Unreachable { place: KeyPlace::Keyring, .. }), "{error}");
        assert!(error.hint().contains("unlock the keyring"));
        assert!(!machine.state().join("key").exists());
        machine.keyring = Arc::new(FakeKeyring { secrets: Mutex::new(secrets), ..FakeKeyring::default() });
        assert_eq!(machine.find(None).unwrap().key.bytes(), first.key.bytes());
    }

    #[test]
    fn another_configured_place_is_an_error_not_a_switch() {
        let machine = Machine::new(true, None, FakeKeyring::default());
        machine.find(Some(KeyPlace::File)).unwrap();
        let error = machine.find(Some(KeyPlace::Keyring)).unwrap_err();
        assert!(matches!(error, KeyError::Elsewhere { recorded: KeyPlace::File, wanted: KeyPlace::Keyring }));
        assert!(machine.keyring.secrets.lock().unwrap().is_empty());
    }

    #[test]
    fn a_configured_place_without_a_key_is_an_error() {
        let machine = Machine::new(true, None, broken());
        assert!(matches!(machine.find(Some(KeyPlace::Keyring)), Err(KeyError::Unreachable { .. })));
        assert!(matches!(machine.find(Some(KeyPlace::Systemd)), Err(KeyError::Unreachable { .. })));
        assert_eq!(KeySearch::recorded(&machine.state()).unwrap(), None);
    }

    #[test]
    fn a_key_file_whose_record_was_lost_is_found_again() {
        let machine = Machine::new(true, None, FakeKeyring::default());
        let first = machine.find(Some(KeyPlace::File)).unwrap();
        fs::remove_file(machine.state().join("key-place")).unwrap();
        let again = machine.find(None).unwrap();
        assert_eq!((again.place, again.key.bytes()), (KeyPlace::File, first.key.bytes()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "short", "\n", &"g".repeat(64), &"ab".repeat(33), &"x".repeat(5000)] {
            let machine = Machine::new(false, Some(text.as_bytes()), FakeKeyring::default());
            let error = machine.find(Some(KeyPlace::Systemd)).unwrap_err();
            assert!(matches!(error, KeyError::Malformed { .. } | KeyError::Unreachable { .. }), "{text}: {error}");
        }
        for text in ["ab".repeat(32), format!("{}\n", "AB".repeat(32))] {
            let machine = Machine::new(false, Some(text.as_bytes()), FakeKeyring::default());
            assert_eq!(machine.find(Some(KeyPlace::Systemd)).unwrap().key.bytes(), &[0xab; KEY_LENGTH]);
        }
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let machine = Machine::new(false, None, FakeKeyring::default());
        machine.find(None).unwrap();
        let path = machine.state().join("key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = machine.find(None).unwrap_err();
        assert!(error.hint().contains("chmod 600"), "{error}");
    }

    #[test]
    fn two_at_once_end_up_with_one_key() {
        let machine = Machine::new(false, None, FakeKeyring::default());
        let keys = std::thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| *machine.find(None).unwrap().key.bytes()));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_keyring_that_hangs_is_given_up_on() {
        let (_never, hang) = std::sync::mpsc::channel::<()>();
        let answer = within(Duration::from_millis(5), move || hang.recv().map_err(|_| "ended".to_owned()));
        assert!(answer.unwrap_err().contains("did not answer"));
        let answer = within::<()>(Duration::from_secs(5), || panic!("in the keyring"));
        assert!(answer.unwrap_err().contains("panic"));
    }
}
