//! Transactions of several questions, done again when another one came between. On SQLite none ever does: it has one
//! writer.

use crate::store::{DbErrorKind, StoreError};

/// How often.
pub(in crate::store) const AGAIN: usize = 3;

/// One try. It is told apart from the function around it, so that `?` and `return` end the try.
pub(in crate::store) async fn attempt<T>(
    done: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    done.await
}

/// Whether it is worth another try.
pub(in crate::store) fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(error) if error.kind() == DbErrorKind::Conflict)
}

/// Does the body, which takes one transaction, and does all of it again when another transaction came between. Ends the
/// function with what came of it.
macro_rules! again {
    ($body:block) => {{
        let mut again = $crate::store::db::AGAIN;
        loop {
            match $crate::store::db::attempt(async { $body }).await {
                Err(error) if again > 0 && $crate::store::db::is_conflict(&error) => again -= 1,
                done => return done,
            }
        }
    }};
}
pub(in crate::store) use again;
