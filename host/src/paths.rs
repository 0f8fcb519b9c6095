//! Where things lie: configuration, state, compiled code, the socket, Fly's own files.

use std::path::{Path, PathBuf};

use crate::{
    audience::Audience,
    config::{Layers, NameError, ProfileName, SourceName, UserFiles},
    policy,
    system::Environment,
};

/// The folder of an administrator's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// The folder, `/etc/flytoken` in earnest.
    pub folder: PathBuf,
    /// The administrator, who alone may have written a policy: root in earnest.
    pub owner: u32,
    /// The socket of the agent that serves every user: `/run/flytoken/agent.sock` in earnest.
    pub socket: PathBuf,
}

/// Where things lie for one user and one profile.
///
/// Without a home directory most of it is nowhere: flytoken then works in memory only. A profile has configuration, state, socket and Fly login
/// of its own, below `profiles/NAME`; compiled code is shared, since it depends on nothing but the components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    profile: Option<ProfileName>,
    home: Option<PathBuf>,
    system: System,
    audience: Audience,
    config: Option<PathBuf>,
    config_file: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    /// The socket, and the variable that its place comes from.
    socket: Option<(PathBuf, &'static str)>,
    fly: Option<PathBuf>,
}

impl Paths {
    /// Works out where things lie from the environment.
    ///
    /// `profile` is what the command line says; it goes before `FLYTOKEN_PROFILE`. `system` is the system's folder:
    /// an argument and not a variable, so that no user's environment can move it. Values of the XDG variables that are not absolute are ignored,
    /// as their specification asks; flytoken's own variables may be relative to the working directory.
    ///
    /// # Errors
    /// If the profile's name is not one.
    pub fn new(environment: &Environment, profile: Option<&str>, system: System) -> Result<Self, NameError> {
        let profile = match profile.or_else(|| environment.text("FLYTOKEN_PROFILE")) {
            Some(name) => Some(ProfileName::parse(name)?).filter(|profile| !profile.is_default()),
            None => None,
        };
        let home = environment.home();
        let base = |variable: &str, below_home: &str| {
            let folder = xdg(environment, variable).or_else(|| home.as_ref().map(|home| home.join(below_home)));
            folder.map(|folder| folder.join(NAME))
        };
        let scoped = |folder: PathBuf| match &profile {
            Some(profile) => folder.join("profiles").join(profile.as_str()),
            None => folder,
        };
        let config = base("XDG_CONFIG_HOME", ".config").map(scoped);
        let state = base("XDG_STATE_HOME", ".local/state").map(scoped);
        let socket = named(environment, SOCKET).map(|socket| (socket, SOCKET)).or_else(|| {
            let run = xdg(environment, "XDG_RUNTIME_DIR").map(|run| (scoped(run.join(NAME)), "XDG_RUNTIME_DIR"));
            let beside_state = || {
                let variable = if xdg(environment, "XDG_STATE_HOME").is_some() { "XDG_STATE_HOME" } else { "HOME" };
                state.as_ref().map(|state| (state.join("run"), variable))
            };
            run.or_else(beside_state).map(|(folder, variable)| (folder.join("agent.sock"), variable))
        });
        // What `profile use` has put there for another profile is not the default one's.
        let profiles = base("XDG_CONFIG_HOME", ".config").map(|config| config.join("profiles"));
        let is_of_a_profile = |fly: &PathBuf| profiles.as_ref().is_some_and(|profiles| fly.starts_with(profiles));
        let fly = match &profile {
            // Not FLY_CONFIG_DIR: whoever names a profile in a shell set up for another account means the profile's account.
            Some(_) => config.as_ref().map(|config| config.join("fly")),
            None => named(environment, "FLY_CONFIG_DIR")
                .filter(|fly| !is_of_a_profile(fly))
                .or_else(|| home.as_ref().map(|home| home.join(".fly"))),
        };
        Ok(Self {
            config_file: named(environment, "FLYTOKEN_CONFIG"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            system,
            audience: Audience::Owner,
            profile,
            home,
            config,
            state,
            socket,
            fly,
        })
    }

    /// Where things lie for the agent of the whole system: where its unit says, and never in a home.
    ///
    /// # Errors
    /// If the unit does not say so, or the socket would be where no client looks for it.
    pub fn of_the_system(environment: &Environment, system: System) -> Result<Self, ServiceFolderError> {
        let folder = |variable: &'static str, setting: &'static str| {
            let folder = xdg(environment, variable).ok_or(ServiceFolderError::Missing { variable, setting })?;
            // systemd puts colons between several.
            if folder.as_os_str().as_encoded_bytes().contains(&b':') {
                return Err(ServiceFolderError::Several { variable, setting });
            }
            Ok(folder)
        };
        let state = folder("STATE_DIRECTORY", "StateDirectory")?;
        let cache = folder("CACHE_DIRECTORY", "CacheDirectory")?;
        let run = folder("RUNTIME_DIRECTORY", "RuntimeDirectory")?;
        if system.socket.parent() != Some(&run) {
            return Err(ServiceFolderError::Elsewhere { found: run, socket: system.socket });
        }
        Ok(Self {
            profile: None,
            home: None,
            socket: Some((system.socket.clone(), "RUNTIME_DIRECTORY")),
            system,
            audience: Audience::Everybody,
            config: None,
            config_file: None,
            state: Some(state),
            cache: Some(cache),
            fly: None,
        })
    }

    /// Whom an agent answers that lies here.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// The agent of the whole system, as far as somebody who has no agent of their own asks that one: not who names a socket or a profile.
    pub fn system_agent(&self) -> Option<SystemAgent<'_>> {
        let names_another = self.profile.is_some() || self.socket.as_ref().is_some_and(|(_, variable)| *variable == SOCKET);
        let System { socket, owner, .. } = &self.system;
        (self.audience == Audience::Owner && !names_another).then_some(SystemAgent { socket, administrator: *owner })
    }

