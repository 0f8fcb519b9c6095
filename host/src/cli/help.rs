//! What stands below the options of each command: the words that need room, and examples to copy.

pub(super) const EXAMPLES: &str = "\
Examples:
  flytoken get my-app                          print a read-only token
  flytoken exec --kind deploy -- fly deploy    deploy the app of ./fly.toml
  flytoken agent install                       answer every tool from one place
  flytoken explain my-app                      see where the last token came from
  flytoken demo                                see it all, with no account";

pub(super) const AFTER: &str = "\
Examples:
  flytoken get my-app                          print a read-only token
  flytoken exec --kind deploy -- fly deploy    deploy the app of ./fly.toml
  flytoken agent install                       answer every tool from one place
  flytoken explain my-app                      see where the last token came from
  flytoken demo                                see it all, with no account

Kinds: readonly (default), deploy, ssh, machine-exec, org, and login, the raw login.

Variables: FLYTOKEN_CONFIG, FLYTOKEN_SOCKET, FLYTOKEN_PROFILE, FLY_APP; NO_COLOR turns colours off.

Exit codes: 0 done; 1 defect; 2 usage; 3 no token; 4 denied by policy; 5 agent; 6 needs a person;
7 misconfigured; 8 try again later. `exec`: 125 own failure, 126 not executable, 127 not found.";

pub(super) const GET: &str = "\
Examples:
  flytoken get my-app
  flytoken get my-app --kind deploy --valid-for 30m
  flytoken get my-app --kind deploy --actions r --max-lifetime 10m
  curl -H \"$(flytoken get my-app --header)\" https://api.machines.dev/v1/apps/my-app/machines
  flytoken get --json | jq -r .expires_at      for the app of ./fly.toml";

pub(super) const EXEC: &str = "\
The command gets FLY_API_TOKEN; FLY_ACCESS_TOKEN, which flyctl would prefer, FLY_AUTH_TOKEN and
FLY_METRICS_TOKEN are removed. Its exit code is passed on; 125 is flytoken's own failure, 126 a
command that cannot be executed, 127 one that is not found.

Examples:
  flytoken exec --kind deploy -- fly deploy
  flytoken exec my-app -- fly status -a my-app
  flytoken exec -a my-app --kind ssh -- fly ssh console";

pub(super) const ENV: &str = "\
Examples:
  eval \"$(flytoken env my-app)\"
  flytoken env my-app --format fish | source
  flytoken env my-app --kind deploy --format dotenv > .env";

pub(super) const SET: &str = "\
The token is read from a hidden prompt, or from stdin; never from an argument, which every process
of the machine could read. One that cannot be used is refused, in the words of `flytoken inspect`;
--force keeps it anyway, and it is handed out once it can be used.

Examples:
  flytoken set my-app
  fly tokens create deploy -a my-app -x 24h | flytoken set my-app";

pub(super) const UNSET: &str = "\
Examples:
  flytoken unset my-app";

pub(super) const REFRESH: &str = "\
Prints nothing on stdout: ask with `get`. Tokens handed out before stay valid until they expire.

Examples:
  flytoken refresh my-app
  flytoken refresh my-app --kind deploy";

pub(super) const INVALIDATE: &str = "\
The token is never handed out again, whatever remembers it. It stays valid at Fly until it expires
or is revoked there: `flytoken revoke` does both for one that was minted here.

Examples:
  flytoken invalidate my-app                          everything obtained so far
  flytoken invalidate my-app --fingerprint 0123456789abcdef
  echo \"$TOKEN\" | flytoken invalidate my-app --token-stdin";

pub(super) const EXPLAIN: &str = "\
Asks nobody unless --resolve is given. Without an agent nothing is remembered between commands, so
there is a resolution to show only with --resolve.

Examples:
  flytoken explain my-app
  flytoken explain my-app --kind deploy --resolve";

pub(super) const STATUS: &str = "\
Never shows a token, only fingerprints.

Examples:
  flytoken status
  flytoken status --json | jq '.apps[].expires_at'";

pub(super) const TOP: &str = "\
Shows what `flytoken status` does, once a second: apps with the time their tokens have left, sources
with how long they take, mints against the budget, and what happened last. Needs an agent and a
terminal. Keys: up and down select an app, e explains where its token came from, r obtains a newer
one, i has it never handed out again, ? lists all keys, q ends.

