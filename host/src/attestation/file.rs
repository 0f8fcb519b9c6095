//! A program that nobody runs yet, for whoever tries rules.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::Executable;
use crate::trust;

/// What a process that runs the program at `path` would show of it, as the file is now.
///
/// # Errors
/// If it cannot be read, or is no file.
pub fn executable_at(path: &Path) -> io::Result<Executable> {
    let path = path.canonicalize()?;
    let mut file = File::open(&path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    let root_owned = trust::check(&path, ROOT).is_ok();
    Ok(Executable { path: Some(path), root_owned, sha256: Some(hash.finalize().into()), elsewhere: None })
}

const ROOT: u32 = 0;

const BUFFER: usize = 64 * 1024;
