//! Where a program is, looked up at each run.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::outcome::Failure;
use crate::{
    system::Environment,
    trust::{self, shown},
};

/// A program that may be started: only its user and root can change it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The real file.
    pub(super) file: PathBuf,
    /// The path it was found under. The program is told this name: some decide by it what to be.
    pub(super) found: PathBuf,
}

/// The folders that programs are looked for in, first match first.
#[derive(Debug, Clone)]
pub(super) struct Places {
    folders: Vec<PathBuf>,
    uid: u32,
}

impl Places {
    /// The agent's `PATH` without empty and relative entries (these would mean whatever folder the agent was started in), then Fly's own
    /// folder, then the usual prefixes: an agent that a desktop or a service manager started has but a bare `PATH`.
    pub(super) fn from(environment: &Environment) -> Self {
        let path = environment.var("PATH").map(std::env::split_paths).into_iter().flatten();
        let own = environment.home().map(|home| home.join(".fly/bin"));
        let mut folders = Vec::new();
        for folder in path.chain(own).chain(USUAL.iter().map(PathBuf::from)) {
            if folder.is_absolute() && !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Self { folders, uid: rustix::process::geteuid().as_raw() }
    }

    /// Finds a program by name or absolute path.
    ///
    /// # Errors
    /// [`Failure::NotFound`] if no place has it, [`Failure::Failed`] if the first that is found may be changed by others.
    pub(super) fn find(&self, program: &str) -> Result<Program, Failure> {
        let candidates = self.candidates(program);
        let found = candidates.iter().find(|path| fs::metadata(path).is_ok_and(|found| is_program(&found)));
        let Some(found) = found.cloned() else { return Err(Failure::NotFound(candidates)) };
        let unsafe_to_run = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Failure::Failed(format!("will not run {}: {error}{cause}", shown(&found)))
        };
        let file = trust::check(&found, self.uid).map_err(|error| unsafe_to_run(&error))?;
        // The check has followed the links itself: what it came to is what runs.
        if !fs::metadata(&file).is_ok_and(|found| is_program(&found)) {
            return Err(Failure::Failed(format!("will not run {}: it changed while it was looked at", shown(&found))));
        }
        Ok(Program { file, found })
    }

    /// Tells the file that is found for `program` from every other, without judging it; none if there is none.
    pub(super) fn mark(&self, program: &str) -> Option<[u8; 40]> {
        let found = self.candidates(program).iter().find_map(|path| fs::metadata(path).ok().filter(is_program))?;
        let parts = [found.dev(), found.ino(), found.size(), found.ctime().cast_unsigned(), found.ctime_nsec().cast_unsigned()];
        let mut mark = [0; 40];
        for (to, part) in mark.chunks_exact_mut(8).zip(parts) {
            to.copy_from_slice(&part.to_be_bytes());
        }
        Some(mark)
    }

    fn candidates(&self, program: &str) -> Vec<PathBuf> {
        if Path::new(program).is_absolute() {
            return vec![program.into()];
        }
        // Installers call it by either name, and not all make the link.
        let names: &[&str] = match program {
            "fly" => &["fly", "flyctl"],
            "flyctl" => &["flyctl", "fly"],
            other => &[other],
        };
        self.folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(OsString::from(name)))).collect()
    }
}

fn is_program(found: &Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o111 != 0
}

/// Where installers and Homebrew put programs.
const USUAL: &[&str] = &["/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/usr/bin"];

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        home: tempfile::TempDir,
    }

    impl Fixture {
        fn new(files: &[(&str, u32)]) -> Self {
            let fixture = Self { home: tempfile::tempdir().unwrap() };
            for (path, mode) in files {
                let path = fixture.path(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
                fs::write(&path, "#!/bin/sh\n").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            fixture
        }

        fn path(&self, path: &str) -> PathBuf {
            self.home.path().canonicalize().unwrap().join(path)
        }

        /// The places of an agent with `a` and `b` in its PATH; without the usual prefixes, which belong to the machine.
        fn places(&self) -> Places {
            let path = format!("{}::.:bin:{}", self.path("a").display(), self.path("b").display());
            let mut places = Places::from(&Environment::from_iter([("PATH", path), ("HOME", self.path("").display().to_string())]));
            places.folders.retain(|folder| !USUAL.iter().any(|usual| Path::new(usual) == folder));
            places
        }
    }

    #[test]
    fn the_first_place_that_has_it_under_either_name_wins() {
        let cases: &[(&[(&str, u32)], &str)] = &[
            (&[("a/fly", 0o755), ("b/fly", 0o755)], "a/fly"),
            (&[("a/flyctl", 0o755), ("b/fly", 0o755)], "a/flyctl"),
            (&[("a/fly", 0o755), ("a/flyctl", 0o755)], "a/fly"),
            (&[("a/fly", 0o644), ("b/flyctl", 0o755)], "b/flyctl"),
            (&[("a/fly/x", 0o755), ("b/fly", 0o700)], "b/fly"),
            (&[(".fly/bin/flyctl", 0o755)], ".fly/bin/flyctl"),
            (&[(".fly/bin/flyctl", 0o755), ("b/fly", 0o755)], "b/fly"),
        ];
        for (files, expected) in cases {
            let fixture = Fixture::new(files);
            assert_eq!(fixture.places().find("fly").unwrap().file, fixture.path(expected));
        }
    }

    #[test]
    fn the_usual_prefixes_come_last_and_relative_entries_not_at_all() {
        let places = Places::from(&Environment::from_iter([("PATH", ":bin:/x:.:/usr/bin:/x"), ("HOME", "/h")]));
        let expected = ["/x", "/usr/bin", "/h/.fly/bin", "/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"];
        assert_eq!(places.folders, expected.map(PathBuf::from));
    }

    #[test]
    fn a_program_that_is_nowhere_lists_the_places() {
        let fixture = Fixture::new(&[]);
        let looked = ["a/fly", "a/flyctl", "b/fly", "b/flyctl", ".fly/bin/fly", ".fly/bin/flyctl"];
        assert_eq!(fixture.places().find("fly"), Err(Failure::NotFound(looked.map(|path| fixture.path(path)).into())));
        let absolute = fixture.path("a/fly");
        assert_eq!(fixture.places().find(absolute.to_str().unwrap()), Err(Failure::NotFound(vec![absolute])));
    }

    #[test]
    fn a_program_others_can_change_is_refused_with_what_to_type() {
        let fixture = Fixture::new(&[("a/fly", 0o777), ("b/fly", 0o755)]);
        let Err(Failure::Failed(text)) = fixture.places().find("fly") else { panic!("it must be refused") };
        assert!(text.contains("type `chmod go-w") && text.contains("a/fly"), "{text}");

        let fixture = Fixture::new(&[("a/fly", 0o755)]);
        fs::set_permissions(fixture.path("a"), fs::Permissions::from_mode(0o777)).unwrap();
        let Err(Failure::Failed(text)) = fixture.places().find("fly") else { panic!("it must be refused") };
        assert!(text.contains(&format!("chmod go-w {}", fixture.path("a").display())), "{text}");
    }

    #[test]
    fn a_link_is_followed_and_its_own_name_kept() {
        let fixture = Fixture::new(&[("real/flyctl-1.2", 0o755)]);
        fs::create_dir(fixture.path("a")).unwrap();
        std::os::unix::fs::symlink("../real/flyctl-1.2", fixture.path("a/fly")).unwrap();
        let expected = Program { file: fixture.path("real/flyctl-1.2"), found: fixture.path("a/fly") };
        assert_eq!(fixture.places().find("fly"), Ok(expected));
    }
}