Examples:
  flytoken top
  flytoken --profile work top
  NO_COLOR=1 flytoken top";

pub(super) const MINTED: &str = "\
Each mint has a name of its own, under which `fly tokens list` shows it and by which
`flytoken revoke` ends it. The names are kept for a week after a token's end, and survive a crash.

Examples:
  flytoken minted
  flytoken minted --json | jq -r '.mints[] | select(.cached | not) | .name'";

pub(super) const REVOKE: &str = "\
First the token is handed out no longer, here and from now on; then it is revoked at Fly by the
source that minted it, and looked for there again. Copies that were narrowed end with it, and tools
that hold one lose it; a newer token of the same app stays. If anything is in doubt that is an
error, and the token may still be good.

Examples:
  flytoken revoke flytoken-my-app-deploy-00c0ffee0000
  flytoken minted --json | jq -r '.mints[] | select(.app == \"my-app\") | .name' |
    xargs -n 1 flytoken revoke";
pub(super) const AUDIT: &str = "\
With `audit: { file: … }` in the configuration every request is a line of JSON: who asked, for what, what
was decided, and the fingerprint of what was handed out; so is each call that a source was denied. Each line holds a hash over itself and all before
it, under a key of this installation.

`verify` ends with exit code 7 if lines were changed, removed, put elsewhere or cut off.

Examples:
  flytoken audit --app web
  flytoken audit tail -n 1000 --json | jq 'select(.decision == \"denied\")'
  flytoken audit verify";

pub(super) const DOCTOR: &str = "\
Changes nothing. Exit code 7 if something is broken; what may only need a look counts as well.

Examples:
  flytoken doctor
  flytoken doctor --json | jq -r '.checks[] | select(.state == \"fail\") | .command'";

pub(super) const INSPECT: &str = "\
The token is read from a hidden prompt, or from stdin; nobody is asked, and nothing secret is shown.
Only Fly can tell whether a signature is good. Exit code 7 if the text cannot be read.

Examples:
  flytoken inspect
  flytoken get my-app | flytoken inspect
  fly auth token -q | flytoken inspect --json | jq '.tokens[] | {organization, usable_until}'";

pub(super) const ATTENUATE: &str = "\
The token is read from a hidden prompt, or from stdin; nobody is asked. What is narrowed opens less
and ends no later; the original stays as it was. Finished tokens and user tokens cannot be narrowed.

Examples:
  flytoken get my-app --kind deploy | flytoken attenuate --actions r --max-lifetime 10m
  flytoken attenuate --organization-id 456 --app-id 123 --if-present < token
  flytoken attenuate --caveats caveats.json < token";

pub(super) const AGENT: &str = "\
Runs until Ctrl-C or SIGTERM, and logs to stderr. One agent runs per user and profile.

--system is for an account of its own, under systemd: /run/flytoken/agent.sock answers every user whom
a rule of /etc/flytoken/policy.yaml admits. State, cache and socket are where STATE_DIRECTORY,
CACHE_DIRECTORY and RUNTIME_DIRECTORY say, the configuration is /etc/flytoken alone, the login the
credential `fly-login`: the token, on one line. Commands ask it where no agent of their user runs.

Examples:
  flytoken agent
  flytoken agent install                       started whenever somebody asks, from now on
  systemctl enable --now flytoken-system       an agent for every user: dist/systemd, README.md
  flytoken agent --log json 2>> agent.log &";

pub(super) const AGENT_INSTALL: &str = "\
On Linux two units of your own systemd, flytoken.socket and flytoken.service (with --profile, flytoken-NAME):
systemd listens, and starts the agent for the first who asks. On macOS an agent of launchd, which runs from
then on. Each has the variables in it that say here where things lie, and PATH, to find `fly`. What you wrote
there yourself is not overwritten. Once a newer flytoken is installed, an agent that waits for nothing ends,
and the newer one answers. Exit code 6 if the files are written and systemd or launchd could not be told.

Examples:
  flytoken agent install
  flytoken agent install --dry-run
  flytoken --profile work agent install        a second agent, for that account";

pub(super) const AGENT_UNINSTALL: &str = "\
Stops the agent and removes the files that `flytoken agent install` wrote, and no others. What the agent kept
stays, and every command goes on to work without it.

