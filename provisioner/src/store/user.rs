//! Local users, and their log-ins: a log-in is kept as the hash of its secret alone, and what it may do is read from its
//! user each time. Deliberately not here: passwords, which come and go as hashes (`logins`).

use super::{
    Store, StoreError, TokenRecord,
    db::{Conn, Row, again, sql},
    document, json, micros, taken, time,
    token::other_ways_in,
};
use jiff::Timestamp;
use provisioner_api::{Role, Secret};

/// Most log-ins of one user; one more ends the oldest.
const LOGINS: usize = 20;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRecord {
    /// Its name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// The pools to which that is limited; none: all.
    pub(crate) pools: Option<Vec<String>>,
    /// The hash of its password (PHC string), which nobody is shown either.
    pub(crate) password: Secret,
    /// It can't log in.
    pub(crate) disabled: bool,
    /// Counts its changes.
    pub(crate) version: u64,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// When it logged in last.
    pub(crate) login: Option<Timestamp>,
}

impl UserRecord {
    /// Whether this is what the other was read as, and no user of that name who was made since: salt makes each hash another.
    fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && self.password == other.password
    }

    /// Whether it is a way in for an administrator.
    fn is_way_in(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }
}

/// What came of taking a user away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserRemoval {
    /// It is gone.
    Done,
    /// There is none of that name.
    Missing,
    /// It is not the one that was meant any more.
    Stale,
    /// It is the last way in for an administrator that never ends by itself.
    Last,
}

/// What came of changing a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserSwap {
    /// It is changed.
    Updated,
    /// Somebody else was first.
    Stale,
    /// It is the last way in for an administrator that never ends by itself.
    Last,
}

const SELECT: &str = "SELECT name, role, pools, password, disabled, version, created, login FROM local_user";

impl Store {
    /// Adds a user, with its version 1.
    ///
    /// # Errors
    /// `Taken` when there is one of that name.
    pub(crate) async fn user_insert(&self, user: &UserRecord) -> Result<(), StoreError> {
        let text = "INSERT INTO local_user (name, role, pools, password, disabled, version, created, login) VALUES ($1, $2, $3, $4, $5, 1, $6, $7)";
        sql(text)
            .bind(&user.name)
            .bind(user.role.word())
            .bind(user.pools.as_ref().map(json))
            .bind(user.password.reveal())
            .bind(user.disabled)
            .bind(micros(user.created))
            .bind(user.login.map(micros))
            .execute(&mut *self.writer.get().await?)
            .await
            .map_err(|error| taken(error, "name", || format!("the user name `{}`", user.name)))?;
        Ok(())
    }

    /// The user of this name.
    pub(crate) async fn user_find(&self, name: &str) -> Result<Option<UserRecord>, StoreError> {
        find(&mut *self.api_reader.get().await?, name).await
    }

    /// All users, by name.
    pub(crate) async fn user_list(&self) -> Result<Vec<UserRecord>, StoreError> {
        let text = format!("{SELECT} ORDER BY name");
        sql(text).fetch_all(&mut *self.api_reader.get().await?).await?.iter().map(from_row).collect()
    }

    /// Changes role, pools, password and whether it is disabled. Its log-ins are refused as soon as this returned.
    pub(crate) async fn user_update(
        &self,
        before: &UserRecord,
        next: &UserRecord,
    ) -> Result<UserSwap, StoreError> {
        self.recent.tokens.forget_all();
        let done = self.user_update_row(before, next).await;
        // Who read it before that was committed must not keep it now.
        self.recent.tokens.forget_all();
        self.recent.tokens.ended();
        done
    }

