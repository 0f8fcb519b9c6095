//! `flytoken:source/files`: single files by the names that the operator granted.

use std::sync::Arc;

use wasmtime::component::{HasData, Resource};
use zeroize::Zeroizing;

use super::secrets::{Secret, Secrets};
use crate::{
    denials::Denials,
    granted_files::FileForm,
    plain,
    runtime::{
        access::{FilesAccess, FilesFailure},
        bindings::flytoken::source::files,
        trace::Use,
    },
};

/// What answers `files`: the files, and the table that their handles go into.
pub(in crate::runtime) struct FilesView<'a> {
    /// The files; none only if the host linked `files` and then lends none.
    pub(in crate::runtime) access: Option<Arc<dyn FilesAccess>>,
    /// Where handles go.
    pub(in crate::runtime) secrets: &'a mut Secrets,
    /// Where it is noted what is denied.
    pub(in crate::runtime) denials: Denials,
}

impl FilesView<'_> {
    /// What is behind a name; waits with nothing of the call but what it needs.
    fn content(&self, name: String, form: FileForm) -> impl Future<Output = Result<Zeroizing<Vec<u8>>, files::Failure>> + use<> {
        let (access, denials, trace) = (self.access.clone(), self.denials.clone(), self.secrets.trace());
        async move {
            trace.uses(|| Use::File(name.clone(), form));
            let step = trace.step(|| format!("files.{} {name}", if form == FileForm::Secret { "seal" } else { "read" }));
            let content = read(access, denials, &name, form).await;
            step.end_with(&content, |bytes| format!("{} bytes", bytes.len()), told);
            content
        }
    }
}

/// The content, if it may be had.
async fn read(
    access: Option<Arc<dyn FilesAccess>>,
    denials: Denials,
    name: &str,
    form: FileForm,
) -> Result<Zeroizing<Vec<u8>>, files::Failure> {
    let access = access.ok_or_else(|| files::Failure::Denied("no file is open for this call".into()))?;
    access.read(name, form).await.map_err(|failure| match failure {
        FilesFailure::Denied(line) => {
            denials.note(format!("asked for the file `{}`: {line}", plain::line(name)));
            files::Failure::Denied(line)
        }
        FilesFailure::Absent => files::Failure::Absent,
        FilesFailure::Failed(text) => files::Failure::Failed(text),
    })
}

/// How a failure reads in a trace.
fn told(failure: &files::Failure) -> String {
    match failure {
        files::Failure::Denied(line) => format!("denied: {line}"),
        files::Failure::Absent => "is not there".into(),
        files::Failure::Failed(text) => text.clone(),
    }
}

impl files::Host for FilesView<'_> {
    async fn seal(&mut self, name: String) -> wasmtime::Result<Result<Resource<Secret>, files::Failure>> {
        let bytes = match self.content(name, FileForm::Secret).await {
            Ok(bytes) => bytes,
            Err(failure) => return Ok(Err(failure)),
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(Err(files::Failure::Failed("the file is not UTF-8 text".into())));
        };
        self.secrets.keep(Zeroizing::new(text.to_owned())).map(Ok)
    }

    async fn read(&mut self, name: String) -> wasmtime::Result<Result<Vec<u8>, files::Failure>> {
        // The copy that goes to the source is out of the host's hands; its own is wiped.
        let bytes = self.content(name, FileForm::Bytes).await;
        if let (Ok(bytes), true) = (&bytes, self.secrets.trace().0.is_some()) {
            // Whether the source repeats it is what a trial looks for.
            self.secrets.strike_words(bytes);
        }
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }
}

/// Lets the linker borrow a [`FilesView`], and nothing else, out of a call.
pub(in crate::runtime) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}