Examples:
  flytoken agent uninstall
  flytoken agent uninstall --dry-run";

pub(super) const PROFILE: &str = "\
Each profile has a configuration, state, an agent and a login at Fly of its own. A name is enough:
what a profile needs is made when it is needed. `--profile NAME` or FLYTOKEN_PROFILE chooses one.

Examples:
  flytoken profile
  eval \"$(flytoken profile use work)\"
  fly auth login                               logs in to the account of that profile
  flytoken --profile work get my-app
  flytoken --profile work agent install";

pub(super) const PROFILE_LIST: &str = "\
JSON: profiles, each with name, current, logged_in, agent (its process), config, fly (folders).

Examples:
  flytoken profile list
  flytoken profile list --json";

pub(super) const PROFILE_PROMPT: &str = "\
Reads one variable and asks nobody, neither an agent nor a file.

Examples:
  PS1='$(flytoken profile prompt --format \"[fly: %p] \")'$PS1
  flytoken profile prompt";

pub(super) const PROFILE_USE: &str = "\
Sets FLYTOKEN_PROFILE for flytoken, and FLY_CONFIG_DIR so that `fly` means the same account.

Examples:
  eval \"$(flytoken profile use work)\"
  eval \"$(flytoken profile use default)\"
  flytoken profile use work --format fish | source";

pub(super) const DOCKER: &str = "\
`docker push`, `docker pull`, Podman, skopeo and whatever else reads Docker's configuration then ask
flytoken for a deploy token, each time, in place of a login that ends within minutes. The app is
the one of FLY_APP, of ./fly.toml, or of `docker: { app: my-app }` in flytoken's configuration.

Examples:
  flytoken docker install
  docker push registry.fly.io/my-app:v1
  flytoken docker uninstall";

pub(super) const DOCKER_INSTALL: &str = "\
Writes `credHelpers` into ~/.docker/config.json, or that of DOCKER_CONFIG, and leaves the rest of the
file as it is; and has PATH find docker-credential-flytoken, a link to flytoken itself.

Examples:
  flytoken docker install --dry-run
  flytoken docker install
  FLY_APP=my-app skopeo inspect docker://registry.fly.io/my-app:v1";

pub(super) const DOCKER_UNINSTALL: &str = "\
Examples:
  flytoken docker uninstall";

pub(super) const SETUP: &str = "\
Nothing needs it: `flytoken get` works at once. It says what there is, asks what the options below do not
say, writes a configuration where there is none, and has the agent started for whoever asks, as
`flytoken agent install` does. A configuration that is there stays as it is.

Examples:
  flytoken setup
  flytoken setup --yes                         in a script: as usual, with the agent
  flytoken setup --yes --strict --no-agent";

pub(super) const UNINSTALL: &str = "\
Shows a list of all that there is to do, and asks: every token that was minted here and is still good is
revoked at Fly, the agent is stopped and its units go, and so do the key, the databases and compiled code.
Your configuration and your login stay, and so does whatever lies beside and is not flytoken's; the list names
it. Each profile is one of its own. If a token cannot be revoked, the key and the ledger that names it stay,
so that it can be tried again. Exit code 7 if anything could not be done.

Examples:
  flytoken uninstall --dry-run
  flytoken uninstall
  flytoken --profile work uninstall
  flytoken uninstall --yes --no-revoke         in a script, with no network";

pub(super) const CONFIG: &str = "\
Examples:
  $EDITOR \"$(flytoken config path)\"
  flytoken config check
  flytoken config show";

pub(super) const POLICY: &str = "\
A policy is an administrator's file, /etc/flytoken/policy.yaml: the ceiling over what users configure,
and which clients get what. No variable and no option moves it.

Examples:
  flytoken policy check ./policy.yaml
  flytoken policy show
  flytoken policy test --app my-app --kind deploy
  flytoken policy test --app my-app --client user=ci,executable=/usr/bin/deploy";

pub(super) const COMPLETIONS: &str = "\
At each Tab the script asks flytoken, which knows apps that its agent has tokens for, sources,
mints and profiles.

Examples:
  echo 'source <(flytoken completions bash)' >> ~/.bashrc
  echo 'source <(flytoken completions zsh)' >> ~/.zshrc
  flytoken completions fish > ~/.config/fish/completions/flytoken.fish";

