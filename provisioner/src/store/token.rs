//! API tokens, as hashes, with what each lets its bearer do. A log-in of a user is found as one, too (`user`).

use super::{
    Store, StoreError,
    db::{Conn, Row, again, sql},
    document, json, micros, taken, time,
};
use jiff::Timestamp;
use provisioner_api::Role;
use std::sync::Arc;

/// A token, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRecord {
    /// Its name.
    pub(crate) name: String,
    /// What its bearer may do.
    pub(crate) role: Role,
    /// The pools to which that is limited; none: all.
    pub(crate) pools: Option<Vec<String>>,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// From when on it is refused.
    pub(crate) expires: Option<Timestamp>,
    /// When it was last written down as used.
    pub(crate) used: Option<Timestamp>,
    /// It is a log-in of the user who is called so, and no token that somebody made.
    pub(crate) is_login: bool,
}

impl TokenRecord {
    /// One that may do everything for ever.
    pub(crate) fn admin(name: &str, now: Timestamp) -> Self {
        let name = name.to_owned();
        Self {
            name,
            role: Role::Admin,
            pools: None,
            created: now,
            expires: None,
            used: None,
            is_login: false,
        }
    }

    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// What came of taking a token away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// It is gone.
    Done,
    /// There is none of that name.
    Missing,
    /// It is the last way in for an administrator that never ends by itself: without it nobody could make another.
    Last,
}

const SELECT: &str = "SELECT name, role, pools, created, expires, used FROM api_token";

impl Store {
    /// Adds a token by its SHA-256.
    ///
    /// # Errors
    /// `Taken` when there is one of that name.
    pub(crate) async fn token_insert(&self, hash: &str, token: &TokenRecord) -> Result<(), StoreError> {
        sql("INSERT INTO api_token (digest, name, created, role, pools, expires, used) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(hash)
            .bind(&token.name)
            .bind(micros(token.created))
            .bind(token.role.word())
            .bind(token.pools.as_ref().map(json))
            .bind(token.expires.map(micros))
            .bind(token.used.map(micros))
            .execute(&mut *self.writer.get().await?)
            .await
            .map_err(|error| taken(error, "name", || format!("the token name `{}`", token.name)))?;
        Ok(())
    }

    /// The token, or the log-in, with this SHA-256.
    ///
    /// One that is found is believed for a moment, whoever else writes: programs ask many times a second, and one that
    /// another replica took away is refused here 2 s later at the latest. Whatever takes one away here has to forget it.
    pub(crate) async fn token_find(&self, hash: &str) -> Result<Option<Arc<TokenRecord>>, StoreError> {
        if let Some(token) = self.recent.tokens.get(hash) {
            return Ok(Some(token));
        }
        let reading = self.recent.tokens.reading();
        let text = format!("{SELECT} WHERE digest = $1");
        let row = sql(text).bind(hash).fetch_optional(&mut *self.api_reader.get().await?).await?;
        let token = match row.as_ref().map(from_row).transpose()? {
            None => self.session_find(hash).await?,
            token => token,
        };
        let Some(token) = token.map(Arc::new) else { return Ok(None) };
        self.recent.tokens.keep_read(reading, hash.to_owned(), Arc::clone(&token));
        Ok(Some(token))
    }

    /// All tokens, by name.
    pub(crate) async fn token_list(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let text = format!("{SELECT} ORDER BY name");
        sql(text).fetch_all(&mut *self.api_reader.get().await?).await?.iter().map(from_row).collect()
    }

    /// Takes the token of this name away: it is refused as soon as this returned.
    pub(crate) async fn token_delete(&self, name: &str) -> Result<Revoked, StoreError> {
        self.recent.tokens.forget_all();
        let done = self.token_delete_row(name).await;
        // Who read it before that was committed must not keep it now.
        self.recent.tokens.forget_all();
        self.recent.tokens.ended();
        done
    }

    async fn token_delete_row(&self, name: &str) -> Result<Revoked, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let text =
                "SELECT COUNT(*) FROM api_token WHERE name = $1 AND role = 'admin' AND expires IS NULL";
            let is_lasting: i64 = sql(text).bind(name).scalar(&mut transaction).await?;
            if is_lasting > 0 && other_ways_in(&mut transaction, name, "").await? == 0 {
                return Ok(Revoked::Last);
            }
            let gone =
                sql("DELETE FROM api_token WHERE name = $1").bind(name).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(if gone > 0 { Revoked::Done } else { Revoked::Missing })
        })
    }

    /// Takes down that a token was used.
    pub(crate) async fn token_used(&self, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let text = "UPDATE api_token SET used = $2 WHERE digest = $1 AND (used IS NULL OR used < $2)";
        self.writer.run(sql(text).bind(hash).bind(micros(now))).await?;
        Ok(())
    }

    /// Whether there is any token at all, or an administrator who can log in.
    pub(crate) async fn token_any(&self) -> Result<bool, StoreError> {
        let mut lent = self.reader.get().await?;
        let count: i64 = sql("SELECT COUNT(*) FROM api_token").scalar(&mut lent).await?;
        Ok(count > 0 || other_ways_in(&mut lent, "", "").await? > 0)
    }
}

/// How many ways in for an administrator there are that never end by themselves, without that token and that user.
pub(super) async fn other_ways_in(conn: &mut Conn, token: &str, user: &str) -> Result<i64, StoreError> {
    let text = "SELECT COUNT(*) FROM api_token WHERE role = 'admin' AND expires IS NULL AND name <> $1";
    let tokens: i64 = sql(text).bind(token).scalar(conn).await?;
    let text = "SELECT COUNT(*) FROM local_user WHERE role = 'admin' AND NOT disabled AND name <> $1";
    let users: i64 = sql(text).bind(user).scalar(conn).await?;
    Ok(tokens + users)
}

fn from_row(row: &Row) -> Result<TokenRecord, StoreError> {
    let name: String = row.try_get("name")?;
    let place = |column: &str| format!("api_token {name}, column {column}");
    let (role, pools): (String, Option<String>) = (row.try_get("role")?, row.try_get("pools")?);
    let role = document(|| place("role"), &json(&role))?;
    let pools = pools.map(|pools| document(|| place("pools"), &pools)).transpose()?;
    let (expires, used): (Option<i64>, Option<i64>) = (row.try_get("expires")?, row.try_get("used")?);
    let created = time(row.try_get("created")?);
    let (expires, used) = (expires.map(time), used.map(time));
    Ok(TokenRecord { role, pools, created, expires, used, name, is_login: false })
}
