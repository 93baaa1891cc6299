//! Records of erasures: each is written in the transaction that takes down that its wiping ended, and never changed or
//! removed. They outlive machine and instance.
//!
//! Whoever writes a machine needs an [`Ended`], which is found out from what the machine was and is to be: a wiping that ends
//! can't be stored without its record, and no record without a wiping that ended with proof. What a certificate says, and who
//! signs it, is not here (`erasures`).

use super::{
    MachineRecord, Store, StoreError,
    batch::{Batch, Part},
    db::{Conn, DbError, Row, Statement, sql},
    document, micros,
    page::push_pools,
    time,
};
use crate::erasures::{ErasureSigner, certificate};
use jiff::Timestamp;
use provisioner_api::{Erasure, ErasureCertificate, ErasureId, SignedCertificate};
use provisioner_lifecycle::Wiped;
use uuid::Uuid;

/// The columns that [`from_row`] reads.
const SELECT: &str = "SELECT id, at, text, signature, signed_with FROM erasure";

/// What a change of a machine has to take down of a wiping that it ends: mostly nothing.
#[derive(Debug)]
pub(super) struct Ended(Option<Box<New>>);

/// A record to be written.
#[derive(Debug)]
struct New {
    id: ErasureId,
    at: Timestamp,
    certificate: ErasureCertificate,
    signed: SignedCertificate,
    public_key: Vec<u8>,
}

/// Which records.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErasureFilter {
    /// Those of the machine with this id, or that had this name then.
    pub(crate) machine: Option<String>,
    /// Those that tell of a disk with this serial number.
    pub(crate) serial: Option<String>,
    /// Those from this time on.
    pub(crate) since: Option<Timestamp>,
    /// Those from before this time.
    pub(crate) until: Option<Timestamp>,
    /// Those of machines that were in these pools then.
    pub(crate) pools: Option<Vec<String>>,
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErasureRecord {
    /// What it says.
    pub(crate) erasure: Erasure,
    /// What was signed.
    pub(crate) signed: SignedCertificate,
}

/// A public key that signed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsedKey {
    /// Its 32 bytes.
    pub(crate) public_key: Vec<u8>,
    /// When it first signed something.
    pub(crate) since: Timestamp,
}

impl Ended {
    /// That of a change that ends no wiping.
    ///
    /// # Errors
    /// It does.
    pub(super) fn none(before: &MachineRecord, record: &MachineRecord) -> Result<Self, StoreError> {
        match Wiped::between(&before.machine, &record.machine)? {
            None => Ok(Self(None)),
            Some(_) => Err(StoreError::Unsigned),
        }
    }

    /// Writes it on the transaction of the change.
    pub(super) async fn insert_on_conn(&self, conn: &mut Conn) -> Result<(), DbError> {
        for push in self.pushes() {
            let mut statement = Statement::default();
            push(&mut statement);
            statement.execute(conn).await?;
        }
        Ok(())
    }

    /// Writes it in the batch of the change.
    pub(super) fn add(&self, batch: &mut Batch) {
        for push in self.pushes() {
            batch.add(Part::Rest, push);
        }
    }

    /// The statements that write it.
    fn pushes(&self) -> impl Iterator<Item = impl Fn(&mut Statement)> {
        let pushes: [fn(&mut Statement, &New); 3] = [push_key, push_record, push_disks];
        let new = self.0.as_deref();
        new.into_iter()
            .flat_map(move |new| pushes.into_iter().map(move |push| move |to: &mut Statement| push(to, new)))
    }
}

fn push_key(text: &mut Statement, new: &New) {
    text.push("INSERT INTO erasure_key (id, public_key, since) VALUES ");
    text.push_row([(&new.signed.key).into(), (&new.public_key).into(), micros(new.at).into()]);
    text.push(" ON CONFLICT (id) DO NOTHING");
}

fn push_record(text: &mut Statement, new: &New) {
    let machine = &new.certificate.machine;
    text.push(
        "INSERT INTO erasure (id, at, machine, machine_name, pool, text, signature, signed_with) VALUES ",
    );
    text.push_row([
        new.id.to_string().into(),
        micros(new.at).into(),
        machine.id.to_string().into(),
        (&machine.name).into(),
        (&machine.pool).into(),
        (&new.signed.text).into(),
        (&new.signed.signature).into(),
        (&new.signed.key).into(),
    ]);
}