pub(super) const AUDIT_VERIFY: &str = "\
Exit code 7 if a line is not as it was written, or not where.

Examples:
  flytoken audit verify
  flytoken audit verify --json | jq '.findings'";

pub(super) const AUDIT_TAIL: &str = "\
Examples:
  flytoken audit tail -n 100
  flytoken audit tail --json | jq 'select(.decision == \"denied\")'";

pub(super) const CONFIG_PATH: &str = "\
Examples:
  ${EDITOR:-vi} \"$(flytoken config path)\"";

pub(super) const CONFIG_SHOW: &str = "\
Examples:
  flytoken config show
  flytoken config show --json | jq '.chain'";

pub(super) const CONFIG_CHECK: &str = "\
Exit code 7 if the files do not hold. A running agent goes on with what it has until they do.

Examples:
  flytoken config check";

pub(super) const POLICY_CHECK: &str = "\
Exit code 7 if the policy does not hold. Nothing is put in force by it.

Examples:
  flytoken policy check
  flytoken policy check ./policy.yaml";

pub(super) const POLICY_SHOW: &str = "\
Examples:
  flytoken policy show";

pub(super) const POLICY_TEST: &str = "\
Examples:
  flytoken policy test --app my-app --kind deploy
  flytoken policy test --app my-app --client user=ci,executable=/usr/bin/terraform --file ./policy.yaml";

pub(super) const MAN: &str = "\
Their words are those of `--help`.

Examples:
  flytoken man ~/.local/share/man/man1
  man flytoken-get";

pub(super) const DEMO: &str = "\
Touches nothing of yours: home, socket and the `fly` command are made for it and removed.

Examples:
  flytoken demo";

pub(super) const PLUGIN: &str = "\
A source of your own is a WebAssembly component that exports `flytoken:source/source`. It can do what
it is granted and nothing else, and runs if its digest is the one that its configuration names.

Examples:
  flytoken plugin new corp --lang python       start one of your own
  flytoken plugin dev corp --app my-app        build it and ask it, again at each change
  flytoken plugin inspect corp.wasm            what it imports, and which grants it needs
  flytoken plugin run corp.wasm --app my-app   one call of it, with everything that it does
  flytoken plugin check corp.wasm              whether it keeps to the laws of sources
  flytoken plugin add corp.wasm                pin it, and write config.d/corp.yaml
  flytoken plugin list                         which sources there are, and how they are";

pub(super) const PLUGIN_NEW: &str = "\
Writes a folder with a source that works, a test, the contract and a README with every command. It builds
with the ordinary tools of its language: cargo, componentize-py, or npm with componentize-js. What it
needs, the operator has to grant; --needs writes the imports, and the lines for the configuration:

  http       requests to granted origins; the example reads a token out of JSON
  files      granted files, by name; the example passes one on, sealed
  commands   granted programs with their arguments
  login      the user's own login, as a secret
  records    one sealed record of its own for each app and kind
  env        granted variables of the agent
  sockets    TCP to granted destinations
  keeper     also remembers what other sources obtained; with records

Nothing is written into a folder that holds something, and no half of a project is left behind.

Examples:
  flytoken plugin new corp --lang rust                      a token from its settings
  flytoken plugin new corp --lang python --needs http
  flytoken plugin new corp --lang javascript --needs files --dir ~/src/corp";

pub(super) const PLUGIN_INSPECT: &str = "\
Nothing of the component runs, and nobody is asked. Exit code 7 if this flytoken could not load it.

Examples:
  flytoken plugin inspect corp.wasm
  flytoken plugin inspect corp.wasm --json | jq -r '.grants[].name'";

pub(super) const PLUGIN_RUN: &str = "\
For whoever writes a source. Nothing of yours is touched: no configuration, no policy, no database and no
login counts; the login is a made-up one, records lie in memory, and the component may do what --grant
says and nothing else. A granted command does run, with the made-up login.
What is typed here every user of the machine can see while it runs: a real token stands in a granted file.

Shown is everything that the call asked the host for, when and how long, its log, its memory, what came
of it, and the least grants that this run needed, to stand in a configuration file. No token is shown,
but with --reveal on a terminal. Exit code 0 if there is a lease that would be handed out, else that of a
chain of this one source: 3 no token, 6 needs a person, 7 misconfigured, 8 try again later.

