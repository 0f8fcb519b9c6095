//! An error and what caused it, as one line for people.

use std::error::Error;

/// The error's text, then the text of each cause: `cannot write the file: no space left on device`.
///
/// Errors say what they know and leave the rest to their sources; whoever tells a person needs all of it.
pub fn with_causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use super::*;
    use crate::store::{PrivateFileError, StoreError};

    #[test]
    fn each_cause_is_told_once() {
        let cause = || io::Error::from(io::ErrorKind::StorageFull);
        let full = StoreError::Io { doing: "write", path: PathBuf::from("/state/kept.redb"), cause: cause() };
        assert_eq!(with_causes(&full), "cannot write `/state/kept.redb`: no storage space");
        let file = StoreError::File(PrivateFileError::Io { doing: "open", path: PathBuf::from("/state/key"), cause: cause() });
        assert_eq!(with_causes(&file), "cannot open `/state/key`: no storage space");
    }
}
