//! `billet restore`: a backup becomes the database, while nobody serves.
//!
//! A file is made beside the old one and takes its place when it is whole and safe; on a server it is one transaction. What
//! was there before is never lost: unless it was nothing, it is saved first. What becomes of the machines is said in
//! `store/copy/confirm.rs`.

use crate::{
    app,
    backup::{self, Contents, Header, Summary},
    config::{Config, PostgresDatabase},
    key_use::{self, KeyUse},
    keys::SiteKey,
    store::{Restored, SCHEMA, Store},
};
use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use std::{
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the backup is.
    pub(crate) header: Header,
    /// What somebody has to look at.
    pub(crate) restored: Restored,
    /// Where that was saved which was there before, if it was anything.
    pub(crate) saved: Option<PathBuf>,
}

/// Restores a backup into the database of this configuration. `replace`: also where there is something already.
///
/// # Errors
/// A sentence for the operator with its causes; then the database is what it was.
pub async fn restore(config: &Config, file: &Path, replace: bool, now: Timestamp) -> anyhow::Result<Outcome> {
    // All of it is read once before anything is touched.
    let Summary { header, .. } = backup::check(file)?;
    check_schema(&header, config.database.is_some())?;
    let _lock = app::make_folders(&config.data).await?;
    let key = own_key(&config.data, &header)?;
    let place = Place { data: &config.data, key: &key, replace, now };
    let contents = Contents::open(file)?;
    let (restored, saved) = match &config.database {
        None => into_file(&place, contents).await?,
        Some(server) => into_server(&place, server, contents).await?,
    };
    Ok(Outcome { header, restored, saved })
}

/// Where it goes, and what is there.
struct Place<'a> {
    data: &'a Path,
    key: &'a SiteKey,
    replace: bool,
    now: Timestamp,
}

/// A backup of a later schema can't be read, and one of an earlier one is brought up to date on its way, which only a new
/// file allows.
fn check_schema(header: &Header, server: bool) -> anyhow::Result<()> {
    let Header { schema, version, .. } = header;
    ensure!(
        *schema <= SCHEMA,
        "this backup has schema {schema} and was written by billet {version}; this is billet {}, which knows schemas up to {SCHEMA}: use that version, or a later one",
        env!("CARGO_PKG_VERSION")
    );
    ensure!(
        *schema == SCHEMA || !server,
        "this backup has schema {schema}, and only one of schema {SCHEMA} goes into PostgreSQL: restore it with a configuration without `database`, which brings it up to date, then take a `billet backup` of that and restore it here"
    );
    Ok(())
}

/// The key that the backup's secrets are sealed with.
fn own_key(data: &Path, header: &Header) -> anyhow::Result<SiteKey> {
    let path = data.join("site.key");
    let mend = format!("put the `site.key` of that time to {} (mode 600)", path.display());
    let keep = "first rename the present file to `site.key.now`, in the same folder, and keep it: what is in the database now needs it";
    let Some(key) = SiteKey::read(&path)? else {
        bail!(
            "there is no site key, and without that of the backup no BMC password in it can be used: {mend}"
        );
    };
    let (here, there) = (key.fingerprint(), &header.site_key);
    ensure!(
        key.has(there),
        "the backup was made with another site key ({there}) than the one here ({here}), with which no BMC password in it can be used: {keep}; then {mend}"
    );
    Ok(key)
}

/// The fingerprint of the key that what is there needs, tried with the keys of `site.key` and of those that were renamed beside
/// it. Where several are in use, the newest.
async fn needed_key(place: &Place<'_>, store: &Store) -> anyhow::Result<String> {
    let found = key_use::of(store, place.key).await?;
    if found.secrets() == 0 || key_use::is_lost(place.data) {
        return Ok(place.key.fingerprint());
    }
    let mut best = (found.unreadable, opener(place.key, &found));
    for key in renamed_keys(place.data)? {
        let found = key_use::of(store, &key).await?;
        if found.unreadable < best.0 {
            best = (found.unreadable, opener(&key, &found));
        }
    }
    best.1.with_context(|| {
        let path = place.data.join("site.key");
        let path = path.display();
        format!(
            "what is in the database now can't be opened with {path}, and would be lost: put the `site.key` that it was served with \
             beside that, as {path}.now (mode 600), and keep it; if that key is lost for good, make an empty file {path}.lost"
        )
    })
}