    /// The profile, unless it is the default one.
    pub fn profile(&self) -> Option<&ProfileName> {
        self.profile.as_ref()
    }

    /// The home directory.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The user's own configuration file: the one that `FLYTOKEN_CONFIG` names, or `config.yaml` in the configuration folder.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config_file.clone().or_else(|| self.config.as_ref().map(|folder| folder.join("config.yaml")))
    }

    /// The user's configuration folder.
    pub fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The folder of databases, locks and, without a runtime directory, of the socket.
    pub fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// The folder of compiled components; everything in it may be thrown away.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// The folder of compiled code; none without a place for what may be thrown away.
    pub fn components_cache(&self) -> Option<PathBuf> {
        self.cache().map(|folder| folder.join("components"))
    }

    /// The folder of components that were added, each under its digest; none without a state folder.
    pub fn plugins(&self) -> Option<PathBuf> {
        self.state().map(|folder| folder.join("plugins"))
    }

    /// The file of the user's own in which a source that was added is configured. None without a configuration folder, or where
    /// `FLYTOKEN_CONFIG` names the one file that counts.
    pub fn drop_in(&self, source: &SourceName) -> Option<PathBuf> {
        let folder = self.config.as_ref().filter(|_| self.config_file.is_none())?;
        Some(folder.join("config.d").join(format!("{source}.yaml")))
    }

    /// The file of the user's own in which `plugin disable` lists sources. None as for [`Self::drop_in`]. The name is no source's, so that it is
    /// none of those files either.
    pub fn disabled(&self) -> Option<PathBuf> {
        let folder = self.config.as_ref().filter(|_| self.config_file.is_none())?;
        Some(folder.join("config.d").join("zz_disabled.yaml"))
    }

    /// Fly's configuration folder, in which `fly auth login` keeps the login: `$FLY_CONFIG_DIR`, unless that is a profile's, or `~/.fly`; and for a named profile `fly` in
    /// the profile's configuration folder, which may be a link.
    pub fn fly(&self) -> Option<&Path> {
        self.fly.as_deref()
    }

    /// The agent's socket; none without a home or runtime directory.
    ///
    /// # Errors
    /// If the path is longer than the operating system takes for a socket. Only who needs the socket should meet this.
    pub fn socket(&self) -> Result<Option<&Path>, SocketPathError> {
        match &self.socket {
            Some((path, variable)) if !fits_a_socket(path) => {
                Err(SocketPathError { path: path.clone(), length: path.as_os_str().len(), variable })
            }
            socket => Ok(socket.as_ref().map(|(path, _)| path.as_path())),
        }
    }

    /// The administrator's policy.
    pub fn policy(&self) -> policy::Place {
        policy::Place {
            file: self.system.folder.join(policy::FILE),
            owner: self.system.owner,
            home: self.home.clone(),
            audience: self.audience,
        }
    }

    /// Where configuration files are looked for, `uid` being the user who may have written them.
    pub fn layers(&self, uid: u32) -> Layers {
        let named = self.config_file.clone().map(UserFiles::Named);
        Layers {
            system: self.system.folder.clone(),
            user: named.or_else(|| self.config.clone().map(UserFiles::Folder)),
            home: self.home.clone(),
            // The agent of the whole system has an account, which is no administrator.
            uid: if self.audience == Audience::Everybody { self.system.owner } else { uid },
        }
    }
}

/// The agent of the whole system, as its clients look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemAgent<'a> {
    /// Its socket.
    pub socket: &'a Path,
    /// Who besides root may have made the folders on the way to the socket's own.
    pub administrator: u32,
}

