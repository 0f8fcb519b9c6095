//! `flytoken plugin dev`: a project is built, its component is asked, and again at each change.

use std::{fs, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{
    Home,
    components::{fixture, vault},
    eventually, minted,
};

/// A project whose build puts a component in place that lies in the folder under another name.
fn project(home: &Home, component: &[u8]) -> String {
    let folder = home.outside("secrets/corp");
    fs::create_dir_all(folder.join("dist")).unwrap();
    home.write(folder.join("component.bin"), component);
    home.write(folder.join("build.sh"), "echo made it\ncp component.bin dist/corp.wasm\n");
    folder.display().to_string()
}

fn setting() -> String {
    format!("token={}", minted(7, Duration::from_hours(24)))
}

#[test]
fn once_is_a_build_and_a_run_that_ends_as_the_run_does() {
    let home = Home::new();
    let folder = project(&home, vault());
    let ran = home.run(&["plugin", "dev", &folder, "--app", "web", "--once", "--setting", &setting()]);
    ran.ends_with(0);
    for part in ["settings.get token", "secrets.seal", "lease", "This run needed no grants."] {
        assert!(ran.stdout.contains(part), "no `{part}` in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("made it"), "what the build prints is none of the answer: {}", ran.stdout);
    let ran = home.run(&["plugin", "dev", &folder, "--app", "web", "--once"]);
    assert!(ran.ends_with(3).is_empty() && ran.stdout.contains("absent: the vault holds nothing for `web`"), "{}", ran.stdout);
}

#[test]
fn what_does_not_build_is_said_with_what_to_do() {
    let home = Home::new();
    let folder = project(&home, vault());
    let told = |script: &str, code, text: &str| {
        home.write(home.outside("secrets/corp/build.sh"), script);
        let ran = home.run(&["plugin", "dev", &folder, "--app", "web", "--once"]);
        assert!(ran.ends_with(code).contains(text), "{}", ran.stderr);
    };
    told("echo no such import >&2; exit 3", 7, "no such import\nerror: `sh build.sh` failed: exit status: 3");
    told("rm -f dist/corp.wasm", 7, "`sh build.sh` made no component\n\nhint: have it write one .wasm file");
    told("echo hello > dist/corp.wasm", 7, "is not a WebAssembly component");
    let empty = home.outside("secrets/empty");
    fs::create_dir(&empty).unwrap();
    let ran = home.run(&["plugin", "dev", &empty.display().to_string(), "--app", "web"]);
    assert!(ran.ends_with(2).contains("holds no build.sh, Cargo.toml or package.json") && ran.stderr.contains("flytoken plugin new"));
}

#[test]
fn each_change_builds_and_asks_again_also_after_one_that_did_not_build() {
    let home = Home::new();
    let folder = project(&home, vault());
    let out = home.outside("secrets/dev.out");
    let file = fs::File::create(&out).unwrap();
    let mut command = home.command(&["plugin", "dev", &folder, "--app", "web", "--setting", &setting(), "--setting", "behaviour=panic"]);
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let shows = |what: &str, times: usize| {
        eventually(what, || (fs::read_to_string(&out).unwrap().matches(what).count() == times).then_some(()));
    };
    shows("This run needed no grants.", 1);
    home.write(home.outside("secrets/corp/build.sh"), "exit 1");
    shows("`sh build.sh` failed", 1);
    home.write(home.outside("secrets/corp/build.sh"), "cp component.bin dist/corp.wasm\n");
    shows("This run needed no grants.", 2);
    home.write(home.outside("secrets/corp/component.bin"), fixture());
    shows("trapped: ", 1);
    home.write(home.outside("secrets/corp/new.txt"), "a file that was not there");
    shows("trapped: ", 2);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
}
