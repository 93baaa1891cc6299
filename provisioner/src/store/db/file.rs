//! A connection to a file that only reads, by rusqlite.
//!
//! A statement's rows are read on a thread that may block and come back together: sqlx copies each value for itself and
//! hands each row over alone, which takes several times as long as reading it. Deliberately not here: connections that
//! write one statement after the other, which sqlx has (`conn`), and groups (`writer`).

use super::{DbError, DbErrorKind, Row, Statement};
use futures::{Stream, StreamExt, stream};
use rusqlite::{Connection, InterruptHandle, OpenFlags, types::ValueRef};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc},
    task::{JoinHandle, spawn_blocking},
};

/// How many prepared statements are kept.
const PREPARED: usize = 128;

/// How long another process that folds in the log is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many rows of a stream are on their way.
const ON_THEIR_WAY: usize = 64;

/// The connection. Whoever asks has it until the answer is there, also when nobody waits for it any more: so what is asked
/// is done in that order. When this is dropped, what is still asked is interrupted.
pub(super) struct File(Arc<Mutex<Connection>>, InterruptHandle);

impl Drop for File {
    fn drop(&mut self) {
        self.1.interrupt();
    }
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Cell {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Text that is not UTF-8, or a number with a fraction, which nothing of ours is.
    Illegible,
}

/// One row, with the names of its columns.
pub(in crate::store) struct FileRow {
    names: Arc<[String]>,
    cells: Vec<Cell>,
}

/// What a column is read as.
pub(in crate::store) trait FromCell<'r>: Sized {
    /// None: something else stands there.
    fn from_cell(cell: &'r Cell) -> Option<Self>;
}

impl FromCell<'_> for i64 {
    fn from_cell(cell: &Cell) -> Option<Self> {
        if let Cell::Number(number) = cell { Some(*number) } else { None }
    }
}

impl FromCell<'_> for bool {
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}

impl<'r> FromCell<'r> for &'r str {
    fn from_cell(cell: &'r Cell) -> Option<Self> {
        if let Cell::Text(text) = cell { Some(text) } else { None }
    }
}

impl FromCell<'_> for String {
    fn from_cell(cell: &Cell) -> Option<Self> {
        <&str>::from_cell(cell).map(str::to_owned)
    }
}

impl FromCell<'_> for Vec<u8> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Bytes(bytes) => Some(bytes.clone()),
            Cell::Text(text) => Some(text.clone().into_bytes()),
            _ => None,
        }
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Option<T> {
    fn from_cell(cell: &'r Cell) -> Option<Self> {
        if *cell == Cell::Null { Some(None) } else { T::from_cell(cell).map(Some) }
    }
}

impl FileRow {
    /// A column by its name.
    pub(super) fn get<'r, T: FromCell<'r>>(&'r self, column: &str) -> Result<T, DbError> {
        let place = self.names.iter().position(|name| name == column);
        let place = place
            .ok_or_else(|| DbError::new(DbErrorKind::Other, format!("no column found for name: {column}")))?;
        self.at(place)
    }

    /// A column by its place.
    pub(super) fn at<'r, T: FromCell<'r>>(&'r self, place: usize) -> Result<T, DbError> {
        let cell = self.cells.get(place).ok_or_else(|| {
            DbError::new(DbErrorKind::Other, format!("column index out of bounds: {place}"))
        })?;
        T::from_cell(cell).ok_or_else(|| {
            let name = self.names.get(place).map_or("", String::as_str);
            let words = format!("error occurred while decoding column {name:?}: it holds something else");
            DbError::new(DbErrorKind::Unreadable, words)
        })
    }
}

