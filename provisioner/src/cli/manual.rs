//! `billet man`: a manual page for each command, from the same definition as `--help` and `docs/cli.md`.

use super::{args::Cli, error::CliError, ui::Ui};
use clap::CommandFactory;
use std::path::Path;

/// Writes them into a folder.
pub(super) fn write(folder: &Path, ui: &mut Ui) -> Result<(), CliError> {
    if !folder.is_dir() {
        return Err(CliError::Input(format!("{} is no folder; make it first", folder.display())));
    }
    clap_mangen::generate_to(Cli::command(), folder).map_err(|source| CliError::File {
        what: "write manual pages to",
        path: folder.to_owned(),
        source,
    })?;
    ui.done(&format!("the manual pages are in {0}; `man {0}/billet.1` shows the first", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::cli::{args::Output, ui::Ui};

    #[test]
    fn each_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let mut ui = Ui::new(Box::new(std::io::sink()), Box::new(std::io::sink()), Output::Table);
        write(folder.path(), &mut ui).unwrap();
        let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page("billet.1").contains("billet\\-machine(1)"));
        assert!(page("billet-machine-service.1").contains("\\-\\-erase\\-disk"));
        assert!(page("billet-apply.1").contains("\\-\\-dry\\-run"));
        assert!(write(&folder.path().join("none"), &mut ui).is_err());
    }
}