Examples:
  flytoken plugin run corp.wasm --app my-app
  flytoken plugin run corp.wasm --app my-app --kind deploy --grant login --setting path=fly/tokens
  flytoken plugin run corp.wasm --app my-app --grant 'files: { token: ./token }' \\
    --grant 'http: [{ origin: https://vault.example, headers: { x-vault-token: { file: token } } }]'
  flytoken plugin run corp.wasm --app my-app --json | jq -r .grants";

pub(super) const PLUGIN_DEV: &str = "\
For whoever writes a source. The project is built with its own tool: build.sh if there is one, else cargo for
wasm32-wasip2, else the script `build` of package.json. Its component is asked as with `plugin run`: nothing
pinned, nothing of yours touched. Then its files are watched, and each change builds and asks again. Ctrl-C
ends it.

Examples:
  flytoken plugin dev --app my-app
  flytoken plugin dev ./corp --app my-app --kind deploy --grant 'files: { token: ./token }'
  flytoken plugin dev --app my-app --once";

pub(super) const PLUGIN_CHECK: &str = "\
Asks it for apps known and unknown, for every kind, a thousand times, with little memory, with a host that
denies, fails and is slow, and has it keep and forget if it does: each law is a line that passes, fails or does
not apply. As with `plugin run` nothing of yours is touched. Granted commands run for --app alone, and once
each; for every other app the program is not there. Over a network it is asked twenty times, not a thousand.
Exit code 0 if no law fails, else 7.

Examples:
  flytoken plugin check corp.wasm
  flytoken plugin check corp.wasm --app my-app --grant login --setting path=fly/tokens
  flytoken plugin check corp.wasm --json | jq -r '.laws[] | select(.state == \"fail\") | .name'";

pub(super) const PLUGIN_ADD: &str = "\
Shows what the component imports and asks. Then it is kept under its digest in the state folder, and
config.d/NAME.yaml names digest and imports; grants are left to you, as lines to take the # away from.
A running agent loads it at once.

Adding a newer file under the same name shows what changed, and writes only `component`, `sha256` and
`imports` anew: whatever else you wrote there stays. If it imports more than you agreed to, that is a
new question, which --yes alone does not answer: --yes-to-imports does.

Examples:
  flytoken plugin add corp.wasm
  flytoken plugin add target/wasm32-wasip2/release/corp_vault.wasm --name corp
  flytoken plugin add corp.wasm --yes                  in a script, for the first time or with no more imports
  flytoken plugin add corp.wasm --yes-to-imports       in a script, whatever it imports";

pub(super) const PLUGIN_LIST: &str = "\
P50 and P99 are of the last hundred calls, of an agent that runs; STEP is the place in the default chain.

Examples:
  flytoken plugin list
  flytoken plugin list --json | jq -r '.plugins[] | select(.pin == \"none\").name'";

pub(super) const PLUGIN_COMPILE: &str = "\
For images and installers: a component of 12 MB takes seconds to compile, once. Compiled code lies in the
cache folder, and what is there is taken by whoever starts with this version of flytoken. Exit code 7 if
a source does not load.

Examples:
  flytoken plugin compile
  flytoken plugin compile --json | jq -r '.sources[] | select(.problem != null) | .name'";

pub(super) const PLUGIN_DISABLE: &str = "\
Writes `enabled: false` for it into config.d/zz_disabled.yaml. It is loaded no longer, no chain asks it, and
what it handed out is not given to anybody any more, be it cached or kept. A running agent has done so when
the command ends. Built-in sources can be disabled as well, but not the last one of a chain.

Examples:
  flytoken plugin disable corp
  flytoken plugin disable config       # the login is never handed out, not even narrowed";

pub(super) const PLUGIN_ENABLE: &str = "\
Takes what `flytoken plugin disable` wrote out again. Where another file says `enabled: false`, it names it.

Examples:
  flytoken plugin enable corp";

pub(super) const PLUGIN_REMOVE: &str = "\
Removes config.d/NAME.yaml as a whole, and the component if no other source runs it. A source that a
chain still names is not removed.

Examples:
  flytoken plugin remove corp";
