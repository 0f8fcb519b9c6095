//! Whether a component in a file may run: its digest is the one that somebody named, and it imports no more than somebody agreed to.

use crate::{
    config::{ComponentRef, SourceConfig},
    hex,
    trust::shown,
};

/// Whether components run that nothing pins to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unpinned {
    /// Those whose source says `dev: true`.
    #[default]
    IfDev,
    /// None, whatever a source says.
    Never,
}

/// Holds a component's digest against its pin.
pub(crate) fn check_pin(config: &SourceConfig, sha256: &[u8; 32], unpinned: Unpinned) -> Result<(), String> {
    let ComponentRef::File(path) = &config.component else { return Ok(()) };
    let digest = hex::encode(sha256);
    match (config.sha256, config.dev, unpinned) {
        (Some(pinned), _, _) if pinned == *sha256 => Ok(()),
        (Some(_), _, _) => Err(format!("the component is not the one that `sha256` names: it has {digest}")),
        (None, true, Unpinned::IfDev) => Ok(()),
        (None, is_dev, _) => {
            let path = shown(path);
            let name = &config.name;
            let instead = match unpinned {
                Unpinned::IfDev => ", or write `dev: true` beside it to run whatever the file holds",
                Unpinned::Never if is_dev => "; `dev: true` is not allowed here",
                Unpinned::Never => "",
            };
            Err(format!("{path} is not pinned: it has sha256 {digest}; type `flytoken plugin add {path} --name {name}`{instead}"))
        }
    }
}

/// Holds what a component imports against what somebody agreed to.
pub(crate) fn check_imports(config: &SourceConfig, imports: &[String]) -> Result<(), String> {
    let Some(agreed) = &config.imports else { return Ok(()) };
    match imports.iter().find(|import| !agreed.contains(*import)) {
        None => Ok(()),
        Some(import) => Err(format!(
            "imports `{import}`, which `sources.{}.imports` does not list; type `flytoken plugin inspect FILE` to see what that lets it do",
            config.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf, time::Duration};

    use super::*;
    use crate::config::{Grants, Role, SourceName};

    #[test]
    fn where_nothing_unpinned_may_run_dev_is_of_no_use() {
        let source = |sha256: Option<[u8; 32]>, dev| SourceConfig {
            name: SourceName::parse("corp").expect("a name"),
            component: ComponentRef::File(PathBuf::from("/c.wasm")),
            enabled: true,
            sha256,
            dev,
            imports: None,
            role: Role::Live,
            settings: BTreeMap::new(),
            timeout: Duration::from_secs(5),
            mints: false,
            keep: false,
            revoke_on_replace: false,
            grants: Grants::default(),
            ruled: None,
        };
        for (sha256, dev, unpinned, refused) in [
            (Some([1; 32]), false, Unpinned::Never, None),
            (Some([2; 32]), true, Unpinned::IfDev, Some("is not the one that `sha256` names")),
            (None, true, Unpinned::IfDev, None),
            (None, true, Unpinned::Never, Some("--name corp`; `dev: true` is not allowed here")),
            (None, false, Unpinned::Never, Some("type `flytoken plugin add /c.wasm --name corp`")),
            (None, false, Unpinned::IfDev, Some("or write `dev: true` beside it")),
        ] {
            let told = check_pin(&source(sha256, dev), &[1; 32], unpinned).err();
            assert!(told.as_deref().map_or(refused.is_none(), |told| refused.is_some_and(|part| told.contains(part))), "{told:?}");
        }
    }
}
