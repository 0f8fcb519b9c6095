//! `flytoken man`: a manual page for each command, from the same words as `--help`.

use std::{fs, io, path::Path};

use clap::CommandFactory;

use super::{Context, failure};
use crate::{
    cli::{Cli, Man},
    protocol::{Failure, FailureCode},
    trust::shown,
};

pub(super) fn run(man: &Man, context: &Context) -> Result<(), Failure> {
    let folder = shown(&man.folder);
    write(&man.folder).map_err(|cause| {
        let hint = format!("name a folder that you may write to, such as `flytoken man ~/.local/share/man/man1`, or see `ls -ld {folder}`");
        failure(FailureCode::Usage, format!("the pages cannot be written into {folder}: {cause}"), hint)
    })?;
    context.output.print(&format!("written into {folder}; read one with `man {}`\n", shown(&man.folder.join("flytoken.1"))))
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of each command's page, with those of the commands below it.
    fn pages(command: &clap::Command, above: &str, found: &mut Vec<String>) {
        let name = if above.is_empty() { command.get_name().to_owned() } else { format!("{above}-{}", command.get_name()) };
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            pages(below, &name, found);
        }
        found.push(name);
    }

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let mut found = Vec::new();
        pages(&Cli::command(), "", &mut found);
        assert!(found.len() > 40, "{found:?}");
        for name in found {
            let page = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(page.contains(".TH") && !page.contains('\u{1b}'), "{name}");
            // Help that says no more than the options does not teach.
            assert!(page.contains("Examples:") || page.contains("SUBCOMMANDS"), "{name} has no examples");
        }
    }
}
