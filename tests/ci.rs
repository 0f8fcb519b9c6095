//! In CI: no agent, no home that can be written, and a token in a variable.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    docs::blocks,
    harness::{Bundle, Home, discharged, minted, organization, user_token},
    readme::document,
};

const DAY: Duration = Duration::from_hours(24);

/// A machine of CI's: a home that cannot be written or is none, and no cache that other runs have filled.
fn machine(home_directory: Option<&str>) -> Home {
    let mut home = Home::new();
    home.unset("XDG_CACHE_HOME");
    match home_directory {
        Some(directory) => home.set("HOME", directory),
        None => home.unset("HOME"),
    }
    home
}

/// A directory that nobody, not even root, can make anything in.
fn read_only() -> &'static str {
    if cfg!(target_os = "linux") { "/sys" } else { "/System" }
}

/// Where CI's homes are; `{file}` is a file.
fn homes(home: &Home) -> [Option<String>; 3] {
    let file = home.outside("file");
    fs::write(&file, "").unwrap();
    [None, Some(file.join("home").display().to_string()), Some(read_only().to_owned())]
}

/// Every file and directory below `folder`, with what would tell that it was written.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, (metadata.size(), metadata.mtime(), metadata.mtime_nsec()));
        }
    }
    found
}

#[test]
fn a_deploy_token_in_a_variable_serves_get_and_exec_and_nothing_is_written() {
    let machines = homes(&Home::new());
    drop(machines);
    for at in 0..3 {
        let place = Home::new();
        let mut home = machine(homes(&place)[at].as_deref());
        let token = minted(7, DAY);
        home.set("FLY_API_TOKEN", &format!("FlyV1 {token}"));
        let before = (tree(&home.outside("")), tree(&place.outside("")));
        assert_eq!(home.run(&["get", "web", "--kind", "deploy"]).token(), format!("FlyV1 {token}"));
        let narrowed = Bundle::of(&home.run(&["get", "web"]).token());
        assert!(narrowed.is_from(&token) && narrowed.reads_only());
        let ran = home.run(&["exec", "web", "--kind", "deploy", "--", "sh", "-c", "echo \"$FLY_API_TOKEN\"; exit 9"]);
        assert_eq!((ran.code, ran.stdout), (Some(9), format!("FlyV1 {token}\n")));
        assert_eq!((tree(&home.outside("")), tree(&place.outside(""))), before);
    }
}

