//! Any file is a policy that only takes away, and judges every client, or is refused with words that a terminal can show.

#![no_main]

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::PathBuf,
    sync::LazyLock,
};

use flytoken::{
    app::AppName,
    attestation::{Executable, Facts},
    audience::Audience,
    config::{self, Config, Layers, UserFiles},
    kind::Kind,
    policy::{Accounts, Asked, Machine, Place, Platform, Policy, Verb},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fs::write(&PLACE.file, bytes).expect("our own file");
    for platform in [Platform::Linux, Platform::Macos] {
        let machine = Machine {
            platform,
            tells_programs: true,
            tells_others_programs: true,
            audience: Audience::Everybody,
            tells_cgroups: true,
            accounts: Box::new(Names),
        };
        match Policy::load(&PLACE, &machine) {
            Ok(policy) => holds(&policy.expect("there is a file")),
            Err(errors) => {
                let text = errors.to_string();
                assert!(!text.is_empty());
                assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
            }
        }
    }
});

fn holds(policy: &Policy) {
    let (limited, _) = policy.limit(&CONFIG);
    for (name, source) in &limited.sources {
        let before = &CONFIG.sources[name];
        assert!(source.grants.are_within(&before.grants) && source.timeout <= before.timeout, "{name} gained something");
    }
    let (again, _) = policy.limit(&limited);
    for (name, source) in &limited.sources {
        assert_eq!(again.sources[name].grants, source.grants, "what is left is within the ceiling");
    }
    let app = AppName::parse("prod-web").expect("a name");
    for client in [Facts::default(), client()] {
        for verb in Verb::ALL {
            for (app, kind) in [(None, None), (Some(&app), None), (Some(&app), Some(Kind::Deploy))] {
                let asked = Asked { verb, app, kind };
                assert_eq!(policy.judge(&client, asked), policy.judge(&client, asked));
            }
        }
    }
}

fn client() -> Facts {
    Facts {
        pid: Some(7),
        uid: 1001,
        gid: 100,
        groups: vec![100, 2001],
        executable: Some(Executable { path: Some("/usr/bin/deploy".into()), elsewhere: None, root_owned: true, sha256: Some([0xab; 32]) }),
        unit: Some("deploy.service".into()),
        cgroup: Some("/system.slice/deploy.service".into()),
        via_flytoken: false,
    }
}

struct Names;

impl Accounts for Names {
    fn user(&self, name: &str) -> Result<Option<u32>, String> {
        Ok((name == "ci").then_some(1001))
    }

    fn group(&self, name: &str) -> Result<Option<u32>, String> {
        Ok((name == "deployers").then_some(2001))
    }
}

/// Nobody else may write here, since that is refused.
static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = std::env::temp_dir().join(format!("flytoken-fuzz-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&home).expect("a folder");
    home
});

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let file = HOME.join("policy.yaml");
    fs::write(&file, "").expect("our own folder");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
    Place { file, owner: rustix::process::geteuid().as_raw(), home: Some(HOME.clone()), audience: Audience::Everybody }
});

/// A configuration with something of everything for a policy to take away.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let file = HOME.join("config.yaml");
    fs::write(&file, include_str!("../src/everything.yaml")).expect("our own folder");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
    let user = Some(UserFiles::Named(file));
    let layers = Layers { system: HOME.join("etc"), user, home: Some(HOME.clone()), uid: rustix::process::geteuid().as_raw() };
    let loaded = config::load(&layers).unwrap_or_else(|errors| panic!("{errors}"));
    Config::clone(&loaded.config)
});
