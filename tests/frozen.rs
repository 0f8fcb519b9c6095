//! Components that were built for an older version of the contract, kept as they were built: they go on working.

use std::{collections::BTreeMap, time::Duration};

use flytoken::builtin;
use serde_json::json;

use crate::harness::{
    Bundle, Home,
    components::{sha256, vault},
    minted, user_token,
};

const DAY: Duration = Duration::from_hours(24);

/// The components in `tests/frozen`, by name, with their digests: nobody builds them anew by mistake.
const FROZEN: [(&str, &[u8], &str); 4] = [
    ("vault", include_bytes!("frozen/vault-0.1.0.wasm"), "04c64a8ebd5e3d47a0d77d289de23b0cf4e9e29ed6f2ee25da7433a6d865fa14"),
    ("file", include_bytes!("frozen/file-0.1.0.wasm"), "9aad8cb846c512776dc45605823622cc43ba28def17f3b0b4c15ca3c152e6e25"),
    ("storage", include_bytes!("frozen/storage-0.1.0.wasm"), "9e0b535a0a7c749f9d2a667efba3cb8352e16c54701629f49aaa27c66afd7d4c"),
    ("cli", include_bytes!("frozen/cli-0.1.0.wasm"), "46e1368d2284bbacc1fc3603b80bc950a7274ff2925427856080bf69e01b6bc7"),
];

/// A home with the components in files, logged in.
fn home() -> (Home, crate::harness::Fly) {
    let (mut home, fly) = Home::logged_in(&user_token());
    home.set("FLYTOKEN_CONFIG", &home.outside("secrets/config.yaml").display().to_string());
    for (name, component, _) in FROZEN {
        home.write(home.outside(&format!("secrets/{name}.wasm")), component);
    }
    (home, fly)
}

fn configure(home: &Home, yaml: &str) {
    home.write(home.outside("secrets/config.yaml"), yaml);
}

#[test]
fn they_are_what_was_built_for_the_older_version_and_the_host_offers_a_newer_one() {
    let (home, _) = home();
    let version = |name: &str, component: &[u8]| {
        let file = home.outside(&format!("secrets/{name}-inspected.wasm"));
        home.write(&file, component);
        home.run(&["plugin", "inspect", file.to_str().unwrap(), "--json"]).json()["version"].clone()
    };
    for (name, component, digest) in FROZEN {
        assert_eq!(sha256(component), digest, "{name}");
        assert_eq!(version(name, component), json!("0.1.0"), "{name}");
    }
    for (name, component) in [("file", builtin::component("file").unwrap()), ("vault", vault())] {
        assert_eq!(version(name, component), json!("0.1.1"), "{name}");
    }
}

#[test]
fn they_read_settings_and_files_and_seal_secrets() {
    let (home, _) = home();
    let tokens = ["vault", "file"].map(|name| (name, minted(7, DAY)));
    home.write(home.outside("secrets/token"), &tokens[1].1);
    for (name, more) in BTreeMap::from([
        ("vault", format!("settings: {{ token: \"{}\" }}", tokens[0].1)),
        ("file", "grants: { files: { token: ./token } }".to_owned()),
    ]) {
        configure(&home, &format!("chain: [corp]\nsources: {{ corp: {{ component: ./{name}.wasm, dev: true, {more} }} }}\n"));
        let token = tokens.iter().find(|(known, _)| *known == name).map(|(_, token)| token).unwrap();
        assert!(Bundle::answered(&home.get(&["web"])).is_from(token), "{name}");
    }
}

#[test]
fn they_mint_with_commands_and_the_login_and_revoke() {
    let (home, fly) = home();
    let mint = minted(7, DAY);
    fly.mints("web", std::slice::from_ref(&mint));
    configure(&home, "chain: [cli]\nsources: { cli: { component: ./cli.wasm, dev: true } }\n");
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&mint));
    let minted = home.run(&["minted", "--json"]).json();
    let name = minted["mints"][0]["name"].as_str().unwrap();
    let revoked = home.run(&["revoke", name, "--json"]).json();
    assert_eq!(revoked["outcome"], "revoked", "{revoked}");
}

#[test]
fn they_keep_and_forget_in_records() {
    let (home, fly) = home();
    let mint = minted(7, DAY);
    fly.mints("web", std::slice::from_ref(&mint));
    configure(&home, "chain: [storage, cli]\nsources: { storage: { component: ./storage.wasm, dev: true } }\n");
    let agent = home.agent();
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&mint));
    agent.stop();
    let agent = home.agent();
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&mint));
    assert_eq!(home.explained("web")["source"], "storage");
    home.run(&["invalidate", "web"]).ends_with(0);
    home.run(&["get", "web"]);
    assert_eq!(home.explained("web")["steps"][0]["outcome"], "absent");
    agent.stop();
}
