//! The units of one user's systemd: a socket that it listens on, and the agent that it starts for whoever asks.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Definition, Invocation, MARK, Service, ServiceFile, Unwritable};

/// What systemd needs for this, `units` being the folder of the user's units.
///
/// # Errors
/// [`Unwritable`] if a value cannot stand in a unit.
pub fn service(definition: &Definition, units: &Path) -> Result<Service, Unwritable> {
    let name = definition.profile.as_ref().map_or_else(|| "flytoken".to_owned(), |profile| format!("flytoken-{profile}"));
    let (socket, service) = (format!("{name}.socket"), format!("{name}.service"));
    let files = vec![
        ServiceFile { path: units.join(&socket), text: socket_text(definition)? },
        ServiceFile { path: units.join(&service), text: service_text(definition, &socket)? },
    ];
    let systemctl = |args: &[&str]| Invocation::new("systemctl", &[&["--user"], args].concat());
    Ok(Service {
        files,
        // In a container and over some kinds of login there is none.
        reach: Some(systemctl(&["show", "--property=Version"])),
        begin: vec![
            systemctl(&["daemon-reload"]),
            systemctl(&["enable", "--now", &socket]),
            // One that runs already goes by what was written before.
            systemctl(&["try-restart", &service]),
        ],
        end: vec![systemctl(&["disable", "--now", &socket]), systemctl(&["stop", &service])],
        ended: vec![systemctl(&["daemon-reload"])],
    })
}

fn socket_text(definition: &Definition) -> Result<String, Unwritable> {
    let path = super::text("the socket's path", definition.socket.as_os_str())?;
    Ok(written(SOCKET, |line| line.starts_with("ListenStream=").then(|| format!("ListenStream={}\n", path.replace('%', "%%")))))
}

fn service_text(definition: &Definition, socket: &str) -> Result<String, Unwritable> {
    let program = super::text("the program's path", definition.program.as_os_str())?;
    let mut start = format!("ExecStart={} agent\n", quoted(program).replace('$', "$$"));
    for (name, value) in &definition.variables {
        // Writing to a string does not fail.
        let _ = writeln!(start, "Environment={}", quoted(&format!("{name}={}", super::text(name, value)?)));
    }
    Ok(written(SERVICE, |line| match line.split_once('=') {
        Some(("ExecStart", _)) => Some(start.clone()),
        Some(("Requires", _)) => Some(format!("Requires={socket}\n")),
        _ => None,
    }))
}

/// The unit as it is in `dist`, without what stands there for whoever installs it by hand, and with some lines of its own.
fn written(unit: &str, own: impl Fn(&str) -> Option<String>) -> String {
    let lines = unit.lines().skip_while(|line| line.starts_with('#'));
    let lines = lines.map(|line| own(line).unwrap_or_else(|| format!("{line}\n")));
    format!("# {MARK}\n{}", lines.collect::<String>())
}

/// One word, as [`systemd.syntax(7)`](https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html) has it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

/// What a unit runs, as [`service_text`] writes it.
pub(super) fn program(unit: &str) -> Option<PathBuf> {
    let quoted = unit.lines().find_map(|line| line.strip_prefix("ExecStart=\"")?.strip_suffix("\" agent"))?;
    let plain = quoted.replace("$$", "$").replace("%%", "%").replace("\\\"", "\"").replace("\\\\", "\\");
    Some(plain.into())
}

const SOCKET: &str = include_str!("../../../dist/systemd/flytoken.socket");
const SERVICE: &str = include_str!("../../../dist/systemd/flytoken.service");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProfileName;

    fn definition() -> Definition {
        Definition {
            program: "/home/me/100% \"mine\"/$bin/flytokend".into(),
            profile: None,
            socket: "/run/user/1000/100%/agent.sock".into(),
            variables: vec![("PATH", "/usr/bin:/a b".into()), ("FLYTOKEN_CONFIG", "/c\\d".into())],
        }
    }

    fn texts(definition: &Definition) -> [String; 2] {
        let files = service(definition, Path::new("/u")).unwrap().files;
        files.into_iter().map(|file| file.text).collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn what_stands_in_a_unit_is_quoted_as_systemd_reads_it() {
        let [socket, service] = texts(&definition());
        assert!(socket.contains("\nListenStream=/run/user/1000/100%%/agent.sock\n"), "{socket}");
        assert!(service.contains("\nExecStart=\"/home/me/100%% \\\"mine\\\"/$$bin/flytokend\" agent\n"), "{service}");
        assert!(service.contains("\nEnvironment=\"PATH=/usr/bin:/a b\"\nEnvironment=\"FLYTOKEN_CONFIG=/c\\\\d\"\n"), "{service}");
        for text in [socket, service] {
            assert!(text.starts_with(&format!("# {MARK}\n[Unit]\n")), "{text}");
        }
    }

    #[test]
    fn a_profile_has_units_of_its_own() {
        let work = Definition { profile: ProfileName::parse("work").ok(), ..definition() };
        assert!(texts(&work)[1].contains("\nRequires=flytoken-work.socket\n"));
        let service = service(&work, Path::new("/u")).unwrap();
        let paths: Vec<_> = service.files.iter().map(|file| file.path.display().to_string()).collect();
        assert_eq!(paths, ["/u/flytoken-work.socket", "/u/flytoken-work.service"]);
        assert_eq!(service.begin[1].to_string(), "systemctl --user enable --now flytoken-work.socket");
    }

    #[test]
    fn what_would_become_another_line_is_refused() {
        let evil = "x\nExecStartPost=/bin/evil";
        for definition in [
            Definition { program: evil.into(), ..definition() },
            Definition { socket: evil.into(), ..definition() },
            Definition { variables: vec![("PATH", evil.into())], ..definition() },
        ] {
            assert!(service(&definition, Path::new("/u")).is_err(), "{definition:?}");
        }
    }
}