/// The newest key that opens anything.
fn opener(key: &SiteKey, found: &KeyUse) -> Option<String> {
    let prints = key.prints().into_iter().rev().map(|print| print.fingerprint);
    prints.into_iter().find(|fingerprint| found.opened_by(fingerprint) > 0)
}

/// Keys under other names: `site.key.now` and the like. What is no key, or others may read, is none.
fn renamed_keys(data: &Path) -> anyhow::Result<Vec<SiteKey>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"site.key.")
            && let Ok(Some(key)) = SiteKey::read(&entry.path())
        {
            keys.push(key);
        }
    }
    Ok(keys)
}

async fn into_file(place: &Place<'_>, mut contents: Contents) -> anyhow::Result<(Restored, Option<PathBuf>)> {
    let path = place.data.join("billet.db");
    let mut saved = None;
    if path.exists() {
        let mend = || {
            format!(
                "{} can't be read to be saved; if it is of no use, move it and its `-wal` away",
                path.display()
            )
        };
        let store = Store::open(&path).await.with_context(mend)?;
        let done = save(place, &store).await;
        store.close().await;
        saved = done?;
        // What is left there would be taken for a part of the new one.
        let left = fs::metadata(beside(&path, "-wal")).is_ok_and(|wal| wal.len() > 0);
        ensure!(!left, "{} is still in use: somebody else has it open", path.display());
    }
    let new = place.data.join("billet.db.new");
    remove(&new)?;
    let backup = contents.header().at;
    Store::make_file(&new, &mut contents).await?;
    let store = Store::open(&new).await?;
    let restored = store.restored(backup, place.now).await;
    store.close().await;
    let restored = restored?;
    File::open(&new)?.sync_all()?;
    for old in ["-wal", "-shm"] {
        remove_one(&beside(&path, old))?;
    }
    fs::rename(&new, &path).with_context(|| format!("can't put {} in its place", path.display()))?;
    File::open(place.data)?.sync_all()?;
    Ok((restored, saved))
}

async fn into_server(
    place: &Place<'_>,
    server: &PostgresDatabase,
    mut contents: Contents,
) -> anyhow::Result<(Restored, Option<PathBuf>)> {
    let why = || format!("can't use the database {server}; `database` sets it");
    let options = server.options().context("`database_password_file` can't be read")?;
    let store = Store::open_server_alone(&options).await.with_context(why)?;
    let done = async {
        let saved = save(place, &store).await?;
        Ok((store.refill(&mut contents, place.now).await?, saved))
    };
    let done = done.await;
    store.close().await;
    done
}

/// Saves what is there, if it is anything; refuses it unless it is to be replaced.
async fn save(place: &Place<'_>, store: &Store) -> anyhow::Result<Option<PathBuf>> {
    let held = store.holds().await?;
    if held.is_empty() {
        return Ok(None);
    }
    let held: Vec<_> = held.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    ensure!(
        place.replace,
        "the database is not empty (rows: {}); --replace saves it first and puts the backup in its place",
        held.join(", ")
    );
    let needed = needed_key(place, store).await?;
    let name = format!("before-restore-{}.backup", place.now.strftime("%Y%m%dT%H%M%S%.3fZ"));
    let path = place.data.join(name);
    let why = || format!("what is there can't be saved to {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(why)?;
    let (file, _) = store.dump(file, needed, place.now).await.with_context(why)?;
    file.sync_all().with_context(why)?;
    Ok(Some(path))
}

/// The path of a file beside a database.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(ending);
    beside.into()
}

/// Removes a database that was never finished.
fn remove(path: &Path) -> anyhow::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        remove_one(&beside(path, ending))?;
    }
    Ok(())
}

fn remove_one(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