#[test]
fn without_a_home_one_warning_says_that_nothing_is_kept() {
    for home_directory in [None, Some(read_only())] {
        let mut home = machine(home_directory);
        home.set("FLY_API_TOKEN", &minted(7, DAY));
        let ran = home.run(&["get", "web"]);
        assert!(ran.ends_with(0).contains("nothing is kept on disk"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_user_token_in_a_variable_never_leaves_but_as_the_login() {
    let mut home = machine(None);
    let token = user_token();
    home.set("FLY_API_TOKEN", &token);
    let ran = home.run(&["get", "web", "--json"]);
    assert_ne!(ran.code, Some(0));
    assert!(!ran.stdout.contains(&token), "{}", ran.stdout);
    let steps = ran.json()["error"]["steps"].clone();
    let config = steps.as_array().unwrap().iter().find(|step| step["source"] == "config").unwrap().clone();
    assert!(config["text"].as_str().unwrap().contains("user token"), "{steps}");
    assert_eq!(home.run(&["get", "web", "--kind", "login"]).token(), token);
}

#[test]
fn the_variables_go_in_flyctls_order_and_an_empty_one_is_absent() {
    let [file, api, access] = [user_token(), user_token(), user_token()];
    for (variables, expected) in [
        (&[][..], &file),
        (&[("FLY_API_TOKEN", &api)][..], &api),
        (&[("FLY_API_TOKEN", &api), ("FLY_ACCESS_TOKEN", &access)][..], &access),
        (&[("FLY_API_TOKEN", &api), ("FLY_ACCESS_TOKEN", &String::new())][..], &api),
        (&[("FLY_API_TOKEN", &String::new()), ("FLY_ACCESS_TOKEN", &String::new())][..], &file),
    ] {
        let mut home = Home::new();
        home.log_in(&file);
        for (name, value) in variables {
            home.set(name, value);
        }
        assert_eq!(home.run(&["get", "web", "--kind", "login"]).token(), *expected);
    }
}

#[test]
fn a_login_from_a_variable_neither_reads_nor_wipes_what_the_files_login_obtained() {
    let (mut home, fly) = Home::logged_in(&user_token());
    let mints: Vec<String> = (0..3).map(|_| minted(1, DAY)).collect();
    fly.mints("web", &mints);
    let get = |home: &Home| Bundle::of(&home.run(&["get", "web"]).token());
    assert!(get(&home).is_from(&mints[0]));
    home.set("FLY_API_TOKEN", &user_token());
    assert!(get(&home).is_from(&mints[1]), "what the file's login obtained is not read");
    home.unset("FLY_API_TOKEN");
    assert!(get(&home).is_from(&mints[0]), "nor wiped, nor replaced");
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn an_agent_uses_the_file_and_not_its_starters_variables() {
    let mut home = Home::new();
    let in_file = discharged(organization(1), DAY);
    home.log_in(&in_file);
    home.set("FLY_API_TOKEN", &user_token());
    let _agent = home.agent();
    assert!(Bundle::of(&home.run(&["get", "web"]).token()).is_from(&in_file));
}

/// Programs that the page calls, as far as a job sees them: `fly` says how it was called, what masks reads its input, and the others do nothing.
const STAND_INS: [(&str, &str); 3] = [
    ("fly", "case $FLY_API_TOKEN in 'FlyV1 fm2_'*) echo \"fly $*\";; *) exit 1;; esac"),
    ("buildkite-agent", "read -r token; case $token in 'FlyV1 fm2_'*) echo \"masked by $*\";; *) exit 1;; esac"),
    ("cargo", "echo \"cargo $*\""),
];

/// Everything that a job of this platform would run, line by line or as one script.
fn scripts(value: &serde_yaml::Value, found: &mut Vec<String>) {
    match value {
        serde_yaml::Value::Mapping(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    (Some("run" | "script" | "commands"), serde_yaml::Value::String(script)) => found.push(script.clone()),
                    (Some("run" | "script" | "commands"), serde_yaml::Value::Sequence(lines)) => {
                        found.extend(lines.iter().map(|line| line.as_str().expect("a line of text").to_owned()));
                    }
                    _ => scripts(value, found),
                }
            }
        }
        serde_yaml::Value::Sequence(list) => list.iter().for_each(|value| scripts(value, found)),
        _ => {}
    }
}

#[test]
fn what_the_page_on_ci_has_jobs_run_works_with_one_token_and_shows_it_nowhere() {
    let page = document("docs/ci.md");
    let mut lines = Vec::new();
    for yaml in blocks(&page, "yml") {
        scripts(&serde_yaml::from_str(yaml).unwrap(), &mut lines);
    }
    for block in blocks(&page, "Dockerfile").into_iter().chain(blocks(&page, "sh")) {
        let commands = block
            .lines()
            .filter_map(|line| Some(&line[line.find("flytoken exec").or_else(|| line.starts_with("flytoken").then_some(0))?..]));
        lines.extend(commands.map(str::to_owned));
    }
    assert!(lines.len() >= 14, "{lines:?}");
    let mut home = Home::new();
    let token = format!("FlyV1 {}", minted(7, DAY));
    home.set("FLY_API_TOKEN", &token);
    for (name, script) in STAND_INS {
        home.write(home.outside("bin").join(name), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(home.outside("bin").join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let folder = home.outside("secrets");
    fs::create_dir_all(&folder).unwrap();
    home.set("GITHUB_ENV", &folder.join("github").display().to_string());
    for line in lines {
        let shown = home.shell(&folder, &format!("set -e\n{line}\necho \"the end of it\""));
        let (mut shown_at_all, is_doctor) = (shown.clone(), line.starts_with("flytoken doctor"));
        assert!(is_doctor || shown.ends_with("the end of it\n"), "{line}\n{shown}");
        assert!(!line.contains("fly ") || shown.contains("fly ") || shown.contains("masked by redactor add"), "{line}\n{shown}");
        // A platform takes this line out of its log; nothing else has a token in it, but for who asks for one.
        shown_at_all = shown_at_all.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        assert!(line.starts_with("flytoken get web --json") || !shown_at_all.contains("fm2_"), "{line}\n{shown}");
    }
    let kept = fs::read_to_string(folder.join("github")).unwrap();
    assert!(kept.starts_with("FLY_READ_TOKEN=FlyV1 fm2_") && !kept.contains(&token), "what is handed on is narrower than the secret");
}
