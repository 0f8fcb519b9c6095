//! A source in JavaScript: modules, a world, and a script that calls componentize-js.

use super::{
    File,
    need::{Example, Needs},
    template::Template,
    world,
};
use crate::config::SourceName;

pub(super) fn files(name: &SourceName, needs: &Needs, mut template: Template) -> Vec<File> {
    template.set("componentize_js", "0.23.0");
    let mut own = vec![
        ("README.md", include_str!("templates/javascript/README.md")),
        (".gitignore", include_str!("templates/javascript/gitignore")),
        ("package.json", include_str!("templates/javascript/package.json")),
        ("build.mjs", include_str!("templates/javascript/build.mjs")),
        ("refused.js", include_str!("templates/javascript/refused.js")),
    ];
    own.extend(match needs.example() {
        Example::Settings => [
            ("app.js", include_str!("templates/javascript/settings/app.js")),
            ("token-source.js", include_str!("templates/javascript/settings/token-source.js")),
            ("token-source.test.js", include_str!("templates/javascript/settings/token-source.test.js")),
        ],
        Example::Http => [
            ("app.js", include_str!("templates/javascript/http/app.js")),
            ("token-source.js", include_str!("templates/javascript/http/token-source.js")),
            ("token-source.test.js", include_str!("templates/javascript/http/token-source.test.js")),
        ],
        Example::Files => [
            ("app.js", include_str!("templates/javascript/files/app.js")),
            ("token-source.js", include_str!("templates/javascript/files/token-source.js")),
            ("token-source.test.js", include_str!("templates/javascript/files/token-source.test.js")),
        ],
        Example::Keeper => [
            ("app.js", include_str!("templates/javascript/keeper/app.js")),
            ("token-source.js", include_str!("templates/javascript/keeper/token-source.js")),
            ("token-source.test.js", include_str!("templates/javascript/keeper/token-source.test.js")),
        ],
    });
    if needs.include(super::Need::Http) {
        own.push(("http-json.js", include_str!("templates/javascript/http/http-json.js")));
    }
    let mut files: Vec<File> = own.into_iter().map(|(path, text)| template.file(path, text)).collect();
    files.extend(world::files(name, needs));
    files
}
