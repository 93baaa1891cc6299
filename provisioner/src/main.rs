//! The program `billet`: the service and its command line in one file.

use std::process::ExitCode;

fn main() -> ExitCode {
    provisioner::cli::main()
}
