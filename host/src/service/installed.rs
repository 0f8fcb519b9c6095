//! What of a service is installed already, and which program it runs.

use std::{fs, path::PathBuf};

use super::{Found, Service, launchd, systemd};

/// What lies in the places of a service's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// Nothing.
    Not,
    /// Some of the files.
    Partly {
        /// The first that is not there.
        lacks: PathBuf,
    },
    /// Something that somebody else wrote.
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The service as it would be written here and now, whatever PATH is.
    Current {
        /// The file that says what runs.
        file: PathBuf,
    },
    /// One that was written for another program, place or version.
    Other {
        /// The file that says what runs.
        file: PathBuf,
        /// What it runs, if that can be read off it.
        program: Option<PathBuf>,
    },
}

impl Service {
    /// What of it is installed. What cannot be read counts as somebody else's.
    pub fn installed(&self) -> Installed {
        let found: Vec<_> = self.files.iter().map(|file| (file, file.found().unwrap_or(Found::Foreign))).collect();
        let first = |wanted: Found| found.iter().find(|(_, found)| *found == wanted).map(|(file, _)| file.path.clone());
        if found.iter().all(|(_, found)| *found == Found::Nothing) {
            return Installed::Not;
        }
        if let Some(file) = first(Found::Foreign) {
            return Installed::Foreign { file };
        }
        if let Some(lacks) = first(Found::Nothing) {
            return Installed::Partly { lacks };
        }
        let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
        // The folders of a shell differ from those of the next: that is no other service.
        let is_current = self.files.iter().all(|file| without_path(&text(&file.path)) == without_path(&file.text));
        match self.files.last() {
            Some(main) if is_current => Installed::Current { file: main.path.clone() },
            Some(main) => Installed::Other { file: main.path.clone(), program: program(&text(&main.path)) },
            None => Installed::Not,
        }
    }
}

/// What a file runs.
fn program(text: &str) -> Option<PathBuf> {
    systemd::program(text).or_else(|| launchd::program(text))
}

fn without_path(text: &str) -> Vec<&str> {
    let mut lines = text.lines();
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        match line.trim() {
            // Its value is on the next line.
            "<key>PATH</key>" => drop(lines.next()),
            line if line.starts_with("Environment=\"PATH=") => {}
            _ => kept.push(line),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::service::Definition;

    fn definition(program: &str, path: &str) -> Definition {
        let variables = vec![("FLYTOKEN_SOCKET", "/run/agent.sock".into()), ("PATH", path.into())];
        Definition { program: program.into(), profile: None, socket: "/run/agent.sock".into(), variables }
    }

    fn write(service: &Service) {
        for file in &service.files {
            fs::create_dir_all(file.path.parent().unwrap()).unwrap();
            fs::write(&file.path, &file.text).unwrap();
        }
    }

    /// How a kind of service is made in a folder.
    type Kind = fn(&Definition, &Path) -> Service;

    #[test]
    fn what_is_installed_is_told_apart_and_so_is_what_runs() {
        let kinds: [Kind; 2] = [
            |definition, folder| systemd::service(definition, folder).unwrap(),
            |definition, folder| launchd::service(definition, folder, 501).unwrap(),
        ];
        for kind in kinds {
            let folder = tempfile::tempdir().unwrap();
            let service = kind(&definition("/bin/flytokend", "/bin"), folder.path());
            let file = service.files.last().unwrap().path.clone();
            assert_eq!(service.installed(), Installed::Not);
            write(&kind(&definition("/bin/flytokend", "/usr/bin:/other"), folder.path()));
            assert_eq!(service.installed(), Installed::Current { file: file.clone() });
            for program in ["/old/flytokend", "/a & b/100% \"mine\"/$bin/flytokend"] {
                write(&kind(&definition(program, "/bin"), folder.path()));
                assert_eq!(service.installed(), Installed::Other { file: file.clone(), program: Some(program.into()) });
            }
            fs::write(&file, "[Service]\n").unwrap();
            assert_eq!(service.installed(), Installed::Foreign { file: file.clone() });
            if service.files.len() > 1 {
                fs::remove_file(&file).unwrap();
                assert_eq!(service.installed(), Installed::Partly { lacks: file });
            }
        }
    }
}
