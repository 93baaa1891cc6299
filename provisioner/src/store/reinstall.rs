//! An instance that is installed anew, or adopted: instance, machine and user data in one transaction.
//!
//! What is decided about it, and what its records say, is not here.

use super::{
    InstanceRecord, MachineRecord, NewEvent, NewSecret, Store, StoreError, Swap,
    db::{Statement, again},
    event, instance, machine,
    memory::Touched,
    secret,
};
use jiff::Timestamp;

impl Store {
    /// Writes an instance and its machine together, and the secrets that go with them, if nobody changed either since it
    /// was loaded.
    pub(crate) async fn instance_reinstall(
        &self,
        record: &InstanceRecord,
        (before, own): (&MachineRecord, &MachineRecord),
        secrets: &[NewSecret],
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let ended = self.ended(before, own, now)?;
        again!({
            let _changing = self.boot_index.changing_machine(own, Some(before));
            // What a person gave need not be what is read back.
            let touched =
                Touched::default().changed_instance(record.id).machine(before, own).secrets(secrets);
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            let stale = instance::update_on_conn(&mut transaction, record).await? == Swap::Stale
                || machine::update_on_conn(&mut transaction, before, own, &ended).await? == Swap::Stale;
            if stale {
                self.recent.end(touched, false);
                return Ok(Swap::Stale);
            }
            secret::put_on_conn(&mut transaction, secrets).await?;
            event::insert_on_conn(&mut transaction, events, now).await?;
            transaction.commit_held().await?;
            self.recent.end(touched, true);
            Ok(Swap::Updated)
        })
    }

    /// Adds an instance together with the machine that it runs on already, if nobody changed that since it was loaded.
    pub(crate) async fn instance_adopt(
        &self,
        record: &InstanceRecord,
        (before, own): (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let ended = self.ended(before, own, now)?;
        again!({
            let _changing = self.boot_index.changing_machine(own, Some(before));
            let touched = Touched::default().changed_instance(record.id).machine(before, own);
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            if machine::update_on_conn(&mut transaction, before, own, &ended).await? == Swap::Stale {
                self.recent.end(touched, false);
                return Ok(Swap::Stale);
            }
            let mut statement = Statement::default();
            instance::push_insert(&mut statement, record);
            let done = statement.execute(&mut transaction).await;
            done.map_err(|error| instance::insert_refused(error, record))?;
            event::insert_on_conn(&mut transaction, events, now).await?;
            transaction.commit_held().await?;
            self.recent.end(touched, true);
            Ok(Swap::Updated)
        })
    }
}
