//! `billet audit …`.

use super::{Session, context};
use crate::{
    audit::Verifier,
    cli::{
        args::{AuditCommand, ListAudit, VerifyAudit},
        error::CliError,
        view,
    },
};
use provisioner_api::PAGE_MOST;
use provisioner_client::Page;

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: AuditCommand) -> Result<(), CliError> {
    match command {
        AuditCommand::List(asked) => list(session, &asked).await,
        AuditCommand::Verify(asked) => verify(session, asked).await,
    }
}

async fn list(session: &mut Session<'_>, asked: &ListAudit) -> Result<(), CliError> {
    let records = session.client.audit_newest(asked.newest).await?.items;
    let lines = view::audit_lines(&records);
    session.ui.list(&lines, |wide| view::audit(&lines, wide, &context()))
}

/// Reads the whole log, page by page, and keeps nothing of it but where it is.
async fn verify(session: &mut Session<'_>, asked: VerifyAudit) -> Result<(), CliError> {
    let mut verifier = Verifier::new(asked.head);
    let mut page = Page { after: None, limit: Some(PAGE_MOST) };
    let mut ended = None;
    loop {
        let list = session.client.audit_page(&page).await?;
        ended.get_or_insert(list.head);
        verifier.go_on(&list.items)?;
        page.after = list.next;
        if page.after.is_none() {
            break;
        }
    }
    // There was a page, or an error.
    let Some(ended) = ended else { return Ok(()) };
    let head = verifier.end(&ended)?;
    if session.ui.is_for_people() {
        let entries = head.entries;
        session.ui.note(&format!("{entries} entries, all as they were written; keep the hash elsewhere, and give it to --head next time"));
        return session.ui.line(&head.hash);
    }
    session.ui.data(&head)
}
