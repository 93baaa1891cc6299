//! Promised: the database is whole, whenever its writer was killed.
//!
//! Seen: what the database's own checks (`integrity_check`, `foreign_key_check`) say after the service has stopped.

use super::{Broken, Check};
use crate::fleet::entry::Snapshot;

pub(super) struct Database;

impl Check for Database {
    fn name(&self) -> &'static str {
        "database-whole"
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for line in &snapshot.database {
            broken.add("the database", line.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, only};

    #[test]
    fn a_damaged_page() {
        let mut story = Story::good();
        story.snapshot.database = vec!["row 7 missing from index machine_name".to_owned()];
        only(&story, "database-whole");
    }
}
