//! What an agent under load finds: apps, the sources they are answered by, and a configuration that does not stay as it is.

use std::{
    fs,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use flytoken::{
    app::AppName,
    token::{Caveat, Mask, ResourceSet, forge::Forge},
};

/// Where the files of a run lie.
pub(crate) struct World {
    /// The configuration, in a folder that the component is put into as well. Both hold tokens.
    pub(crate) config: PathBuf,
    /// The stand-in `fly`.
    pub(crate) fly: PathBuf,
    /// How long what a source hands out lives.
    pub(crate) lease: Duration,
}

impl World {
    /// Writes everything: `fixture` is the component of `tests/fixtures`.
    pub(crate) fn set_up(&self, fixture: &[u8]) {
        fs::create_dir_all(self.folder()).unwrap();
        write(&self.folder().join("fixture.wasm"), fixture, 0o600);
        write(&self.fly, fly().as_bytes(), 0o755);
        self.rewrite(0);
    }

    /// Writes the configuration for the time with this number: each time there is another rule for an app that nobody asks for, and
    /// now and then a file that does not hold.
    pub(crate) fn rewrite(&self, number: u64) {
        let text = if number % BROKEN_EVERY == BROKEN_EVERY - 1 { "chain: [steady\n".to_owned() } else { self.text(number) };
        write(&self.config, text.as_bytes(), 0o600);
    }

    fn text(&self, number: u64) -> String {
        let (token, seconds) = (template(), self.lease.as_secs());
        let source = |name: &str, behaviour: &str, more: &str| {
            format!(
                "  {name}:\n    component: ./fixture.wasm\n    dev: true\n    settings: {{ behaviour: {behaviour}, token: '{token}', expiry: '+{seconds}', \
                 text: {DOWN}, seconds: 3 }}\n{more}"
            )
        };
        [
            "key: file\nbudget: { per-app: 1000, total: 1000 }\nchain: [steady]\nsources:\n",
            &source("steady", "mint", ""),
            &source("kept", "mint", "    keep: true\n"),
            &source("flapping", "flap", ""),
            "apps:\n",
            "  - { match: 'flap-*', chain: [flapping] }\n",
            "  - { match: 'fall-*', chain: [flapping, steady] }\n",
            "  - { match: 'kept-*', chain: [storage, kept] }\n",
            "  - { match: 'fly-*', chain: [storage, cli] }\n",
            &format!("  - {{ match: nobody, organization: acme-{} }}\n", number % 2),
        ]
        .concat()
    }

    fn folder(&self) -> &Path {
        self.config.parent().unwrap()
    }
}

/// The app with this number: of twenty one is answered by a source that is down half of the time, one by that and another after it, two
/// by a source whose leases are kept, and the others by one that is always there.
pub(crate) fn app(number: usize) -> AppName {
    let class = match number % 20 {
        0 => "flap",
        1 => "fall",
        2 | 3 => "kept",
        _ => "app",
    };
    AppName::parse(&format!("{class}-{number:05}")).unwrap()
}

/// The app whose tokens `fly` mints.
pub(crate) fn minted_app() -> AppName {
    AppName::parse("fly-0").unwrap()
}

/// An app that no client asks for.
pub(crate) fn nobody() -> AppName {
    AppName::parse("nobody").unwrap()
}

/// The source that is down half of the time.
pub(crate) const FLAPPING: &str = "flapping";

/// What it says then.
pub(crate) const DOWN: &str = "maintenance";

/// One in so many files does not hold.
const BROKEN_EVERY: u64 = 7;

/// A deploy token in which twelve bytes of its nonce are left open, as sixteen characters of its text.
fn template() -> String {
    let draft = Forge::new([7; 32]).permission([0; 16]).caveat(Caveat::Organization { id: 456, mask: Mask::ALL });
    let text = draft.caveat(Caveat::Apps(ResourceSet::new([(123, Mask::ALL)]))).sign().macaroon.encode().to_string();
    let body = text.find('_').unwrap() + 1;
    // Four characters stand for three bytes.
    let open = (body..).step_by(4).find(|at| text[*at..].starts_with(&"A".repeat(16))).unwrap();
    format!("{}{{unique}}{}", &text[..open], &text[open + 16..])
}

/// A stand-in that mints a new token each time: it is given a name that ends in twelve digits which no other run has.
fn fly() -> String {
    let token = template().replace("{unique}", "AAAA${unique##*-}");
    format!("#!/bin/sh\nwhile [ \"$1\" != -n ]; do shift; done\nunique=$2\necho \"{{\\\"token\\\": \\\"FlyV1 {token}\\\"}}\"\n")
}

/// In one step: it may be in use.
fn write(path: &Path, bytes: &[u8], mode: u32) {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(new, path).unwrap();
}
