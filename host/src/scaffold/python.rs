//! A source in Python: modules, a world, and a script that calls componentize-py.

use super::{
    File,
    need::{Example, Needs},
    template::Template,
    world,
};
use crate::config::SourceName;

pub(super) fn files(name: &SourceName, needs: &Needs, mut template: Template) -> Vec<File> {
    template.set("install", INSTALL);
    let mut own = vec![
        ("README.md", include_str!("templates/python/README.md")),
        (".gitignore", include_str!("templates/python/gitignore")),
        ("build.sh", include_str!("templates/python/build.sh")),
        ("glue.py", include_str!("templates/python/glue.py")),
        ("refused.py", include_str!("templates/python/refused.py")),
    ];
    own.extend(match needs.example() {
        Example::Settings => [
            ("app.py", include_str!("templates/python/settings/app.py")),
            ("token_source.py", include_str!("templates/python/settings/token_source.py")),
            ("test_source.py", include_str!("templates/python/settings/test_source.py")),
        ],
        Example::Http => [
            ("app.py", include_str!("templates/python/http/app.py")),
            ("token_source.py", include_str!("templates/python/http/token_source.py")),
            ("test_source.py", include_str!("templates/python/http/test_source.py")),
        ],
        Example::Files => [
            ("app.py", include_str!("templates/python/files/app.py")),
            ("token_source.py", include_str!("templates/python/files/token_source.py")),
            ("test_source.py", include_str!("templates/python/files/test_source.py")),
        ],
        Example::Keeper => [
            ("app.py", include_str!("templates/python/keeper/app.py")),
            ("token_source.py", include_str!("templates/python/keeper/token_source.py")),
            ("test_source.py", include_str!("templates/python/keeper/test_source.py")),
        ],
    });
    if needs.include(super::Need::Http) {
        own.push(("http_json.py", include_str!("templates/python/http/http_json.py")));
    }
    let mut files: Vec<File> = own.into_iter().map(|(path, text)| template.file(path, text)).collect();
    files.extend(world::files(name, needs));
    files
}

/// The one place that says which version is known to work.
pub(super) const INSTALL: &str = "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1";
