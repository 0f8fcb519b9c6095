//! Text with `{{placeholders}}`.

use super::File;

/// What the placeholders stand for.
#[derive(Debug, Default)]
pub(super) struct Template(Vec<(&'static str, String)>);

impl Template {
    pub(super) fn set(&mut self, placeholder: &'static str, text: &str) {
        self.0.push((placeholder, text.to_owned()));
    }

    /// A file with every placeholder filled in.
    pub(super) fn file(&self, path: &str, text: &str) -> File {
        let filled = self.0.iter().fold(text.to_owned(), |text, (name, with)| text.replace(&format!("{{{{{name}}}}}"), with));
        File::new(path, filled)
    }
}

impl File {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}
