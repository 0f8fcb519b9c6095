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
    // Of what was replaced or removed meanwhile Linux says where it was, and that it is gone.
    let was = || own.to_str().and_then(|own| own.strip_suffix(" (deleted)")).map_or_else(|| own.clone(), PathBuf::from);
    Ok(fs::canonicalize(&own).unwrap_or_else(|_| was()))
}

/// Where one of the two lies if the other is `own`.
pub fn beside(own: &Path, program: &str) -> PathBuf {
    own.with_file_name(program)
}

/// Where flytoken lies if it is `own`: that one, whatever it is called, and both beside it.
pub fn places(own: &Path) -> [PathBuf; 3] {
    [own.to_owned(), beside(own, CLIENT), beside(own, WHOLE)]
}

/// Where one of the two is found, also after an upgrade: a package manager puts each version into a folder of its own, and what leads there from
/// a stable place is a link. If only the other one has such a link, that one: either becomes the other where it has to. `name` is what this
/// process was started as, `search` the folders in which that was looked for. The program of this process where `program` is not beside it.
///
/// # Errors
/// If the system does not tell.
pub fn installed_path(program: &str, name: &OsStr, search: Option<&OsStr>) -> io::Result<PathBuf> {
    installed_path_of(&own()?, program, name, search)
}

fn installed_path_of(own: &Path, program: &str, name: &OsStr, search: Option<&OsStr>) -> io::Result<PathBuf> {
    let real = fs::canonicalize(beside(own, program)).unwrap_or_else(|_| own.to_owned());
    let target = |path: &Path| if path.is_absolute() { path.canonicalize().ok() } else { None };
    let name = Path::new(name);
    let candidates = if name.components().count() > 1 || name.is_absolute() {
        vec![std::path::absolute(name)?]
    } else {
        search.map(|search| std::env::split_paths(search).map(|folder| folder.join(name)).collect()).unwrap_or_default()
    };
    let stable = candidates.into_iter().find_map(|path| {
        let wanted = beside(&path, program);
        if target(&wanted).is_some_and(|found| found == real) {
            return Some(wanted);
        }
        target(&path).is_some_and(|found| places(own).contains(&found)).then_some(path)
    });
    Ok(stable.unwrap_or(real))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_program_is_known_by_the_link_that_it_was_started_by() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let [real, both, one, other] = ["1.0", "both", "one", "other"].map(|name| home.join(name));
        for folder in [&real, &both, &one, &other] {
            fs::create_dir(folder).unwrap();
        }
        for program in [CLIENT, WHOLE] {
            fs::write(real.join(program), "").unwrap();
            symlink(real.join(program), both.join(program)).unwrap();
        }
        symlink(real.join(CLIENT), one.join(CLIENT)).unwrap();
        symlink(real.join(CLIENT), one.join("ft")).unwrap();
        symlink("/bin/sh", other.join(CLIENT)).unwrap();
        let path = |program: &str, name: &Path, search: &[&PathBuf]| {
            let search = std::env::join_paths(search).unwrap();
            let own = real.join(WHOLE);
            installed_path_of(&own, program, name.as_os_str(), Some(&search).filter(|search| !search.is_empty()).map(|search| &**search))
                .unwrap()
        };
        let client = Path::new(CLIENT);
        for program in [CLIENT, WHOLE] {
            assert_eq!(path(program, client, &[&other, &both]), both.join(program), "by a name that is looked for");
            assert_eq!(path(program, &both.join(CLIENT), &[]), both.join(program), "by its path");
            assert_eq!(path(program, client, &[&one]), one.join(CLIENT), "the client becomes the other one");
            assert_eq!(path(program, client, &[&other]), real.join(program), "another program leads nowhere");
            for name in ["", "flytoken", "/bin/sh"] {
                assert_eq!(path(program, Path::new(name), &[]), real.join(program), "{name}");
            }
        }
        assert_eq!(path(WHOLE, &one.join("ft"), &[]), one.join("ft"), "whatever it is called");
        // A build of the one alone.
        fs::remove_file(real.join(CLIENT)).unwrap();
        assert_eq!(path(CLIENT, Path::new(WHOLE), &[]), real.join(WHOLE));
    }
}
