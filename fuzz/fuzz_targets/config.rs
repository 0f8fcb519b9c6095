//! Any file is a configuration that can be shown and read again to the same effect, or is refused with words that a terminal can show.

#![no_main]

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    sync::LazyLock,
};

use flytoken::config::{self, Difference, Layers, UserFiles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fs::write(HOME.join("config.yaml"), bytes).expect("our own file");
    match config::load(&LAYERS) {
        Ok(loaded) => {
            let shown = loaded.show();
            fs::write(HOME.join("config.yaml"), &shown).expect("our own file");
            let again = config::load(&LAYERS).unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
            assert_eq!(again.config, loaded.config, "{shown}");
            assert!(matches!(again.config.difference(&loaded.config), Difference::Matching(apps) if apps.is_empty()));
        }
        Err(errors) => {
            let text = errors.to_string();
            assert!(!text.is_empty());
            assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        }
    }
});

/// Nobody else may write here, since that is refused.
static HOME: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let home = std::env::temp_dir().join(format!("flytoken-fuzz-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&home).expect("a folder");
    let file = home.join("config.yaml");
    fs::write(&file, "").expect("our own folder");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
    home
});

static LAYERS: LazyLock<Layers> = LazyLock::new(|| Layers {
    system: HOME.join("etc"),
    user: Some(UserFiles::Folder(HOME.clone())),
    home: Some(HOME.clone()),
    uid: rustix::process::geteuid().as_raw(),
});