impl File {
    /// Opens one that is there.
    pub(super) async fn open(path: &Path) -> Result<Self, DbError> {
        let path = path.to_owned();
        let opened = spawn_blocking(move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let conn = Connection::open_with_flags(path, flags)?;
            conn.busy_timeout(PATIENCE)?;
            conn.set_prepared_statement_cache_capacity(PREPARED);
            Ok::<_, rusqlite::Error>(conn)
        });
        let conn = opened.await.map_err(|_| nobody_answers())??;
        let interrupt = conn.get_interrupt_handle();
        Ok(Self(Arc::new(Mutex::new(conn)), interrupt))
    }

    /// Ends it, once nobody reads.
    pub(super) async fn close(self) {
        drop(self.0.lock().await);
    }

    /// At most so many rows that a statement answers with.
    pub(super) async fn fetch(&self, statement: Statement, most: usize) -> Result<Vec<Row>, DbError> {
        let (waits, waited_for) = waiter();
        let read = move |conn: &Connection| {
            let mut rows = Vec::new();
            each(conn, &statement, |row| {
                rows.push(row);
                rows.len() < most && waited_for()
            })?;
            Ok(rows)
        };
        let rows = self.ask(read).await;
        drop(waits);
        rows
    }

    /// All rows that a statement answers with, as they are read.
    pub(super) fn rows(&self, statement: Statement) -> impl Stream<Item = Result<Row, DbError>> + use<> {
        stream::once(Arc::clone(&self.0).lock_owned()).flat_map(move |conn| {
            let (tell, heard) = mpsc::channel(ON_THEIR_WAY);
            let statement = statement.clone();
            let read = spawn_blocking(move || {
                let done = each(&conn, &statement, |row| tell.blocking_send(Ok(row)).is_ok());
                if let Err(error) = done {
                    // Whoever listened may be gone.
                    let _ = tell.blocking_send(Err(error));
                }
            });
            as_read(heard, read)
        })
    }

    /// Whether nobody reads on it: a thread may still do so for somebody who stopped waiting.
    pub(super) fn is_free(&self) -> bool {
        self.0.try_lock().is_ok()
    }

    /// Runs a word that begins or ends a transaction.
    pub(super) async fn say(&self, word: &'static str) -> Result<(), DbError> {
        self.ask(move |conn| Ok(conn.execute_batch(word)?)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let conn: OwnedMutexGuard<Connection> = Arc::clone(&self.0).lock_owned().await;
        spawn_blocking(move || ask(&conn)).await.map_err(|_| nobody_answers())?
    }
}

/// What is dropped with whoever waits, and whether it is still there.
fn waiter() -> (Arc<()>, impl Fn() -> bool + Send + 'static) {
    let waits = Arc::new(());
    let seen = Arc::downgrade(&waits);
    (waits, move || seen.strong_count() > 0)
}

/// Rows as a thread reads them. One that died did not read all of them: that is an error, and no end.
fn as_read(
    heard: mpsc::Receiver<Result<Row, DbError>>,
    read: JoinHandle<()>,
) -> impl Stream<Item = Result<Row, DbError>> {
    let rows = stream::unfold(heard, async |mut heard| heard.recv().await.map(|row| (row, heard)));
    rows.chain(stream::once(read).filter_map(async |ended| ended.is_err().then(|| Err(nobody_answers()))))
}

/// Reads the rows of a statement until there are no more, or `take` wants no more.
fn each(conn: &Connection, statement: &Statement, mut take: impl FnMut(Row) -> bool) -> Result<(), DbError> {
    tracing::debug!(target: "billet::read", text = statement.text());
    let mut prepared = conn.prepare_cached(statement.text())?;
    let names: Arc<[String]> = prepared.column_names().into_iter().map(str::to_owned).collect();
    bind(&mut prepared, statement)?;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let mut cells = Vec::with_capacity(names.len());
        for place in 0..names.len() {
            cells.push(cell(row.get_ref(place)?));
        }
        if !take(Row::File(FileRow { names: Arc::clone(&names), cells })) {
            break;
        }
    }
    Ok(())
}

/// Puts the values into their places: SQLite counts `$2` as the first one if it stands first.
fn bind(prepared: &mut rusqlite::Statement<'_>, statement: &Statement) -> Result<(), DbError> {
    for place in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(place).and_then(|name| name.strip_prefix('$')?.parse().ok());
        let number: usize = name.unwrap_or(place);
        let value = statement.values().get(number.wrapping_sub(1));
        let value =
            value.ok_or_else(|| DbError::new(DbErrorKind::Other, format!("place {number} has no value")))?;
        prepared.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or(Cell::Illegible, |text| Cell::Text(text.to_owned()))
        }
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => Cell::Illegible,
    }
}