/// Folders that a unit of systemd does not give as the agent of the whole system needs them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceFolderError {
    /// There is none.
    #[error("an agent of the whole system has its folders from systemd, and {variable} names none")]
    Missing {
        /// The variable that would name it.
        variable: &'static str,
        /// The setting of the unit that has it set.
        setting: &'static str,
    },
    /// There are several.
    #[error("{variable} names several folders, and one is used")]
    Several {
        /// The variable that names them.
        variable: &'static str,
        /// The setting of the unit that has it set.
        setting: &'static str,
    },
    /// Clients look elsewhere.
    #[error("the socket would be in {}, and clients look for {}", found.display(), socket.display())]
    Elsewhere {
        /// The folder for the socket.
        found: PathBuf,
        /// Where the socket has to be.
        socket: PathBuf,
    },
}

impl ServiceFolderError {
    /// What to do.
    pub fn hint(&self) -> String {
        let setting = match self {
            Self::Missing { setting, .. } | Self::Several { setting, .. } => setting,
            Self::Elsewhere { .. } => "RuntimeDirectory",
        };
        format!("write `{setting}=flytoken` into the section [Service] of its unit; flytoken-system.service has it so")
    }
}

/// A socket's path that the operating system would not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the socket's path {}, which comes from {variable}, has {length} bytes and may have at most {MAX_SOCKET_PATH}", path.display())]
pub struct SocketPathError {
    /// The path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: usize,
    /// The variable that it comes from.
    pub variable: &'static str,
}

/// Whether the operating system takes a socket's path of this length.
pub(crate) fn fits_a_socket(path: &Path) -> bool {
    path.as_os_str().len() <= MAX_SOCKET_PATH
}

