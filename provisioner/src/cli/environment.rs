//! What the CLI takes from around it: home, password variable, standard input. Read once, so that tests can give others.

use std::{
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

/// Reads all of standard input, up to a bound.
type ReadInput = Box<dyn Fn() -> io::Result<String>>;

/// The surroundings of a command.
pub(super) struct Environment {
    /// Where the user's settings are: `$XDG_CONFIG_HOME` or `~/.config`.
    pub(super) settings: Option<PathBuf>,
    /// The file of the administrator on the service's own host.
    pub(super) admin: PathBuf,
    /// `BILLET_BMC_PASSWORD`.
    pub(super) bmc_password: Option<String>,
    /// Whether a person sits at standard input.
    pub(super) person: bool,
    /// Standard input: one line if a person types it, else all.
    pub(super) input: ReadInput,
}

/// The most that is read from standard input.
const INPUT_LIMIT: u64 = 1024 * 1024;

impl Environment {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
        Self {
            settings: variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home),
            admin: "/var/lib/billet/admin.toml".into(),
            bmc_password: variable("BILLET_BMC_PASSWORD").and_then(|value| value.into_string().ok()),
            person: io::stdin().is_terminal(),
            input: Box::new(read_input),
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
