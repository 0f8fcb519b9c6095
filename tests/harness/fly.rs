//! A stand-in `fly`: a shell script that hands out made-up tokens, one after the other, and notes how it was called.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The stand-in. Its folder is outside what is searched for leaked tokens: it is where they come from.
pub(crate) struct Fly {
    folder: PathBuf,
}

impl Fly {
    /// A stand-in in `home`, for which `folder` holds what it knows. It mints what [`Fly::mints`] said, and knows no other app.
    pub(crate) fn install(bin: &Path, folder: &Path) -> Self {
        let fly = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder).unwrap();
        fs::create_dir_all(bin).unwrap();
        fly.says(MINT);
        let script = format!("#!/bin/sh\nnotes='{}'\necho \"$*\" >> \"$notes/calls\"\n. \"$notes/script\"\n", folder.display());
        let program = bin.join("fly");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fly
    }

    /// Has it run these lines of shell instead; `$notes` is its folder, `$5` the app of a deploy token.
    pub(crate) fn says(&self, script: &str) {
        // In one step: it may be running.
        let new = self.folder.join("script.new");
        fs::write(&new, script).unwrap();
        fs::rename(new, self.folder.join("script")).unwrap();
    }

    /// Has it mint these for `app`, in this order, and the last one ever after.
    pub(crate) fn mints(&self, app: &str, tokens: &[String]) {
        let folder = self.folder.join(app);
        fs::create_dir_all(&folder).unwrap();
        for (number, token) in tokens.iter().enumerate() {
            fs::write(folder.join(number.to_string()), format!("{{\n    \"token\": \"FlyV1 {token}\"\n}}\n")).unwrap();
        }
    }

    /// Has every mint wait from now on until [`Fly::lets_go`].
    pub(crate) fn holds(&self) {
        let _ = fs::remove_file(self.folder.join("gate"));
        self.says(&format!("while [ ! -e \"$notes/gate\" ]; do sleep 0.01; done\n{MINT}"));
    }

    /// Lets the mints that wait go on, and later ones run as they come.
    pub(crate) fn lets_go(&self) {
        fs::write(self.folder.join("gate"), "").unwrap();
    }

    /// Fails every mint from now on, with this on standard error.
    pub(crate) fn fails(&self, error: &str) {
        self.says(&format!("echo 'Error: {error}' >&2; exit 1\n"));
    }

    /// Mints from now on as it did at first.
    pub(crate) fn recovers(&self) {
        self.says(MINT);
    }

    /// Has it do nothing for `app` until it is let go.
    pub(crate) fn hold(&self, app: &str) {
        fs::write(self.folder.join(format!("{app}.held")), "").unwrap();
    }

    /// Lets it go on for `app`.
    pub(crate) fn let_go(&self, app: &str) {
        fs::remove_file(self.folder.join(format!("{app}.held"))).unwrap();
    }

    /// Waits until it was called so many times.
    pub(crate) fn called(&self, times: usize) {
        super::eventually("fly", || (self.calls().len() >= times).then_some(()));
    }

    /// The processes whose numbers the script wrote to files `pid…`. One that is being written, and so has no whole line, does not count.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let names = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let noted = names.filter(|name| name.starts_with("pid") && !name.contains('.'));
        let texts = noted.map(|name| fs::read_to_string(self.folder.join(name)).unwrap());
        texts.filter_map(|text| text.strip_suffix('\n').map(|line| line.parse().unwrap())).collect()
    }

    /// The arguments of every call so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.folder.join("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// A file that the script wrote.
    pub(crate) fn note(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(name)).ok()
    }
}

/// As `fly tokens create … -a APP … -j` behaves.
pub(crate) const MINT: &str = r#"
app=$5
[ -n "$FLY_API_TOKEN" ] || { echo "Error: no access token available. Please login with 'flyctl auth login'" >&2; exit 1; }
[ -d "$notes/$app" ] || { echo "Error: failed retrieving app $app: Could not find App \"$app\"" >&2; exit 1; }
while [ -e "$notes/$app.held" ]; do sleep 0.02; done
number=$(cat "$notes/$app.next" 2>/dev/null || echo 0)
[ -f "$notes/$app/$number" ] || number=$((number - 1))
echo $((number + 1)) > "$notes/$app.next"
cat "$notes/$app/$number"
"#;
