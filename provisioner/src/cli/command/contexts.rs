//! `billet context …`. No service is asked: what is said of one is what its file holds.

use super::password;
use crate::cli::{
    args::{AddContext, ContextCommand},
    connection,
    contexts::Contexts,
    environment::Environment,
    error::CliError,
    ui::{HasName, Ui},
    view,
};
use provisioner_client::{Client, Connection};
use serde::Serialize;
use std::path::PathBuf;

/// A service that has a name, without its token.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct NamedService {
    /// Its name.
    pub(in crate::cli) name: String,
    /// Its address; none if its file can't be read.
    pub(in crate::cli) url: Option<String>,
    /// Whether it is meant when nothing is said.
    pub(in crate::cli) in_use: bool,
    /// Its client file.
    pub(in crate::cli) file: PathBuf,
}

impl HasName for NamedService {
    fn name(&self) -> String {
        self.name.clone()
    }
}

/// Does it.
pub(super) fn run(command: ContextCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let contexts = Contexts::of(environment)?;
    match command {
        ContextCommand::List => {
            let names = contexts.names()?;
            let services: Vec<_> =
                names.iter().map(|name| service(&contexts, name, environment)).collect::<Result<_, _>>()?;
            ui.list(&services, |_| view::contexts(&services))
        }
        ContextCommand::Show { name } => {
            let name = match name {
                Some(name) => name,
                None => contexts.current()?.ok_or_else(|| {
                    CliError::Missing(
                        "no context is in use; `billet context use NAME` chooses one".to_owned(),
                    )
                })?,
            };
            contexts.known(&name)?;
            let service = service(&contexts, &name, environment)?;
            ui.object(&service, || view::context(&service))
        }
        ContextCommand::Use { name, .. } => {
            contexts.choose(name.as_deref())?;
            ui.done(&match name {
                Some(name) => format!("context {name} is in use"),
                None => "no context is in use".to_owned(),
            })
        }
        ContextCommand::Add(asked) => add(&contexts, asked, environment, ui),
        ContextCommand::Remove { name, dry } if dry.dry_run => {
            contexts.known(&name)?;
            let file = contexts.file(&name);
            ui.done(&format!(
                "dry run: nothing was done; context {name} would be forgotten, and {} with its token be deleted",
                file.display()
            ))
        }
        ContextCommand::Remove { name, .. } => {
            contexts.remove(&name)?;
            ui.done(&format!("context {name} is forgotten"))
        }
    }
}

fn service(contexts: &Contexts, name: &str, environment: &Environment) -> Result<NamedService, CliError> {
    let file = contexts.file(name);
    let url = connection::located(Some(&file), environment).ok().map(|(_, file)| file.url);
    let in_use = contexts.current()?.as_deref() == Some(name);
    Ok(NamedService { name: name.to_owned(), url, in_use, file })
}

fn add(
    contexts: &Contexts,
    asked: AddContext,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let (connection, user) = match (asked.from, asked.url, asked.token_file, asked.ca) {
        (Some(file), ..) => connection::find_with_user(Some(&file), environment)?,
        (None, Some(url), token_file, Some(ca)) => {
            // Who has none logs in.
            let token = password::given(environment, ui, "the token", token_file.as_deref())?;
            let token = token.unwrap_or_default();
            let ca_pem = std::fs::read_to_string(&ca).map_err(|source| CliError::File {
                what: "read the CA certificate",
                path: ca,
                source,
            })?;
            (Connection { url, token, ca_pem }, None)
        }
        _ => {
            return Err(CliError::Input(
                "give --from, or --url with --ca, and --token-file unless you log in".to_owned(),
            ));
        }
    };
    // Nothing is asked of it; but what could never work is not kept.
    Client::new(&connection)?;
    contexts.add(&asked.name, &connection, user)?;
    if asked.use_it {
        contexts.choose(Some(&asked.name))?;
        return ui.done(&format!("context {} is {}, and in use", asked.name, connection.url));
    }
    let name = asked.name;
    ui.done(&format!(
        "context {name} is {}; `billet context use {name}` means it from now on",
        connection.url
    ))
}