/// A base directory; relative and empty values do not count.
fn xdg(environment: &Environment, variable: &str) -> Option<PathBuf> {
    environment.var(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A path that a person gave; an empty value does not count.
fn named(environment: &Environment, variable: &str) -> Option<PathBuf> {
    let path = environment.var(variable).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())?;
    // Absolute, so that it names the same file after an agent has changed its folder. That fails only where there is no working directory.
    Some(std::path::absolute(&path).unwrap_or(path))
}

/// The variable with which a user names a socket.
const SOCKET: &str = "FLYTOKEN_SOCKET";

/// Our folder's name below each base directory.
const NAME: &str = "flytoken";

/// Bytes of a socket's path, without the NUL behind it: `sun_path` has 108 on Linux and 104 on macOS and the BSDs.
const MAX_SOCKET_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(variables: &[(&str, &str)], profile: Option<&str>) -> Result<Paths, NameError> {
        Paths::new(&variables.iter().copied().collect(), profile, system())
    }

    fn system() -> System {
        System { folder: "/etc/flytoken".into(), owner: 0, socket: "/run/flytoken/agent.sock".into() }
    }

    #[test]
    fn the_systems_agent_lies_where_its_unit_says_and_is_asked_by_whoever_names_no_other() {
        let folders = [
            ("STATE_DIRECTORY", "/var/lib/flytoken"),
            ("CACHE_DIRECTORY", "/var/cache/flytoken"),
            ("RUNTIME_DIRECTORY", "/run/flytoken"),
            ("HOME", "/h"),
        ];
        let service = |variables: &[(&str, &str)]| Paths::of_the_system(&variables.iter().copied().collect(), system());
        let paths = service(&folders).expect("paths");
        assert_eq!(table(&paths), [None, Some("/var/lib/flytoken"), Some("/var/cache/flytoken"), Some("/run/flytoken/agent.sock"), None]);
        let layers = paths.layers(7);
        assert_eq!((layers.user, layers.uid, paths.system_agent()), (None, 0, None));
        for wrong in 0..3 {
            for value in ["", "relative", "/a:/b"] {
                let mut folders = folders;
                folders[wrong].1 = value;
                let error = service(&folders).expect_err("a folder is missing");
                assert!(error.to_string().contains(folders[wrong].0) && error.hint().contains("Directory=flytoken"), "{error}");
            }
        }
        let elsewhere = [folders[0], folders[1], ("RUNTIME_DIRECTORY", "/run/other")];
        assert!(matches!(service(&elsewhere), Err(ServiceFolderError::Elsewhere { .. })));

        let asked = |variables: &[(&str, &str)], profile| paths_of(variables, profile).system_agent().map(|agent| agent.socket.to_owned());
        assert_eq!(asked(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r")], None), Some("/run/flytoken/agent.sock".into()));
        assert_eq!(asked(&[("FLYTOKEN_SOCKET", "/s")], None), None);
        assert_eq!(asked(&[("HOME", "/h")], Some("work")), None);
    }

    fn paths_of(variables: &[(&str, &str)], profile: Option<&str>) -> Paths {
        paths(variables, profile).expect("paths")
    }

    fn table(paths: &Paths) -> [Option<&str>; 5] {
        let socket = paths.socket().expect("a short path");
        [paths.config(), paths.state(), paths.cache(), socket, paths.fly()].map(|path| path.and_then(Path::to_str))
    }

    #[test]
    fn everything_lies_below_the_home_directory_by_default() {
        assert_eq!(
            table(&paths(&[("HOME", "/h")], None).expect("paths")),
            [
                Some("/h/.config/flytoken"),
                Some("/h/.local/state/flytoken"),
                Some("/h/.cache/flytoken"),
                Some("/h/.local/state/flytoken/run/agent.sock"),
                Some("/h/.fly")
            ]
        );
    }

    #[test]
    fn variables_move_what_they_name_and_relative_or_empty_ones_are_ignored() {
        let all = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "relative"),
            ("XDG_CACHE_HOME", ""),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("FLY_CONFIG_DIR", "/f"),
        ];
        assert_eq!(
            table(&paths(&all, None).expect("paths")),
            [
                Some("/c/flytoken"),
                Some("/h/.local/state/flytoken"),
                Some("/h/.cache/flytoken"),
                Some("/run/user/1/flytoken/agent.sock"),
                Some("/f")
            ]
        );
        let own = paths(&[("HOME", "/h"), ("FLYTOKEN_SOCKET", "/s"), ("FLYTOKEN_CONFIG", "/x.yaml"), ("FLY_CONFIG_DIR", "")], None);
        let own = own.expect("paths");
        assert_eq!((own.socket().expect("short"), own.fly()), (Some(Path::new("/s")), Some(Path::new("/h/.fly"))));
        assert_eq!(own.config_file(), Some("/x.yaml".into()));
        assert_eq!(own.layers(7).user, Some(UserFiles::Named("/x.yaml".into())));
    }

    #[test]
    fn a_profile_has_everything_but_compiled_code_to_itself() {
        let variables = [("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r"), ("FLYTOKEN_PROFILE", "other"), ("FLY_CONFIG_DIR", "/f")];
        assert_eq!(
            table(&paths(&variables, Some("work")).expect("paths")),
            [
                Some("/h/.config/flytoken/profiles/work"),
                Some("/h/.local/state/flytoken/profiles/work"),
                Some("/h/.cache/flytoken"),
                Some("/r/flytoken/profiles/work/agent.sock"),
                Some("/h/.config/flytoken/profiles/work/fly")
            ]
        );
        assert_eq!(paths(&variables, None).expect("paths").profile().map(ProfileName::as_str), Some("other"));
        let default = paths(&variables, Some("default")).expect("paths");
        assert_eq!((default.profile(), default.fly()), (None, Some(Path::new("/f"))));
        let in_the_shell_of_another = [("HOME", "/h"), ("FLY_CONFIG_DIR", "/h/.config/flytoken/profiles/work/fly")];
        assert_eq!(paths(&in_the_shell_of_another, None).expect("paths").fly(), Some(Path::new("/h/.fly")));
        assert!(paths(&variables, Some("../up")).is_err());
        assert!(paths(&[("FLYTOKEN_PROFILE", "A b")], None).is_err());
    }

    #[test]
    fn without_a_home_nothing_lies_anywhere() {
        for variables in [&[][..], &[("HOME", "")], &[("HOME", "relative")]] {
            let paths = paths(variables, None).expect("paths");
            assert_eq!(table(&paths), [None; 5]);
            assert_eq!((paths.config_file(), paths.layers(0).user), (None, None));
        }
        assert_eq!(table(&paths(&[("XDG_RUNTIME_DIR", "/r")], None).expect("paths"))[3], Some("/r/flytoken/agent.sock"));
    }

    #[test]
    fn a_path_too_long_for_a_socket_names_the_variable_that_it_comes_from() {
        let long = format!("/{}", "x".repeat(MAX_SOCKET_PATH));
        let fits = &long[..MAX_SOCKET_PATH];
        let with = |variable: &'static str, path: &str| paths(&[("HOME", "/h"), (variable, path)], None).expect("paths");
        assert!(with("FLYTOKEN_SOCKET", fits).socket().is_ok());
        for (variable, length) in [
            ("FLYTOKEN_SOCKET", long.len()),
            ("XDG_RUNTIME_DIR", long.len() + "/flytoken/agent.sock".len()),
            ("XDG_STATE_HOME", long.len() + "/flytoken/run/agent.sock".len()),
            ("HOME", long.len() + "/.local/state/flytoken/run/agent.sock".len()),
        ] {
            let error = with(variable, &long).socket().expect_err("too long").to_string();
            assert!(error.contains(variable) && error.contains(&format!("{length} bytes")), "{error}");
        }
    }
}
