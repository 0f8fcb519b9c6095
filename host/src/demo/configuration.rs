//! The configuration files of the demo: one for each act that adds something.

use super::forged::Forged;

/// The app that the company's vault answers for.
pub(super) const PAYROLL: &str = "payroll";

/// The company's vault.
pub(super) const CORP: &str = "corp";

/// The app for which the source that wants too much is asked first.
pub(super) const BAIT: &str = "bait";

/// The source that wants too much.
pub(super) const GREEDY: &str = "greedy";

/// The folders of the files. Components lie beside the files that name them.
pub(super) const FOLDERS: [&str; 3] = ["home/.config", "home/.config/flytoken", "home/.config/flytoken/config.d"];

/// The user's own file.
pub(super) const MAIN: &str = "home/.config/flytoken/config.yaml";

/// Where each act adds a file, and components.
pub(super) fn added(name: &str) -> String {
    format!("home/.config/flytoken/config.d/{name}")
}

/// What is the default on a machine that nobody configured. This machine's administrator may have.
pub(super) fn main() -> String {
    "version: 1\nkey: file\nchain: [storage, config, cli, manual]\napps: []\n".into()
}

/// Adds the company's vault, whose component is the file `component` and which holds `token`.
pub(super) fn corp(component: &str, token: &Forged) -> String {
    let token = &token.text;
    format!(
        r#"sources:
  {CORP}:
    component: ./{component}
    dev: true
    settings: {{ token: "{token}" }}
apps:
  - {{ match: {PAYROLL}, chain: [{CORP}] }}
"#
    )
}

/// Adds the source that wants too much, and grants it nothing.
pub(super) fn greedy(component: &str) -> String {
    format!(
        r"sources:
  {GREEDY}:
    component: ./{component}
    dev: true
apps:
  - {{ match: {PAYROLL}, chain: [{CORP}] }}
  - {{ match: {BAIT}, chain: [{GREEDY}, {CORP}] }}
"
    )
}
