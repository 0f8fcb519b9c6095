//! Files that a source was granted by name: read by the host, never opened by the source.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::{
    causes::with_causes,
    runtime::{BoxFuture, FilesAccess, FilesFailure},
    trust::{self, Untrusted},
};

/// A file that a source may have, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileGrant {
    /// The file, by its absolute path.
    pub path: PathBuf,
    /// What the source gets of it.
    pub form: FileForm,
}

/// What a source gets of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileForm {
    /// A secret, whose text it does not see.
    #[default]
    Secret,
    /// The bytes.
    Bytes,
}

/// The files of one source.
pub struct GrantedFiles {
    grants: BTreeMap<String, FileGrant>,
    uid: u32,
}

impl GrantedFiles {
    /// Those of `grants`, as `uid` may use them.
    pub fn new(grants: BTreeMap<String, FileGrant>, uid: u32) -> Self {
        Self { grants, uid }
    }

    fn granted(&self, name: &str, form: FileForm) -> Result<&Path, FilesFailure> {
        match self.grants.get(name) {
            // Who may have the bytes may have less.
            Some(grant) if grant.form >= form => Ok(&grant.path),
            Some(_) => Err(FilesFailure::Denied(format!(
                "this file is granted as a secret alone; to allow it, write `as: bytes` for `{name}` in the source's `grants.files`"
            ))),
            None => {
                let known: Vec<&str> = self.grants.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none is".into() } else { format!("granted is `{}`", known.join("`, `")) };
                Err(FilesFailure::Denied(format!(
                    "no file of this name is granted ({known}); to allow it, add to the source's `grants.files`: `{}: /a/path`",
                    crate::plain::line(name)
                )))
            }
        }
    }
}

impl FilesAccess for GrantedFiles {
    fn read<'a>(&'a self, name: &'a str, form: FileForm) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, FilesFailure>> {
        Box::pin(async move {
            let (path, uid) = (self.granted(name, form)?.to_owned(), self.uid);
            let most = if form == FileForm::Secret { LONGEST_SECRET } else { LONGEST_BYTES };
            // A slow disk holds no thread.
            let reading = spawn_blocking(move || read(&path, uid, most));
            reading.await.unwrap_or_else(|_| Err(FilesFailure::Failed("flytoken failed while it read the file".into())))
        })
    }
}

/// Reads a file that nobody but root and the user can change. A link may lead to another file of its folder, as in a mounted secret, and
/// nowhere else.
fn read(path: &Path, uid: u32, most: usize) -> Result<Zeroizing<Vec<u8>>, FilesFailure> {
    let failed = |cause: &io::Error| FilesFailure::Failed(format!("`{}` cannot be read: {cause}", path.display()));
    let checked = |path: &Path| match trust::check(path, uid) {
        Ok(real) => Ok(real),
        Err(Untrusted::Missing(_)) => Err(FilesFailure::Absent),
        Err(error) => Err(FilesFailure::Failed(with_causes(&error))),
    };
    let folder = checked(path.parent().unwrap_or(Path::new("/")))?;
    let real = checked(path)?;
    if !real.starts_with(&folder) {
        return Err(FilesFailure::Failed(format!("`{}` is a link that leads out of its folder", path.display())));
    }
    // There is no link left on the way. A pipe that stands there does not hold up anybody.
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = rustix::fs::open(&real, flags, rustix::fs::Mode::empty());
    let file = File::from(opened.map_err(|cause| failed(&cause.into()))?);
    let metadata = file.metadata().map_err(|cause| failed(&cause))?;
    if !metadata.is_file() {
        return Err(FilesFailure::Failed(format!("`{}` is no regular file", path.display())));
    }
    if ![0, uid].contains(&metadata.uid()) || metadata.permissions().mode() & 0o022 != 0 {
        return Err(FilesFailure::Failed(format!("others may write to `{}`", path.display())));
    }
    // All the room at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|cause| failed(&cause))?;
    if bytes.len() > most {
        return Err(FilesFailure::Failed(format!("`{}` has more than {most} bytes", path.display())));
    }
    Ok(bytes)
}

/// Every access to the files of one source, for calls that have one.
pub fn access(grants: &BTreeMap<String, FileGrant>) -> Option<Arc<dyn FilesAccess>> {
    let uid = rustix::process::geteuid().as_raw();
    (!grants.is_empty()).then(|| Arc::new(GrantedFiles::new(grants.clone(), uid)) as Arc<dyn FilesAccess>)
}

/// As long as a secret may be.
const LONGEST_SECRET: usize = 16 << 10;

/// More than any token, certificate or configuration of a source needs.
const LONGEST_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
            Self(folder)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        async fn read(&self, name: &str, form: FileForm) -> Result<String, FilesFailure> {
            let grant = |form| FileGrant { path: self.path("box/file"), form };
            let grants = [("token".to_owned(), grant(FileForm::Secret)), ("bytes".to_owned(), grant(FileForm::Bytes))];
            let files = GrantedFiles::new(grants.into(), rustix::process::geteuid().as_raw());
            files.read(name, form).await.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        }

        async fn fails(&self) -> String {
            self.read("token", FileForm::Secret).await.unwrap_err().to_string()
        }
    }

    #[tokio::test]
    async fn a_granted_name_has_its_content_in_its_form_and_no_other() {
        let folder = Folder::new();
        folder.write("box/file", "content");
        for (name, form) in [("token", FileForm::Secret), ("bytes", FileForm::Bytes), ("bytes", FileForm::Secret)] {
            assert_eq!(folder.read(name, form).await, Ok("content".into()), "{name} {form:?}");
        }
        for (name, form, hint) in [
            ("token", FileForm::Bytes, "as: bytes"),
            ("other", FileForm::Secret, "other: /a/path"),
            ("../box/file", FileForm::Secret, "no file of this name"),
        ] {
            let denied = folder.read(name, form).await.unwrap_err();
            assert!(matches!(&denied, FilesFailure::Denied(line) if line.contains(hint)), "{denied:?}");
        }
    }

    #[tokio::test]
    async fn a_link_may_lead_to_a_file_of_its_folder_and_nowhere_else() {
        let folder = Folder::new();
        folder.write("box/..data/file", "mounted");
        symlink("..data/file", folder.path("box/file")).unwrap();
        fs::set_permissions(folder.path("box"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(folder.read("token", FileForm::Secret).await, Ok("mounted".into()));
        folder.write("outside", "secret");
        for target in ["../outside", "..data/../../outside"] {
            fs::remove_file(folder.path("box/file")).unwrap();
            symlink(target, folder.path("box/file")).unwrap();
            assert!(folder.fails().await.contains("leads out of its folder"), "{target}");
        }
    }

    #[tokio::test]
    async fn what_is_long_strange_or_open_to_others_is_refused_and_what_is_missing_is_absent() {
        let folder = Folder::new();
        assert_eq!(folder.read("token", FileForm::Secret).await, Err(FilesFailure::Absent));
        folder.write("box/file", &"x".repeat(LONGEST_SECRET));
        assert!(folder.read("token", FileForm::Secret).await.is_ok());
        folder.write("box/file", &"x".repeat(LONGEST_SECRET + 1));
        assert!(folder.fails().await.contains("more than 16384 bytes"));
        assert!(folder.read("bytes", FileForm::Bytes).await.is_ok());
        fs::set_permissions(folder.path("box/file"), fs::Permissions::from_mode(0o622)).unwrap();
        assert!(folder.fails().await.contains("chmod"), "{}", folder.fails().await);
        fs::remove_file(folder.path("box/file")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.path("box/file"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(folder.fails().await.contains("no regular file"));
    }
}
