//! All tables into a backup: out of one snapshot, while everybody else goes on, and with no more of them in memory than is
//! on its way into the file.

use super::{CopyError, SCHEMA, Store, head, is_carried, quoted};
use crate::{
    backup::{self, BackupError, Cell, End, FORMAT, Header, Kind},
    store::{
        StoreError,
        db::{self, Conn, DbError, DbErrorKind, Isolation, Row, Table, sql},
    },
};
use futures::TryStreamExt;
use jiff::Timestamp;
use std::{io::Write, time::Duration};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How much is gathered before it is compressed, in bytes.
const PIECE: usize = 256 * 1024;

/// How long the next row may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is on its way into the file.
enum Piece {
    Lines(Vec<u8>),
    End(End),
}

impl Store {
    /// Writes all that is to be kept, as it is at one moment; answers with what was written to, and how many rows each
    /// table has. `site_key` is the fingerprint of the key.
    pub(crate) async fn dump<W: Write + Send + 'static>(
        &self,
        to: W,
        site_key: String,
        at: Timestamp,
    ) -> Result<(W, End), CopyError> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let header = Header { format: FORMAT, version, schema: SCHEMA, at, site_key };
        let lanes = self.api_reader.apart().await?;
        let mut snapshot = lanes.begin(Isolation::Snapshot).await?;
        if snapshot.is_postgres() {
            // One statement reads a whole table, as fast as it is written here.
            snapshot.say("SET LOCAL statement_timeout = 0").await?;
        }
        let done = dump(&mut snapshot, to, header).await?;
        snapshot.commit().await?;
        lanes.close().await;
        Ok(done)
    }
}

/// Writes all that is to be kept of what this connection sees.
pub(in crate::store) async fn dump<W: Write + Send + 'static>(
    conn: &mut Conn,
    to: W,
    header: Header,
) -> Result<(W, End), CopyError> {
    let (pieces, written) = channel(4);
    let writing = tokio::task::spawn_blocking(move || write(to, &header, written));
    let read = read_all(conn, &pieces).await;
    drop(pieces);
    let to = writing.await.map_err(|error| BackupError::File(std::io::Error::other(error)))?;
    // Without its end nothing was finished: then that is why.
    let end = read?;
    match (to?, end) {
        (Some(to), Some(end)) => Ok((to, end)),
        _ => Err(BackupError::File(std::io::Error::other("the file was not finished")).into()),
    }
}

/// Writes what comes; nothing, if its end never does.
fn write<W: Write>(to: W, header: &Header, mut pieces: Receiver<Piece>) -> Result<Option<W>, BackupError> {
    let mut writer = backup::Writer::begin(to, header)?;
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Lines(lines) => writer.lines(&lines)?,
            Piece::End(end) => return writer.finish(&end).map(Some),
        }
    }
    Ok(None)
}

/// Reads table after table; nothing, if nobody writes it any more.
async fn read_all(conn: &mut Conn, to: &Sender<Piece>) -> Result<Option<End>, StoreError> {
    let (mut end, mut lines) = (End::default(), Vec::with_capacity(PIECE));
    for table in db::tables(conn).await?.iter().filter(|table| is_carried(table)) {
        lines.extend(head(table).line());
        let mut count = 0_u64;
        let mut rows = conn.rows(sql(text(table)));
        let late = |_| DbError::new(DbErrorKind::Lost, "the database does not answer");
        while let Some(row) = tokio::time::timeout(PATIENCE, rows.try_next()).await.map_err(late)?? {
            let cells = cells(table, &row)?;
            // There is nothing but memory that this could fail for.
            backup::row(&mut lines, &cells)
                .map_err(|error| DbError::new(DbErrorKind::Other, error.to_string()))?;
            count += 1;
            if lines.len() >= PIECE {
                let full = std::mem::replace(&mut lines, Vec::with_capacity(PIECE));
                if to.send(Piece::Lines(full)).await.is_err() {
                    return Ok(None);
                }
            }
        }
        end.rows.insert(table.name.clone(), count);
    }
    let rest = [Piece::Lines(lines), Piece::End(end.clone())];
    for piece in rest {
        if to.send(piece).await.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(end))
}

/// All rows of a table, in an order that is the same in both databases.
fn text(table: &Table) -> String {
    let columns = quoted(table.columns.iter().map(|column| &column.name));
    format!("SELECT {columns} FROM \"{}\" ORDER BY {}", table.name, quoted(&table.key))
}

fn cells(table: &Table, row: &Row) -> Result<Vec<Cell>, DbError> {
    let cell = |column: &db::Column| {
        let name = column.name.as_str();
        Ok(match column.kind {
            Kind::Number => Cell::Number(row.try_get(name)?),
            Kind::Truth => Cell::Truth(row.try_get(name)?),
            Kind::Text => Cell::Text(row.try_get(name)?),
            Kind::Bytes => Cell::Bytes(row.try_get(name)?),
        })
    };
    table.columns.iter().map(cell).collect()
}
