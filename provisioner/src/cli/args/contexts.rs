//! `billet context …`.

use super::DryRun;
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ContextCommand {
    /// List the services that have a name
    List,
    /// Show which service is meant when nothing is said, or what is known of another one; never its token
    Show {
        /// Its name
        #[arg(value_parser = crate::config::value::dns_label)]
        name: Option<String>,
    },
    /// From now on mean this service when nothing is said
    Use {
        /// Its name
        #[arg(value_parser = crate::config::value::dns_label, required_unless_present = "none")]
        name: Option<String>,
        /// None of them: the client file in its usual place
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Give a service a name; its address, token and CA are copied to a file that only you may read
    Add(AddContext),
    /// Forget a name, with the token that was kept for it
    Remove {
        /// Its name
        #[arg(value_parser = crate::config::value::dns_label)]
        name: String,
        #[command(flatten)]
        dry: DryRun,
    },
}

/// `billet context add`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("way").required(true))]
pub(in crate::cli) struct AddContext {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// A client file, such as the `admin.toml` that the service's first start made
    #[arg(long, group = "way", value_name = "FILE")]
    pub(in crate::cli) from: Option<PathBuf>,
    /// The service's address, such as https://billet.example.org:7443
    #[arg(long, group = "way", value_name = "URL", requires = "ca")]
    pub(in crate::cli) url: Option<String>,
    /// File with the token, `-` for standard input; without one `billet login` gets one
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(in crate::cli) token_file: Option<PathBuf>,
    /// File with the certificate of the service's CA (PEM)
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(in crate::cli) ca: Option<PathBuf>,
    /// Mean it from now on when nothing is said
    #[arg(long = "use")]
    pub(in crate::cli) use_it: bool,
}