fn push_disks(text: &mut Statement, new: &New) {
    text.push("INSERT INTO erasure_disk (serial, erasure) ");
    let id = new.id.to_string();
    text.push_rows(new.certificate.disks.iter().map(|disk| [(&disk.serial).into(), (&id).into()]));
}

impl Store {
    /// Who signs certificates of erasure. Before this no wiping can end.
    pub(crate) fn sign_with(&self, signer: ErasureSigner) {
        // A second one would sign with the same site key.
        let _ = self.signer.set(signer);
    }

    /// What a change of a machine has to take down of a wiping that it ends.
    ///
    /// # Errors
    /// A wiping would end without proof, or nobody signs its certificate: such a change must not be written.
    pub(super) fn ended(
        &self,
        before: &MachineRecord,
        record: &MachineRecord,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let Some(wiped) = Wiped::between(&before.machine, &record.machine)? else { return Ok(Ended(None)) };
        let signer = self.signer.get().ok_or(StoreError::Unsigned)?;
        let id = ErasureId(Uuid::now_v7());
        let certified = signer.sign(|key| certificate(&wiped, record, (id, key), now))?;
        Ok(Ended(Some(Box::new(New {
            id,
            at: now,
            certificate: certified.says,
            signed: certified.certificate,
            public_key: certified.public_key,
        }))))
    }

    /// At most so many records behind an id, oldest first.
    pub(crate) async fn erasure_page(
        &self,
        filter: &ErasureFilter,
        after: Option<ErasureId>,
        limit: u32,
    ) -> Result<Vec<ErasureRecord>, StoreError> {
        let mut query = sql(format!("{SELECT} WHERE id > "));
        query.push_bind(after.map(|id| id.to_string()).unwrap_or_default());
        if let Some(machine) = &filter.machine {
            query.push(" AND (machine = ").push_bind(machine).push(" OR machine_name = ").push_bind(machine);
            query.push(")");
        }
        if let Some(serial) = &filter.serial {
            query.push(" AND id IN (SELECT erasure FROM erasure_disk WHERE serial = ").push_bind(serial);
            query.push(")");
        }
        if let Some(since) = filter.since {
            query.push(" AND at >= ").push_bind(micros(since));
        }
        if let Some(until) = filter.until {
            query.push(" AND at < ").push_bind(micros(until));
        }
        push_own(&mut query, filter.pools.as_deref());
        query.push(" ORDER BY id").push_limit(limit);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().map(from_row).collect()
    }

    /// A record by its id, if it is of a machine that was in these pools.
    pub(crate) async fn erasure_get(
        &self,
        id: ErasureId,
        pools: Option<&[String]>,
    ) -> Result<Option<ErasureRecord>, StoreError> {
        let mut query = sql(format!("{SELECT} WHERE id = "));
        query.push_bind(id.to_string());
        push_own(&mut query, pools);
        query.fetch_optional(&mut *self.api_reader.get().await?).await?.as_ref().map(from_row).transpose()
    }

    /// The public keys that signed something, the newest first.
    pub(crate) async fn erasure_keys(&self) -> Result<Vec<UsedKey>, StoreError> {
        let query = sql("SELECT public_key, since FROM erasure_key ORDER BY since DESC, id");
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        let key = |row: &Row| {
            Ok(UsedKey { public_key: row.try_get("public_key")?, since: time(row.try_get("since")?) })
        };
        rows.iter().map(key).collect()
    }
}

fn push_own(query: &mut Statement, pools: Option<&[String]>) {
    if let Some(pools) = pools {
        query.push(" AND pool IN (");
        push_pools(query, pools);
        query.push(")");
    }
}

fn from_row(row: &Row) -> Result<ErasureRecord, StoreError> {
    let id: String = row.try_get("id")?;
    let text: String = row.try_get("text")?;
    let certificate: ErasureCertificate = document(|| format!("erasure {id}, column text"), &text)?;
    let at = time(row.try_get("at")?);
    let place = || format!("erasure {id}, column id");
    Ok(ErasureRecord {
        erasure: Erasure { id: document(place, &format!("\"{id}\""))?, at, certificate },
        signed: SignedCertificate {
            text,
            signature: row.try_get("signature")?,
            key: row.try_get("signed_with")?,
        },
    })
}
