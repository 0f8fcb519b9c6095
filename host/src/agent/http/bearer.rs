//! The secret that whoever asks over TCP has to show: a file that its owner alone can read.

use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    causes::with_causes,
    hex,
    store::{PrivateFileError, private_text, replace_private},
};

/// What has to be shown.
pub(super) struct Bearer(Zeroizing<Vec<u8>>);

impl Bearer {
    /// What the file holds; where there is none it is made, with 32 random bytes in it as hex digits.
    ///
    /// # Errors
    /// What is wrong with the file: it is somebody else's, others may read it, or nobody could not guess it.
    pub(super) fn at(path: &Path) -> Result<Self, String> {
        let told = |error: PrivateFileError| format!("{}; {}", with_causes(&error), error.hint());
        if let Some(text) = private_text(path, LONGEST).map_err(told)? {
            let bearer = text.trim_ascii();
            if bearer.len() < SHORTEST || !bearer.iter().all(u8::is_ascii_graphic) {
                let shown = path.display();
                return Err(format!("`{shown}` does not hold {SHORTEST} visible characters or more; remove it, and it is made anew"));
            }
            return Ok(Self(Zeroizing::new(bearer.to_vec())));
        }
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random).map_err(|cause| cause.to_string())?;
        let text = Zeroizing::new(hex::encode(&*random));
        replace_private(path, text.as_bytes()).map_err(told)?;
        Ok(Self(Zeroizing::new(text.as_bytes().to_vec())))
    }

    /// Whether this header is right. How long that takes tells nothing but the length.
    pub(super) fn is_in(&self, header: &[u8]) -> bool {
        let scheme = header.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        scheme && bool::from(header[SCHEME.len()..].ct_eq(&self.0))
    }
}

const SCHEME: &[u8] = b"Bearer ";

/// Nobody guesses as much.
const SHORTEST: usize = 32;

/// Bytes of the file.
const LONGEST: u64 = 512;

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;

    #[test]
    fn it_is_made_once_for_the_owner_alone_and_nothing_else_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.bearer");
        let made = Bearer::at(&path).ok().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), 64);
        let again = Bearer::at(&path).ok().unwrap();
        for bearer in [&made, &again] {
            assert!(bearer.is_in(format!("Bearer {text}").as_bytes()) && bearer.is_in(format!("bearer {text}").as_bytes()));
            for wrong in
                ["", "Bearer", "Bearer ", &text, &format!("Bearer {}", &text[..63]), &format!("Bearer {text}0"), &format!("Basic {text}")]
            {
                assert!(!bearer.is_in(wrong.as_bytes()), "{wrong}");
            }
        }
    }

    #[test]
    fn a_file_that_others_may_read_or_that_can_be_guessed_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.bearer");
        Bearer::at(&path).ok().unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(Bearer::at(&path).err().unwrap().contains("others may read"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for text in ["", "secret", &format!("{} {}", "a".repeat(32), "b")] {
            fs::write(&path, text).unwrap();
            assert!(Bearer::at(&path).err().unwrap().contains("remove it"), "{text}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(Bearer::at(&path).is_err());
    }
}
