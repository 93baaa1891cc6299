//! The answer to `billet why`.

use super::{event, job, layout::Page};
use crate::cli::{
    text::{Context, clean},
    ui::HasName,
};
use provisioner_api::{Remedy, Why};

impl HasName for Why {
    fn name(&self) -> String {
        self.object.clone()
    }
}

/// What one object waits for, and the facts behind it.
pub(in crate::cli) fn why(why: &Why, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Object", &why.object);
    page.line("State", &why.state);
    if let Some(machine) = &why.machine {
        page.line("Machine", format!("{}, {}", machine.name, machine.state));
    }
    page.line("Why", &why.sentence);
    job::lines(&mut page, why.waiting.as_ref(), why.held.as_ref(), context);
    if let Some(running) = &why.job {
        job::block(&mut page, running, context);
    }
    page.block("What its boot conversation means", &super::boot_trace::paragraphs(&why.diagnoses));
    page.block("What you may do", &choices(&why.choices));
    if !why.facts.is_empty() {
        page.block("What happened last", &event::events(&why.facts, true, context));
    }
    page.end()
}

/// Commands, each with what it does.
fn choices(choices: &[Remedy]) -> String {
    let line = |choice: &Remedy| format!("{}\n  {}\n", clean(&choice.command), clean(&choice.what));
    choices.iter().map(line).collect()
}
