//! Changing the password that Billet itself logs in with, so that no crash locks it out.
//!
//! The new one is kept beside the old (`bmc-password-next`) before the BMC is told, and takes its place when a login
//! with it succeeded. Killed anywhere in between, the next process finds out which of the two the BMC knows, with one
//! wrong login at the most: at many BMCs the third locks the user out.

use super::{
    Bmcs, Known, NEXT, Secrets, gone, held, is_refused_login, next_password, password, secret_owner,
};
use crate::{
    bmc_calls as calls, clock,
    keys::{KeyError, Sealed},
    service::ServiceError,
    store::{MachineRecord, NewEvent, Swap},
};
use bmc::{Bmc, BmcError};
use provisioner_api::MachineId;
use std::sync::Arc;
use zeroize::Zeroizing;

/// For the timeline, which else told of the beginning only when a process was killed in between.
pub(super) const NEW_HOLDS: &str = "the BMC lets in with the new password, which Billet uses from now on";
pub(super) const OLD_STANDS: &str = "the BMC still lets in with the old password; the new one is forgotten";

/// What came of a change of the password.
#[derive(Debug)]
pub(crate) enum Change {
    /// The BMC let us in with the new one, which is used from now on.
    Done,
    /// The old one stands.
    NotDone(BmcError),
    /// Both are kept: which of them the BMC knows could not be found out. It is as soon as it answers.
    Open(BmcError),
    /// An earlier change is still open, so nothing was begun.
    Earlier,
    /// The BMC has no user of our name whose password could be set.
    NoSuchUser,
    /// The machine was forgotten meanwhile.
    Gone,
}

impl Bmcs {
    /// Changes the password to a new random one, as the BMC wants them. `told` is on the timeline before the BMC is.
    pub(crate) async fn rotate(&self, record: &MachineRecord, told: &str) -> Result<Change, ServiceError> {
        let (Some(spec), Some(bmc)) = (&record.spec.bmc, self.driver(record).await?) else {
            return Ok(Change::Gone);
        };
        let policy = match calls::password_policy(&*bmc, &spec.address).await {
            Ok(policy) => policy,
            Err(error) => return Ok(Change::NotDone(error)),
        };
        let user = match own_user(&*bmc, &spec.address, &spec.username).await {
            Ok(Some(user)) => user,
            Ok(None) => return Ok(Change::NoSuchUser),
            Err(error) => return Ok(Change::NotDone(error)),
        };
        let password = password::new(&policy, getrandom::fill).map_err(KeyError::Random)?;
        self.change_password(record, &user, &password, told).await
    }

    /// Changes the password of our own user, whose id at the BMC is `user`, to this one.
    pub(crate) async fn change_password(
        &self,
        record: &MachineRecord,
        user: &str,
        password: &str,
        told: &str,
    ) -> Result<Change, ServiceError> {
        let (id, Some(spec)) = (record.id(), &record.spec.bmc) else { return Ok(Change::Gone) };
        let _turn = self.turn(id).lock().await?;
        let Some(known) = self.settled(record).await? else { return Ok(Change::Earlier) };
        let next = next_password(&self.key, id, password)?;
        let event = NewEvent::machine(id, "bmc", told);
        if self.store.secret_put(id, std::slice::from_ref(&next), &[event], clock::now()).await?
            == Swap::Stale
        {
            return Ok(Change::Gone);
        }
        let Some(sealed) = next.sealed else { return Ok(Change::Gone) };
        match calls::user_password(&*known.driver, &spec.address, user, password).await {
            Ok(()) => self.prove(id, known, &sealed).await,
            // Whatever it says, it may have taken the password: only a login tells.
            Err(error) => {
                self.find_out(id, known, &sealed).await?;
                Ok(match self.secrets(id).await? {
                    Some(Secrets { next: Some(_), .. }) => Change::Open(error),
                    _ if self.is_password(id, password).await? => Change::Done,
                    _ => Change::NotDone(error),
                })
            }
        }
    }

    /// The driver, if there is but one password to log in with. Whoever asks has the turn.
    async fn settled(&self, record: &MachineRecord) -> Result<Option<Arc<Known>>, ServiceError> {
        let (id, Some(spec)) = (record.id(), &record.spec.bmc) else { return Ok(None) };
        for _ in 0..2 {
            let Some(secrets) = self.secrets(id).await? else { return Ok(None) };
            let known = self.known(id, spec, &secrets).await?;
            let Some(next) = &secrets.next else { return Ok(Some(known)) };
            if known.refused.as_ref() == Some(next) {
                return Ok(None);
            }
            self.find_out(id, known, next).await?;
        }
        Ok(None)
    }

