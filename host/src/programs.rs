//! The two programs, which are installed side by side: `flytoken`, which asks an agent, and `flytokend`, which is the agent and does whatever no
//! agent answers.
//!
//! One would do the same. But people and tools start flytoken a thousand times for each time that an agent starts, and before a program
//! begins, every pointer in it is given its address: those of the sandbox alone take longer than asking an agent. Nor has a process that holds
//! a single token any use for a compiler.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// What people and tools start.
pub const CLIENT: &str = "flytoken";

/// What that becomes for all that an agent does not answer.
pub const WHOLE: &str = "flytokend";

/// The program of this process, without links.
///
/// # Errors
/// If the system does not tell.
pub fn own() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // What was replaced or removed meanwhile is at no place, and the system says where it was.
    Ok(fs::canonicalize(&own).unwrap_or(own))
}

/// Where one of the two lies if the other is `own`.
pub fn beside(own: &Path, program: &str) -> PathBuf {
    own.with_file_name(program)
}

/// Where one of the two is found, also after an upgrade: a package manager puts each version into a folder of its own, and what leads there from
/// a stable place is a link. `name` is what this process was started as, `search` the folders in which that was looked for. The program of this
/// process where the other one is not beside it.
///
/// # Errors
/// If the system does not tell.
pub fn installed_path(program: &str, name: &OsStr, search: Option<&OsStr>) -> io::Result<PathBuf> {
    let own = own()?;
    let real = fs::canonicalize(beside(&own, program)).unwrap_or(own);
    let leads_there = |path: &PathBuf| path.is_absolute() && path.canonicalize().is_ok_and(|path| path == real);
    let name = Path::new(name);
    let candidates = if name.components().count() > 1 || name.is_absolute() {
        vec![std::path::absolute(name)?]
    } else {
        search.map(|search| std::env::split_paths(search).map(|folder| folder.join(name)).collect()).unwrap_or_default()
    };
    Ok(candidates.into_iter().map(|path| beside(&path, program)).find(leads_there).unwrap_or(real))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_program_is_known_by_the_link_that_it_was_started_by() {
        let real = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(WHOLE);
        symlink(&real, &link).unwrap();
        let search = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        let path = |name: &Path, search: Option<&OsStr>| installed_path(WHOLE, name.as_os_str(), search).unwrap();
        // By the other one, which becomes this one, and by itself.
        for name in [CLIENT, WHOLE] {
            assert_eq!(path(Path::new(name), Some(&search)), link);
            assert_eq!(path(&folder.path().join(name), None), link);
        }
        for (name, search) in [(CLIENT, None), ("/bin/sh", Some(search.as_os_str())), ("", None)] {
            assert_eq!(path(Path::new(name), search), real, "{name}");
        }
    }
}
