# Developers' comfort; everything here is a plain cargo command. `just` alone lists the recipes.

_:
    @just --list

# What CI checks before the tests: format, lints, docs.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Every test.
test *ARGS:
    cargo test --locked {{ARGS}}

# The pages that are made from something else: the reference of the contract, and the errors.
docs:
    FLYTOKEN_WRITE_DOCS=1 cargo test --locked -p flytoken --test behaviours -- docs::the_reference messages::

# The pictures of the README, from what the program prints.
pictures:
    FLYTOKEN_WRITE_DOCS=1 cargo test --locked -p flytoken --test behaviours -- pictures::

# Against real servers and clients; needs nginx, openssl, skopeo, docker-registry and htpasswd.
servers *ARGS:
    cargo test --locked --test servers {{ARGS}}

# Sources in Python and JavaScript; needs what `.ci/run` installs below target/languages.
languages *ARGS:
    cargo test --locked --test languages {{ARGS}}

# So many kills of an agent at random moments under load: every later one has what was acknowledged. `just test` does as many as fit into 20 s.
kills N="300":
    FLYTOKEN_TEST_KILLS={{N}} cargo test --locked -p flytoken --test behaviours -- --nocapture durability::after_a_kill_at_any_moment_an_agent

# A source replaced so many times under load, fifty requests each time; `just test` does it 40 times.
swaps N="1000":
    FLYTOKEN_TEST_SWAPS={{N}} cargo test --locked -p flytoken --test behaviours -- --nocapture swap::swap_after_swap_under_load

# The built-in sources alone, natively.
plugins:
    cargo test --locked -p flytoken-source -p flytoken-storage -p flytoken-config -p flytoken-cli -p flytoken-manual -p flytoken-file -p flytoken-environment -p flytoken-vault-http

# Every budget as one line: budget, measured, ratio and the reference from the same run; then what 10 to 100,000 apps cost. Or only the
# parts that are named, such as `just bench core attestation`.
bench *PARTS:
    cargo bench --locked -p flytoken --bench budgets -- {{PARTS}}

# An agent under load, ten minutes or as many seconds as said: 10,000 apps, 1,000 connections, and what it held before and after.
load SECONDS="600":
    cargo bench --locked -p flytoken --bench load -- {{SECONDS}}

# The whole chain in a throwaway home.
demo:
    cargo run --release --locked -- demo

# What strangers write against what a fuzzer comes up with, ten minutes a target; needs nightly and cargo-fuzz. `text`, `macaroon` and
# `caveat_json` are of the token parser, and built in seconds; `frame`, `config`, `policy` and `guest` take the whole host along, without the
# sanitizer: the host has no unsafe code of its own but for one system call, and the compiler of the sandbox takes half an hour under it.
fuzz TARGET="text" SECONDS="600":
    cargo +nightly fuzz run {{ if TARGET =~ "^(frame|config|policy|guest)$" { "--features host --sanitizer none" } else { "" } }} {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -max_total_time={{SECONDS}} -max_len=4096