/// The thread that would answer is gone.
fn nobody_answers() -> DbError {
    DbError::new(DbErrorKind::Lost, "the thread that reads ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::sql;
    use tempfile::TempDir;

    /// A file with `rows` things in it.
    async fn filled(rows: i64) -> (TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT, bytes BLOB)").unwrap();
        for id in 0..rows {
            conn.execute("INSERT INTO thing VALUES (?, 'n', x'00ff')", [id]).unwrap();
        }
        (folder, File::open(&path).await.unwrap())
    }

    #[tokio::test]
    async fn a_column_is_read_as_what_it_is_and_as_nothing_else() {
        let (_folder, file) = filled(1).await;
        let text = "SELECT 7 AS number, 'a' AS text, x'00ff' AS bytes, NULL AS none, 1.5 AS half,
                    CAST(x'ff' AS TEXT) AS broken, $2 AS given, $1 AS one, $2 AS again";
        assert!(file.fetch(sql(text).bind("one"), 9).await.is_err(), "a value is missing");
        let rows = file.fetch(sql(text).bind("one").bind("b"), 9).await.unwrap();
        let [row] = &*rows else { panic!("one row") };
        assert_eq!(
            (row.try_get::<i64>("number").unwrap(), row.try_get::<bool>("number").unwrap()),
            (7, true)
        );
        assert_eq!(row.try_get::<&str>("text").unwrap(), "a");
        assert_eq!(row.try_get::<String>("given").unwrap(), "b");
        assert_eq!(row.try_get::<String>("again").unwrap(), "b");
        assert_eq!(row.try_get::<String>("one").unwrap(), "one");
        assert_eq!(row.try_get::<Vec<u8>>("bytes").unwrap(), [0, 255]);
        assert_eq!(row.try_get::<Option<String>>("none").unwrap(), None);
        assert_eq!(row.try_get::<Option<i64>>("number").unwrap(), Some(7));
        for column in ["number", "none", "broken", "bytes", "half"] {
            let error = row.try_get::<String>(column).unwrap_err();
            assert_eq!(error.kind(), DbErrorKind::Unreadable, "{column}");
        }
        for column in ["text", "none", "half"] {
            assert_eq!(row.try_get::<i64>(column).unwrap_err().kind(), DbErrorKind::Unreadable, "{column}");
        }
        assert_eq!(row.try_get::<i64>("absent").unwrap_err().kind(), DbErrorKind::Other);
    }

    #[tokio::test]
    async fn what_is_asked_ends_with_the_connection() {
        let (_folder, file) = filled(1).await;
        let conn = Arc::clone(&file.0);
        // It would count for ever.
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
        let asked = tokio::time::timeout(Duration::from_millis(200), file.fetch(sql(endless), 9)).await;
        assert!(asked.is_err() && conn.try_lock().is_err(), "it is asked still");
        drop(file);
        drop(tokio::time::timeout(Duration::from_secs(20), conn.lock()).await.unwrap());
    }

    #[tokio::test]
    async fn nothing_is_written_and_a_file_is_not_made() {
        let (folder, file) = filled(1).await;
        assert!(file.fetch(sql("DELETE FROM thing RETURNING id"), 9).await.is_err());
        assert_eq!(file.fetch(sql("SELECT id FROM thing"), 9).await.unwrap().len(), 1);
        assert!(File::open(&folder.path().join("absent")).await.is_err());
    }

    #[tokio::test]
    async fn rows_stream_and_who_stops_listening_gives_the_connection_back() {
        let (_folder, file) = filled(1000).await;
        let all = || sql("SELECT id FROM thing ORDER BY id");
        let ids: Vec<i64> = file.rows(all()).map(|row| row.unwrap().first::<i64>().unwrap()).collect().await;
        assert_eq!(ids, (0..1000).collect::<Vec<_>>());
        drop(Box::pin(file.rows(all())).next().await);
        assert_eq!(file.fetch(all(), 3).await.unwrap().len(), 3);
        let wrong: Vec<_> = file.rows(sql("SELECT nothing FROM thing")).collect().await;
        assert!(matches!(&*wrong, [Err(_)]));
    }

    #[tokio::test]
    async fn rows_whose_thread_died_are_not_all_of_them() {
        for dies in [false, true] {
            let (tell, heard) = mpsc::channel(ON_THEIR_WAY);
            let read = spawn_blocking(move || {
                let row = FileRow { names: Arc::new([]), cells: Vec::new() };
                tell.blocking_send(Ok(Row::File(row))).ok();
                assert!(!dies, "as it is wanted");
            });
            let rows: Vec<_> = as_read(heard, read).collect().await;
            let lost =
                rows.iter().filter_map(|row| row.as_ref().err()).map(DbError::kind).collect::<Vec<_>>();
            assert_eq!((rows.len() - lost.len(), lost.len()), (1, usize::from(dies)));
            assert!(lost.iter().all(|kind| *kind == DbErrorKind::Lost));
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_read_to_its_end() {
        let (_folder, file) = filled(1).await;
        assert!(file.is_free());
        let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        {
            let mut read = Box::pin(file.fetch(sql(endless), usize::MAX));
            assert!(futures::poll!(&mut read).is_pending());
            assert!(!file.is_free());
        }
        assert_eq!(file.fetch(sql("SELECT id FROM thing"), 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_done_before_what_comes_next() {
        let (_folder, file) = filled(1).await;
        for _ in 0..50 {
            let begun = tokio::time::timeout(Duration::ZERO, file.say("BEGIN")).await;
            // Whether it had begun by then or not: nothing is open after this.
            let _ = file.say("ROLLBACK").await;
            drop(begun);
            file.say("BEGIN").await.unwrap();
            file.say("COMMIT").await.unwrap();
        }
    }
}
