//! A project, and the tools of its language.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::Home;

/// A project in a folder of a home where tokens may lie.
pub(crate) struct Project {
    folder: PathBuf,
    name: String,
    language: String,
}

impl Project {
    /// One that `flytoken plugin new` writes.
    pub(crate) fn new(home: &Home, name: &str, language: &str, needs: &[&str]) -> Self {
        let folder = home.outside("secrets").join(name);
        fs::create_dir_all(home.outside("secrets")).unwrap();
        let arguments = ["plugin", "new", name, "--lang", language, "--dir", folder.to_str().unwrap()];
        home.run(&[&arguments[..], needs].concat()).ends_with(0);
        Self::with_tools(folder, name, language)
    }

    /// A copy of one of `examples`.
    pub(crate) fn example(home: &Home, example: &str, name: &str, language: &str) -> Self {
        let (from, folder) = (root().join("examples").join(example), home.outside("secrets").join(name));
        copy(&from, &folder);
        Self::with_tools(folder, name, language)
    }

    fn with_tools(folder: PathBuf, name: &str, language: &str) -> Self {
        let (tools, place) = if language == "python" { ("venv", ".venv") } else { ("node_modules", "node_modules") };
        let installed = tools_folder().join(tools);
        assert!(installed.is_dir(), "these behaviours need the tools of {language} in {}: see .ci/run", installed.display());
        let place = folder.join(place);
        // A project that somebody built by hand may have brought its own along.
        let _ = fs::remove_file(&place);
        symlink(installed, place).unwrap();
        Self { folder, name: name.to_owned(), language: language.to_owned() }
    }

    /// Runs its own tests.
    pub(crate) fn tests(&self) {
        self.run(if self.language == "python" { &["python3", "-m", "unittest"] } else { &["npm", "test"] });
    }

    /// Has its source, which answers with a setting, send a person to do something for one app.
    pub(crate) fn says_needs_human(&self) {
        let (file, after, line) = if self.language == "python" {
            let line =
                "    if request.app == \"asks-somebody\":\n        raise Refused(\"needs-human\", \"log in\", command=\"corp login\")\n";
            ("token_source.py", "if only the token itself can say.\"\"\"\n", line)
        } else {
            let line = "  if (request.app === 'asks-somebody') throw needsHuman('log in', { command: 'corp login' });\n";
            ("token-source.js", "export function resolve(request, host) {\n", line)
        };
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap().replace("{ absent, misconfigured }", "{ absent, misconfigured, needsHuman }");
        let (before, behind) = text.split_once(after).unwrap();
        fs::write(path, format!("{before}{after}{line}{behind}")).unwrap();
    }

    /// Builds it as its README says.
    pub(crate) fn build(&self) {
        self.run(if self.language == "python" { &["sh", "build.sh"] } else { &["npm", "run", "build"] });
    }

    /// The component that was built.
    pub(crate) fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
    }

    /// Fails unless it imports just these interfaces of the contract, and needs just these grants.
    pub(crate) fn imports(&self, interfaces: &[&str], grants: &[&str]) {
        let inspected = Command::new(env!("CARGO_BIN_EXE_flytoken"))
            .args(["plugin", "inspect", "--json"])
            .arg(self.component())
            .env("HOME", &self.folder)
            .output()
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
        let names = |list: &str, prefix: &str| {
            let names = told[list].as_array().unwrap().iter().filter_map(|entry| entry["name"].as_str()?.strip_prefix(prefix));
            let mut names: Vec<_> = names.map(|name| name.split('@').next().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names("imports", "flytoken:source/"), interfaces, "{}", self.language);
        assert_eq!(names("grants", ""), grants, "{}", self.language);
    }

    /// Fails unless `flytoken plugin check` passes it.
    pub(crate) fn checks(&self, home: &Home, arguments: &[&str]) {
        let component = self.component();
        let check = ["plugin", "check", component.to_str().unwrap(), "--app", "web", "--timeout", "20s"];
        let ran = home.run(&[&check[..], arguments].concat());
        assert_eq!(ran.code, Some(0), "{}: {}\n{}", self.language, ran.stdout, ran.stderr);
    }

    fn run(&self, words: &[&str]) {
        let output = Command::new(words[0]).args(&words[1..]).current_dir(&self.folder).output().unwrap();
        let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{words:?} in a project of {}:\n{told}", self.language);
    }
}

/// Keeps the component where the benchmark looks for that of this language.
pub(crate) fn keep(project: &Project, language: &str) {
    fs::copy(project.component(), tools_folder().join(format!("{language}.wasm"))).unwrap();
}

/// Where `.ci/run` installs the tools of other languages.
fn tools_folder() -> PathBuf {
    root().join("target/languages")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Copies a folder; what links lead to is copied in their place.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        // What tools make, and bring along.
        let made = ["node_modules", ".venv", "__pycache__"].iter().any(|made| name == *made);
        if made || path.extension().is_some_and(|end| end == "wasm") {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
