//! A stand-in `fly`: a shell script that hands out made-up tokens, one after the other, lists and revokes them, and notes how it was called.

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
        fly.lists(LIST);
        fly.revokes(REVOKE);
        let script = format!("#!/bin/sh\nnotes='{}'\n{DISPATCH}", folder.display());
        let program = bin.join("fly");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fly
    }

    /// Has it run these lines of shell instead; `$notes` is its folder, `$5` the app of a deploy token.
    pub(crate) fn says(&self, script: &str) {
        self.runs("script", script);
    }

    /// Has `fly tokens list` run these lines of shell instead; `$call` is how often it was called, from 1 on.
    pub(crate) fn lists(&self, script: &str) {
        self.runs("list", script);
    }

    /// Has `fly tokens revoke` run these lines of shell instead; `$3` is the id.
    pub(crate) fn revokes(&self, script: &str) {
        self.runs("revoke", script);
    }

    fn runs(&self, name: &str, script: &str) {
        // In one step: it may be running.
        let new = self.folder.join(format!("{name}.new"));
        fs::write(&new, script).unwrap();
        fs::rename(new, self.folder.join(name)).unwrap();
    }

    /// The calls that minted, listed or revoked: `create`, `list` or `revoke`.
    pub(crate) fn called_to(&self, what: &str) -> Vec<String> {
        self.calls().into_iter().filter(|call| call.split(' ').nth(1) == Some(what)).collect()
    }

    /// Whether Fly has the token of this name, and whether it is good there.
    pub(crate) fn is_good(&self, name: &str) -> Option<bool> {
        let tokens = self.note("tokens").unwrap_or_default();
        let is_revoked = |id: &str| self.note("revoked").unwrap_or_default().lines().any(|line| line == id);
        tokens.lines().find_map(|line| {
            let mut cells = line.split('\t');
            let (id, its_name) = (cells.next().unwrap(), cells.next().unwrap());
            (its_name == name).then(|| !is_revoked(id))
        })
    }

    /// Has Fly list one more token of an app or organisation.
    pub(crate) fn knows(&self, id: &str, name: &str, of: &str) {
        let tokens = self.note("tokens").unwrap_or_default();
        fs::write(self.folder.join("tokens"), format!("{tokens}{id}\t{name}\t{of}\n")).unwrap();
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
printf 'Kv%s-%s_x\t%s\t%s\n' $$ "$number" "$8" "$app" >> "$notes/tokens"
cat "$notes/$app/$number"
"#;

/// Which script does it.
const DISPATCH: &str = r#"
echo "$*" >> "$notes/calls"
case "$2" in
list) call=$(grep -c '^tokens list' "$notes/calls"); . "$notes/list" ;;
revoke) . "$notes/revoke" ;;
*) . "$notes/script" ;;
esac
"#;

/// As `fly tokens list -a APP` and `fly tokens list -s org -o ORG` behave: each cell is filled up to the width of its column and ends with a
/// tab, and what was revoked stays in the list. In `awk`'s hands, so that a name of any length is one cell.
pub(crate) const LIST: &str = r#"
[ -n "$FLY_API_TOKEN" ] || { echo "Error: no access token available. Please login with 'flyctl auth login'" >&2; exit 1; }
case "$3" in
-a) of=$4; title="Tokens for app \"$4\":" ;;
*) of=$6; title="Tokens for organization \"$6\":" ;;
esac
touch "$notes/tokens" "$notes/revoked"
echo "$title"
awk -F '\t' -v of="$of" '
BEGIN { split("ID,NAME,CREATED BY,EXPIRES AT,REVOKED AT", head, ","); for (c = 1; c <= 5; c++) width[c] = length(head[c]) }
FILENAME == ARGV[1] { revoked[$1] = 1; next }
$3 == of { n++; cell[n, 1] = $1; cell[n, 2] = $2; cell[n, 3] = "a@acme.com"; cell[n, 4] = "2026-12-01 10:00:00 +0000 UTC"
  cell[n, 5] = ($1 in revoked) ? "2026-11-26 10:00:00 +0000 UTC" : ""
  for (c = 1; c <= 5; c++) if (length(cell[n, c]) > width[c]) width[c] = length(cell[n, c]) }
END { for (c = 1; c <= 5; c++) printf "%-" width[c] "s%s", head[c], (c < 5) ? "\t" : " \n"
  for (r = 1; r <= n; r++) { for (c = 1; c <= 5; c++) printf "%-" width[c] "s\t", cell[r, c]; print "" } }
' "$notes/revoked" "$notes/tokens"
echo
"#;

/// As `fly tokens revoke ID` behaves: it ends well whether or not there is such a token.
pub(crate) const REVOKE: &str = r#"
touch "$notes/tokens"
if cut -f 1 "$notes/tokens" | grep -qxF -e "$3"; then
  echo "$3" >> "$notes/revoked"
  echo "Revoked $3"
  echo '1 tokens revoked'
else
  echo "failed to revoke token $3: Could not find LimitedAccessToken" >&2
  echo '0 tokens revoked'
fi
"#;
