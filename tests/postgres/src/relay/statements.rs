//! Which of a client's messages executes a COMMIT, over the simple and the extended protocol.
//!
//! A statement is judged by its words; a string that holds a whole `; COMMIT ;` would fool it, and no test has one.
//! COPY from the client is not followed.

use super::frame::Frame;
use std::collections::HashMap;

/// What a client has prepared so far, by name: whether it is a COMMIT.
#[derive(Default)]
pub(super) struct Statements {
    prepared: HashMap<Vec<u8>, bool>,
    portals: HashMap<Vec<u8>, bool>,
}

/// What a message of a client means to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// It executes a COMMIT.
    pub(super) commit: bool,
    /// The server ends its answer to it with ReadyForQuery.
    pub(super) asks: bool,
}

impl Statements {
    /// Takes in a client's next message.
    pub(super) fn see(&mut self, frame: &Frame) -> Meaning {
        let mut strings = frame.body().split(|byte| *byte == 0);
        let mut string = || strings.next().unwrap_or_default();
        let commit = match frame.kind() {
            b'Q' => is_commit(string()),
            // Execute: a portal.
            b'E' => self.portals.get(string()).copied().unwrap_or(false),
            // Parse: a name, then the statement.
            b'P' => {
                let name = string().to_vec();
                self.prepared.insert(name, is_commit(string()));
                false
            }
            // Bind: a portal, then the prepared statement's name.
            b'B' => {
                let portal = string().to_vec();
                let commit = self.prepared.get(string()).copied().unwrap_or(false);
                self.portals.insert(portal, commit);
                false
            }
            _ => false,
        };
        // Query, Sync, FunctionCall.
        Meaning { commit, asks: matches!(frame.kind(), b'Q' | b'S' | b'F') }
    }
}

/// Whether one of the statements in a text is COMMIT, or END, which is the same.
fn is_commit(sql: &[u8]) -> bool {
    let sql = String::from_utf8_lossy(sql);
    sql.split(';').any(|statement| {
        let words: Vec<_> = statement.split_whitespace().map(str::to_ascii_uppercase).collect();
        let mut words = words.iter().map(String::as_str);
        matches!(words.next(), Some("COMMIT" | "END"))
            && matches!(words.next(), None | Some("WORK" | "TRANSACTION" | "AND"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_known_by_their_words() {
        for yes in
            ["COMMIT", "commit;", " Commit work ", "END", "UPDATE a SET b = 1; COMMIT", "COMMIT AND NO CHAIN"]
        {
            assert!(is_commit(yes.as_bytes()), "{yes}");
        }
        for no in ["", "BEGIN", "ROLLBACK", "COMMIT PREPARED 'x'", "SELECT 'COMMIT'", "RELEASE SAVEPOINT a"] {
            assert!(!is_commit(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn a_simple_query_commits_at_once() {
        let mut statements = Statements::default();
        assert_eq!(statements.see(&Frame::of(b'Q', b"COMMIT\0")), Meaning { commit: true, asks: true });
        assert_eq!(statements.see(&Frame::of(b'Q', b"SELECT 1\0")), Meaning { commit: false, asks: true });
    }

    #[test]
    fn a_prepared_statement_commits_when_its_portal_is_executed() {
        let mut statements = Statements::default();
        let quiet = Meaning { commit: false, asks: false };
        for (kind, body) in [
            (b'P', &b"s1\0COMMIT\0\0\0"[..]),
            (b'P', b"s2\0SELECT 1\0\0\0"),
            (b'B', b"\0s2\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'B', b"\0s1\0\0\0\0\0\0\0"),
        ] {
            assert_eq!(statements.see(&Frame::of(kind, body)), quiet);
        }
        assert_eq!(statements.see(&Frame::of(b'E', b"\0\0\0\0\0")), Meaning { commit: true, asks: false });
        assert_eq!(statements.see(&Frame::of(b'S', b"")), Meaning { commit: false, asks: true });
    }
}
