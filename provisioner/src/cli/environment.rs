//! What the CLI takes from around it: home, variables, standard input. Read once, so that tests can give others.

use super::terminal::{self, Keyboard};
use std::{
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

/// Reads a text from standard input.
pub(super) type ReadInput = Box<dyn Fn() -> io::Result<String>>;

/// Opens standard input for what is typed, key by key.
pub(super) type OpenKeyboard = Box<dyn Fn() -> io::Result<Keyboard>>;

/// The surroundings of a command.
pub(super) struct Environment {
    /// Where the user's settings are: `$XDG_CONFIG_HOME` or `~/.config`.
    pub(super) settings: Option<PathBuf>,
    /// Where the user's programs keep what they must not forget: `$XDG_STATE_HOME` or `~/.local/state`, or else
    /// `$XDG_RUNTIME_DIR`.
    pub(super) state: Option<PathBuf>,
    /// The file of the administrator on the service's own host.
    pub(super) admin: PathBuf,
    /// `BILLET_BMC_PASSWORD`.
    pub(super) bmc_password: Option<String>,
    /// `IPMI_PASSWORD`, as ipmitool has it.
    pub(super) ipmi_password: Option<String>,
    /// `IPMI_KGKEY`, as ipmitool has it.
    pub(super) bmc_key: Option<String>,
    /// Whether a person sits at standard input.
    pub(super) person: bool,
    /// Standard input: one line if a person types it, else all, up to a bound.
    pub(super) input: ReadInput,
    /// A line from the terminal that is not shown.
    pub(super) hidden: ReadInput,
    /// Standard input, key by key.
    pub(super) keyboard: OpenKeyboard,
}

/// The most that is read from standard input.
pub(super) const INPUT_LIMIT: u64 = 1024 * 1024;

impl Environment {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let folder = |name: &str| variable(name).map(PathBuf::from);
        let home = |below: &str| variable("HOME").map(|home| PathBuf::from(home).join(below));
        Self {
            settings: folder("XDG_CONFIG_HOME").or_else(|| home(".config")),
            state: folder("XDG_STATE_HOME")
                .or_else(|| home(".local/state"))
                .or_else(|| folder("XDG_RUNTIME_DIR")),
            admin: "/var/lib/billet/admin.toml".into(),
            bmc_password: text("BILLET_BMC_PASSWORD"),
            ipmi_password: text("IPMI_PASSWORD"),
            bmc_key: text("IPMI_KGKEY"),
            person: io::stdin().is_terminal(),
            input: Box::new(read_input),
            hidden: Box::new(terminal::hidden_line),
            keyboard: Box::new(terminal::keyboard),
        }
    }

    /// That of a test: its files are in `folder`, and nobody is there.
    #[cfg(test)]
    pub(super) fn nobody(folder: &std::path::Path) -> Self {
        let nothing = || Err(io::ErrorKind::UnexpectedEof.into());
        Self {
            settings: None,
            state: Some(folder.join("state")),
            admin: folder.join("none.toml"),
            bmc_password: None,
            ipmi_password: None,
            bmc_key: None,
            person: false,
            input: Box::new(|| Ok(String::new())),
            hidden: Box::new(nothing),
            keyboard: Box::new(|| Err(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn read_input() -> io::Result<String> {
    let mut text = String::new();
    if io::stdin().is_terminal() {
        io::stdin().read_line(&mut text)?;
    } else {
        io::stdin().take(INPUT_LIMIT).read_to_string(&mut text)?;
    }
    Ok(text)
}
