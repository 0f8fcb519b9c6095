//! Control groups, and the units that systemd keeps in them.
//!
//! The first part of a path that is no slice is a unit of the system's manager, for it alone makes groups at the top; whatever is below
//! may have been made by whom the unit was handed to. A user's own services are below `user@UID.service` and called whatever the user
//! likes, `deploy.service` included, so they are of that one unit here. (`sd_pid_get_unit` says the same.)

/// Where a process is in the tree of control groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The path below the root.
    pub(super) cgroup: Option<String>,
    /// The unit of the system's manager.
    pub(super) unit: Option<String>,
}

impl Place {
    /// Reads `/proc/PID/cgroup`: lines of a hierarchy's number, its controllers and a path.
    pub(super) fn read(text: &str) -> Self {
        let path_of = |wanted: &str| {
            text.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                (parts.next() == Some(wanted)).then(|| parts.next()).flatten()
            })
        };
        // Where both are there, units are in systemd's own hierarchy of the old kind for certain.
        let path = path_of("name=systemd").or_else(|| path_of(""));
        // What begins with `..` is outside of the part of the tree that this process sees: its names could be anything.
        let path = path.filter(|path| path.starts_with('/') && path.split('/').all(|part| part != ".."));
        let Some(path) = path else { return Self::default() };
        Self { unit: unit(path).map(str::to_owned), cgroup: Some(path.to_owned()) }
    }
}

fn unit(path: &str) -> Option<&str> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    // systemd puts `_` in front of what could be taken for a file of the kernel's.
    let mut names = parts.map(|part| part.strip_prefix('_').unwrap_or(part));
    let name = names.find(|name| !is_unit(name, &["slice"]))?;
    is_unit(name, &["service", "scope", "socket", "mount", "swap"]).then_some(name)
}

/// Whether it can be the name of a unit of one of these kinds.
fn is_unit(name: &str, kinds: &[&str]) -> bool {
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    kinds.contains(&kind) && !stem.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(allowed)
}

/// As long as systemd lets a unit's name be.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_one_of_the_systems_manager_and_never_what_somebody_made_below_it() {
        let cases = [
            ("0::/system.slice/deploy.service\n", Some("deploy.service")),
            ("0::/system.slice/deploy.service/payload/sshd.service\n", Some("deploy.service")),
            ("0::/system.slice/system-build.slice/build@7.service\n", Some("build@7.service")),
            (r"0::/system.slice/a\x2db.service", Some(r"a\x2db.service")),
            ("0::/system.slice/_cgroup.service\n", Some("cgroup.service")),
            // What users run under their own manager is called as they like.
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/deploy.service\n", Some("user@1000.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/system.slice/deploy.service\n", Some("user@1000.service")),
            ("0::/user.slice/user-1000.slice/session-2.scope\n", Some("session-2.scope")),
            // And what a container's manager runs in a group that was handed to it.
            ("0::/system.slice/docker-1a2b.scope/system.slice/deploy.service\n", Some("docker-1a2b.scope")),
            ("0::/docker/1a2b/system.slice/deploy.service\n", None),
            ("0::/init.scope\n", Some("init.scope")),
            ("0::/system.slice\n", None),
            ("0::/system.slice/.service\n", None),
            ("0::/system.slice/deploy.service (deleted)\n", None),
            ("0::/system.slice/a b.service\n", None),
            ("0::/\n", None),
            // Seen from a part of the tree that it is not in.
            ("0::/../../deploy.service\n", None),
            ("0::/system.slice/../deploy.service\n", None),
            // The old kind, and both at once.
            ("12:pids:/a\n1:name=systemd:/system.slice/deploy.service\n0::/\n", Some("deploy.service")),
            ("1:name=systemd:/system.slice/deploy.service\n0::/system.slice/other.service\n", Some("deploy.service")),
            ("12:pids:/system.slice/deploy.service\n", None),
            ("", None),
            ("0::system.slice/deploy.service\n", None),
        ];
        for (text, unit) in cases {
            assert_eq!(Place::read(text).unit.as_deref(), unit, "{text}");
        }
        let long = format!("0::/{}.service", "x".repeat(300));
        assert_eq!(Place::read(&long).unit, None);
    }

    #[test]
    fn the_path_is_given_whole_unless_it_leads_out_of_the_tree() {
        for (text, cgroup) in [
            ("0::/a.slice/b:c.service\n", Some("/a.slice/b:c.service")),
            ("0::/\n", Some("/")),
            ("0::/../b.service\n", None),
            ("3:cpu,cpuacct:/x\n", None),
        ] {
            assert_eq!(Place::read(text).cgroup.as_deref(), cgroup, "{text}");
        }
    }
}
