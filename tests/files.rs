//! Sources that read what they were granted by name: a file, a variable.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use crate::harness::{Bundle, Home, minted};

const DAY: Duration = Duration::from_hours(24);

/// A home whose tokens come from a mounted secret.
fn mounted() -> Home {
    let home = Home::new();
    home.configure(&format!(
        "version: 1\nchain: [mounted]\nsources:\n  mounted: {{ component: builtin:file, grants: {{ files: {{ token: {} }} }} }}\n",
        home.outside("secrets/token").display()
    ));
    home
}

#[test]
fn a_mounted_secret_answers_and_the_newer_one_after_it_was_replaced() {
    let home = mounted();
    let agent = home.agent();
    home.run(&["get", "web"]).ends_with(3);
    let (first, second) = (minted(123, DAY), minted(123, DAY));
    home.write(home.outside("secrets/token"), format!("{first}\n"));
    home.run(&["refresh", "web"]).ends_with(0);
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&first));
    home.write(home.outside("secrets/token"), format!("{second}\n"));
    home.run(&["refresh", "web"]).ends_with(0);
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&second));
    assert_eq!(home.explained("web")["source"], "mounted");
    drop(agent);
}

#[test]
fn a_file_that_others_may_write_to_is_not_used_and_the_message_mends_it() {
    let home = mounted();
    let file = home.outside("secrets/token");
    home.write(&file, minted(123, DAY));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let told = home.run(&["get", "web", "--json"]);
    told.ends_with(8);
    assert!(told.stdout.contains("chmod"), "{}", told.stdout);
}

#[test]
fn a_name_that_is_not_granted_is_no_file() {
    let home = Home::new();
    home.configure(
        "version: 1\nchain: [mounted]\nsources:\n  mounted: { component: builtin:file, settings: { file: other }, grants: { files: { token: /etc/passwd } } }\n",
    );
    let told = home.run(&["get", "web", "--json"]);
    told.ends_with(7);
    assert!(told.stdout.contains("no file of this name is granted (granted is `token`)"), "{}", told.stdout);
    home.configure("version: 1\nchain: [mounted]\nsources:\n  mounted: { component: builtin:file }\n");
    let told = home.run(&["get", "web", "--json"]);
    told.ends_with(7);
    assert!(told.stdout.contains("which needs the grant `files`"), "{}", told.stdout);
}

#[test]
fn a_variable_answers_where_it_was_granted_and_no_other_is_seen() {
    let mut home = Home::new();
    let token = minted(123, DAY);
    home.set("CORP_TOKEN", &token);
    let configure = |env: &str| {
        let source = format!("corp: {{ component: builtin:environment, settings: {{ variable: CORP_TOKEN }}, grants: {{ {env} }} }}");
        home.configure(&format!("version: 1\nchain: [corp]\nsources:\n  {source}\n"));
    };
    configure("env: [CORP_TOKEN]");
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&token));
    for env in ["env: [OTHER]", ""] {
        configure(env);
        let told = home.run(&["get", "web", "--json"]);
        told.ends_with(3);
        assert!(told.stdout.contains("`CORP_TOKEN` is not set, or not granted"), "{}", told.stdout);
    }
}

#[test]
fn a_way_to_read_and_a_way_out_exclude_each_other_unless_somebody_says_so() {
    let home = Home::new();
    let command = "commands: [{ program: fly, args: [version] }]";
    for (grants, read) in
        [("env: [A]", "env"), ("reveal: true", "reveal"), ("files: { a: { path: /a, as: bytes } }", "files"), ("files: { a: /a }", "")]
    {
        for leak in [false, true] {
            let may = if leak { ", may-leak: true" } else { "" };
            home.configure(&format!("version: 1\nsources:\n  x: {{ component: builtin:file, grants: {{ {grants}, {command}{may} }} }}\n"));
            let ran = home.run(&["config", "check"]);
            if leak || read.is_empty() {
                ran.ends_with(0);
            } else {
                let told = ran.ends_with(7);
                assert!(told.contains(&format!("by `{read}`, cannot have `commands` too")) && told.contains("may-leak: true"), "{told}");
            }
        }
    }
}
