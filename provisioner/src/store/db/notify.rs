//! Notifications of PostgreSQL: what one process says, all that listen hear.

use super::{DbError, DbErrorKind, Statement, sql};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;

/// Where it is said. Channels belong to one database of the server.
const CHANNEL: &str = "billet";

/// How long it may take to be let in and to begin to listen.
const OPENING: Duration = Duration::from_secs(10);

/// Listens.
pub(crate) struct Ears(PgListener);

impl Ears {
    /// Listens from now on, on a connection of its own.
    pub(in crate::store) async fn open(options: &PgConnectOptions) -> Result<Self, DbError> {
        // The listener is only made from a pool.
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        let opened = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            Ok::<_, DbError>(Self(listener))
        };
        let late = |_| DbError::new(DbErrorKind::Lost, "the database does not let us listen in time");
        tokio::time::timeout(OPENING, opened).await.map_err(late)?
    }

    /// What is said next. None: the connection was lost, and with it perhaps something that was said.
    pub(crate) async fn hear(&mut self) -> Result<Option<String>, DbError> {
        let heard = self.0.try_recv().await?;
        Ok(heard.map(|heard| heard.payload().to_owned()))
    }
}

/// The statement that says something, as soon as it is committed.
pub(in crate::store) fn say(payload: &str) -> Statement {
    sql("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(payload)
}
