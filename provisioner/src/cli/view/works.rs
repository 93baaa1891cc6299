//! Whether everything is frozen, and how much is being wiped.

use super::layout::Page;
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{Frozen, Works};

impl HasName for Works {
    /// There is one.
    fn name(&self) -> String {
        if self.frozen.is_some() { "frozen".to_owned() } else { "open".to_owned() }
    }
}

/// A freeze as a sentence.
pub(in crate::cli) fn frozen(frozen: &Frozen, context: &Context) -> String {
    let why = frozen.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("everything is frozen since {} by {}{why}", context.time_and_age(frozen.since), frozen.by)
}

/// All of it.
pub(in crate::cli) fn works(works: &Works, context: &Context) -> String {
    let mut page = Page::default();
    match &works.frozen {
        Some(freeze) => {
            page.line("Frozen", frozen(freeze, context));
            page.line("", "`billet unfreeze` ends that");
        }
        None => {
            page.line("Frozen", "no");
        }
    }
    let wiping = works.erasing;
    page.line("Being wiped", format!("{} machines, at most {} at once", wiping.running, wiping.limit));
    page.line("Waiting", format!("{} machines for leave to be wiped", wiping.queued));
    page.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{Timestamp, tz::TimeZone};
    use provisioner_api::Wiping;

    #[test]
    fn a_freeze_names_who_and_why_and_what_ends_it() {
        let now = Timestamp::from_second(1_800_000_090).unwrap();
        let context = Context { now, zone: TimeZone::UTC };
        let since = Timestamp::from_second(1_800_000_000).unwrap();
        let erasing = Wiping { running: 2, queued: 5, limit: 10 };
        let stopped = Frozen { since, by: "admin".into(), why: Some("wrong rack".into()) };
        let page = works(&Works { frozen: Some(stopped), erasing }, &context);
        for words in
            ["by admin: wrong rack", "2027-01-15", "billet unfreeze", "2 machines, at most 10", "5 machines"]
        {
            assert!(page.contains(words), "{words}: {page}");
        }
        let open = works(&Works { frozen: None, erasing }, &context);
        assert!(open.contains("no") && !open.contains("unfreeze"), "{open}");
    }
}