    async fn user_update_row(&self, before: &UserRecord, next: &UserRecord) -> Result<UserSwap, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let found = find(&mut transaction, &before.name).await?;
            let Some(found) = found.filter(|found| found.is_same(before)) else {
                return Ok(UserSwap::Stale);
            };
            if found.is_way_in()
                && !next.is_way_in()
                && other_ways_in(&mut transaction, "", &found.name).await? == 0
            {
                return Ok(UserSwap::Last);
            }
            let text = "UPDATE local_user SET role = $2, pools = $3, password = $4, disabled = $5, version = version + 1 WHERE name = $1";
            sql(text)
                .bind(&found.name)
                .bind(next.role.word())
                .bind(next.pools.as_ref().map(json))
                .bind(next.password.reveal())
                .bind(next.disabled)
                .execute(&mut transaction)
                .await?;
            let text = "DELETE FROM login_session WHERE name = $1";
            sql(text).bind(&found.name).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(UserSwap::Updated)
        })
    }

    /// Takes the user of this name away, with its log-ins: they are refused as soon as this returned. With `exactly` only
    /// while it is as it was read.
    pub(crate) async fn user_delete(
        &self,
        name: &str,
        exactly: Option<&UserRecord>,
    ) -> Result<UserRemoval, StoreError> {
        self.recent.tokens.forget_all();
        let done = self.user_delete_row(name, exactly).await;
        self.recent.tokens.forget_all();
        self.recent.tokens.ended();
        done
    }

    async fn user_delete_row(
        &self,
        name: &str,
        exactly: Option<&UserRecord>,
    ) -> Result<UserRemoval, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let Some(found) = find(&mut transaction, name).await? else { return Ok(UserRemoval::Missing) };
            if exactly.is_some_and(|exactly| !found.is_same(exactly)) {
                return Ok(UserRemoval::Stale);
            }
            if found.is_way_in() && other_ways_in(&mut transaction, "", name).await? == 0 {
                return Ok(UserRemoval::Last);
            }
            // Its log-ins go with it.
            sql("DELETE FROM local_user WHERE name = $1").bind(name).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(UserRemoval::Done)
        })
    }

    /// Begins a log-in of a user whose password was right, by the SHA-256 of its secret. False: the user was changed since,
    /// and nothing was begun. Log-ins whose time is over are thrown away on the way.
    pub(crate) async fn session_insert(
        &self,
        hash: &str,
        user: &UserRecord,
        times: (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        // It may end the oldest one.
        self.recent.tokens.forget_all();
        let done = self.session_insert_row(hash, user, times).await;
        self.recent.tokens.forget_all();
        self.recent.tokens.ended();
        done
    }

    async fn session_insert_row(
        &self,
        hash: &str,
        user: &UserRecord,
        (now, expires): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let found = find(&mut transaction, &user.name).await?;
            if found.is_none_or(|found| found.disabled || !found.is_same(user)) {
                return Ok(false);
            }
            let over = "DELETE FROM login_session WHERE expires <= $1";
            sql(over).bind(micros(now)).execute(&mut transaction).await?;
            let all = "SELECT digest FROM login_session WHERE name = $1 ORDER BY created DESC, digest";
            let held: Vec<String> = sql(all).bind(&user.name).scalars(&mut transaction).await?;
            for digest in held.iter().skip(LOGINS - 1) {
                let text = "DELETE FROM login_session WHERE digest = $1";
                sql(text).bind(digest).execute(&mut transaction).await?;
            }
            let text = "INSERT INTO login_session (digest, name, created, expires) VALUES ($1, $2, $3, $4)";
            sql(text)
                .bind(hash)
                .bind(&user.name)
                .bind(micros(now))
                .bind(micros(expires))
                .execute(&mut transaction)
                .await?;
            let text = "UPDATE local_user SET login = $2 WHERE name = $1";
            sql(text).bind(&user.name).bind(micros(now)).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(true)
        })
    }

    /// Ends a log-in: it is refused as soon as this returned.
    pub(crate) async fn session_delete(&self, hash: &str) -> Result<(), StoreError> {
        self.recent.tokens.forget_all();
        let text = "DELETE FROM login_session WHERE digest = $1";
        let done = self.writer.run(sql(text).bind(hash)).await;
        self.recent.tokens.forget_all();
        self.recent.tokens.ended();
        done?;
        Ok(())
    }

    /// The log-in with this hash, with what its user may do now.
    pub(super) async fn session_find(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        let text = "SELECT login_session.name AS name, role, pools, login_session.created AS created, expires FROM login_session JOIN local_user ON local_user.name = login_session.name WHERE digest = $1 AND NOT disabled";
        let row = sql(text).bind(hash).fetch_optional(&mut *self.api_reader.get().await?).await?;
        let Some(row) = row else { return Ok(None) };
        let name: String = row.try_get("name")?;
        let (role, pools) = rights(&row, &name)?;
        let (created, expires) = (time(row.try_get("created")?), Some(time(row.try_get("expires")?)));
        Ok(Some(TokenRecord { name, role, pools, created, expires, used: None, is_login: true }))
    }
}

async fn find(conn: &mut Conn, name: &str) -> Result<Option<UserRecord>, StoreError> {
    let text = format!("{SELECT} WHERE name = $1");
    sql(text).bind(name).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// Role and pools of a user.
fn rights(row: &Row, name: &str) -> Result<(Role, Option<Vec<String>>), StoreError> {
    let place = |column: &str| format!("local_user {name}, column {column}");
    let (role, pools): (String, Option<String>) = (row.try_get("role")?, row.try_get("pools")?);
    let role = document(|| place("role"), &json(&role))?;
    Ok((role, pools.map(|pools| document(|| place("pools"), &pools)).transpose()?))
}

fn from_row(row: &Row) -> Result<UserRecord, StoreError> {
    let name: String = row.try_get("name")?;
    let (role, pools) = rights(row, &name)?;
    let (version, login): (i64, Option<i64>) = (row.try_get("version")?, row.try_get("login")?);
    Ok(UserRecord {
        role,
        pools,
        password: Secret::new(row.try_get::<String>("password")?),
        disabled: row.try_get("disabled")?,
        version: u64::try_from(version).unwrap_or(0),
        created: time(row.try_get("created")?),
        login: login.map(time),
        name,
    })
}
