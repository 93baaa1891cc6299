//! Services by name.

use super::layout::{Page, table};
use crate::cli::command::NamedService;

fn url(service: &NamedService) -> String {
    service.url.clone().unwrap_or_else(|| "its file can't be read".to_owned())
}

/// A table of them; `*` is the one in use.
pub(in crate::cli) fn contexts(services: &[NamedService]) -> String {
    let rows = services.iter().map(|service| {
        let mark = if service.in_use { "*" } else { "" };
        [mark.to_owned(), service.name.clone(), url(service)]
    });
    table(["USED", "NAME", "SERVICE"], rows)
}

/// A page about one.
pub(in crate::cli) fn context(service: &NamedService) -> String {
    let mut page = Page::default();
    page.line("Name", &service.name).line("Service", url(service));
    page.line("In use", if service.in_use { "yes" } else { "no" });
    page.line("File", service.file.display().to_string());
    page.end()
}