    /// The BMC said that it has the new password: logs in with it, and uses it from then on.
    async fn prove(&self, id: MachineId, known: Arc<Known>, next: &Sealed) -> Result<Change, ServiceError> {
        let error = match self.try_next(id, &known, next).await? {
            Ok(_) => return Ok(Change::Done),
            Err(error) => error,
        };
        if !is_refused_login(&error) {
            return Ok(Change::Open(error));
        }
        match self.try_old(id, &known, next).await? {
            Ok(()) => Ok(Change::NotDone(error)),
            Err(second) => {
                self.note_refused(id, next, &second);
                Ok(Change::Open(error))
            }
        }
    }

    /// Which of two passwords the BMC knows; answers the driver with it. When it can't be found out now, the old one.
    pub(super) async fn find_out(
        &self,
        id: MachineId,
        known: Arc<Known>,
        next: &Sealed,
    ) -> Result<Arc<dyn Bmc>, ServiceError> {
        match self.try_old(id, &known, next).await? {
            Ok(()) => return Ok(Arc::clone(&known.driver)),
            Err(error) if is_refused_login(&error) => {}
            Err(_) => return Ok(Arc::clone(&known.driver)),
        }
        match self.try_next(id, &known, next).await? {
            Ok(driver) => {
                tracing::info!(machine = %id, "the BMC knows the new password; it is used from now on");
                Ok(driver)
            }
            Err(error) => {
                self.note_refused(id, next, &error);
                Ok(Arc::clone(&known.driver))
            }
        }
    }

    /// The BMC knows neither password: no further guess is made.
    fn note_refused(&self, id: MachineId, next: &Sealed, error: &BmcError) {
        if is_refused_login(error)
            && let Some(known) = self.lock().get_mut(&id)
        {
            Arc::make_mut(known).refused = Some(next.clone());
        }
    }

    /// Logs in with the old password; if the BMC takes it, the next one is void.
    async fn try_old(
        &self,
        id: MachineId,
        known: &Known,
        next: &Sealed,
    ) -> Result<Result<(), BmcError>, ServiceError> {
        // The first may have gone by a session that is open already, here or by the process before, which proves
        // nothing: that one is ended, and the second has to log in.
        for _ in 0..2 {
            if let Err(error) = known.driver.info().await {
                return Ok(Err(error));
            }
            known.driver.close().await;
        }
        let event = NewEvent::machine(id, "bmc", OLD_STANDS);
        self.store.secret_settle(&held(id, NEXT, next), &[gone(id, NEXT)], &[event], clock::now()).await?;
        Ok(Ok(()))
    }

    /// Logs in with the next password; if the BMC takes it, it is the password.
    async fn try_next(
        &self,
        id: MachineId,
        known: &Known,
        next: &Sealed,
    ) -> Result<Result<Arc<dyn Bmc>, BmcError>, ServiceError> {
        let password = self.key.open_sealed(&secret_owner(id), NEXT, next)?;
        let candidate = self.connect(id, &known.spec, Zeroizing::clone(&password), known.bmc_key.as_ref())?;
        if let Err(error) = candidate.info().await {
            candidate.close().await;
            return Ok(Err(error));
        }
        match self.promote(id, next, &password).await? {
            Some(password) => {
                let driver = Arc::clone(&candidate);
                let known = Known { password, driver, refused: None, ..known.clone() };
                self.keep(id, Arc::new(known)).await;
            }
            None => candidate.close().await,
        }
        Ok(Ok(candidate))
    }
}

/// The id of the user that Billet logs in as; where several have the name, the one that may do most.
async fn own_user(bmc: &dyn Bmc, address: &str, username: &str) -> Result<Option<String>, BmcError> {
    let users =
        bmc.users().ok_or_else(|| calls::lacks(address, "list of users that can be changed", "users"))?;
    let ours = users.users().await?.into_iter().filter(|user| user.name == username);
    Ok(ours.max_by_key(|user| (user.enabled != Some(false), user.privilege)).map(|user| user.id))
}
