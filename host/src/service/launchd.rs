//! The agent of one user under launchd: it is started at login and whenever it ended.
//!
//! launchd hands its sockets over by a function of its own, which no safe library wraps: so it does not listen itself, and the agent runs
//! all the time. A newer program is started as soon as the agent made way for it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Definition, Invocation, MARK, Service, ServiceFile, Unwritable};

/// What launchd needs for this, `home` and `uid` being the user's.
///
/// # Errors
/// [`Unwritable`] if a value cannot stand in its file.
pub fn service(definition: &Definition, home: &Path, uid: u32) -> Result<Service, Unwritable> {
    let label = definition.profile.as_ref().map_or_else(|| LABEL.to_owned(), |profile| format!("{LABEL}.{profile}"));
    let path = home.join("Library/LaunchAgents").join(format!("{label}.plist"));
    let file = super::text("the path of launchd's file", path.as_os_str())?.to_owned();
    let (domain, job) = (format!("gui/{uid}"), format!("gui/{uid}/{label}"));
    let text = text(definition, &label, home)?;
    Ok(Service {
        files: vec![ServiceFile { path, text }],
        // Whoever is logged in has one.
        reach: None,
        begin: vec![
            Invocation::new("launchctl", &["bootout", &job]).or_not(),
            Invocation::new("launchctl", &["bootstrap", &domain, &file]),
        ],
        end: vec![Invocation::new("launchctl", &["bootout", &job]).or_not()],
        ended: Vec::new(),
    })
}

/// Whether this is what launchd calls an agent that was installed.
pub fn is_label(name: &str) -> bool {
    name.strip_prefix(LABEL).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn text(definition: &Definition, label: &str, home: &Path) -> Result<String, Unwritable> {
    let program = escaped(super::text("the program's path", definition.program.as_os_str())?);
    let log = home.join("Library/Logs").join(format!("{label}.log"));
    let log = escaped(super::text("the log's path", log.as_os_str())?);
    let mut variables = String::new();
    for (name, value) in &definition.variables {
        let value = escaped(super::text(name, value)?);
        // Writing to a string does not fail.
        let _ = write!(variables, "    <key>{name}</key>\n    <string>{value}</string>\n");
    }
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK} -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{label}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>agent</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
{variables}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>ProcessType</key>
  <string>Background</string>
  <key>ExitTimeOut</key>
  <integer>5</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key>
    <integer>0</integer>
  </dict>
  <key>StandardErrorPath</key>
  <string>{log}</string>
</dict>
</plist>
"#
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What such a file runs, as [`text`] writes it.
pub(super) fn program(file: &str) -> Option<PathBuf> {
    let (_, arguments) = file.split_once("<key>ProgramArguments</key>")?;
    let (escaped, _) = arguments.split_once("<string>")?.1.split_once("</string>")?;
    Some(escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").into())
}

/// What launchd calls the agent; that of a profile has its name after a dot.
const LABEL: &str = "io.github.flytoken.agent";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProfileName;

    #[test]
    fn launchd_keeps_the_agent_running_with_its_variables() {
        let definition = Definition {
            program: "/opt/homebrew/bin/flytokend".into(),
            profile: ProfileName::parse("work").ok(),
            socket: "/Users/me/agent.sock".into(),
            variables: vec![("PATH", "/opt/homebrew/bin:/a & b".into())],
        };
        let service = service(&definition, Path::new("/Users/me"), 501).unwrap();
        let [ServiceFile { path, text }] = &service.files[..] else { panic!("{service:?}") };
        assert_eq!(path, Path::new("/Users/me/Library/LaunchAgents/io.github.flytoken.agent.work.plist"));
        for part in [
            "<key>Label</key>\n  <string>io.github.flytoken.agent.work</string>",
            "<string>/opt/homebrew/bin/flytokend</string>\n    <string>agent</string>",
            "<key>KeepAlive</key>\n  <true/>",
            "<key>PATH</key>\n    <string>/opt/homebrew/bin:/a &amp; b</string>",
            "<string>/Users/me/Library/Logs/io.github.flytoken.agent.work.log</string>",
            MARK,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let begin: Vec<_> = service.begin.iter().map(ToString::to_string).collect();
        let path = path.display();
        assert_eq!(
            begin,
            ["launchctl bootout gui/501/io.github.flytoken.agent.work".to_owned(), format!("launchctl bootstrap gui/501 {path}")]
        );
    }

    #[test]
    fn only_what_was_installed_has_its_label() {
        for (name, is_one) in [(LABEL, true), ("io.github.flytoken.agent.work", true), ("0", false), ("io.github.flytoken.agents", false)] {
            assert_eq!(is_label(name), is_one, "{name}");
        }
    }
}
