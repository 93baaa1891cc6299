//! What an audit needs beside a driver: where the BMC is and how we log in, to know what is ours.

use super::{Bmcs, KEY, Secrets, endpoint, read_bmc_key, secret_owner};
use crate::{service::ServiceError, store::MachineRecord};
use bmc::{Credentials, Drivers, Endpoint};

impl Bmcs {
    /// Makes drivers, and audits.
    pub(crate) fn drivers(&self) -> &Drivers {
        &self.drivers
    }

    /// Where a machine's BMC is and how to log in; none when it has no BMC.
    pub(crate) async fn endpoint(&self, record: &MachineRecord) -> Result<Option<Endpoint>, ServiceError> {
        let (Some(spec), Some(secrets)) = (&record.spec.bmc, self.secrets(record.id()).await?) else {
            return Ok(None);
        };
        let owner = secret_owner(record.id());
        let Secrets { password, bmc_key, .. } = secrets;
        let bmc_key = bmc_key.map(|sealed| self.key.open_sealed(&owner, KEY, &sealed)).transpose()?;
        let credentials = Credentials {
            username: spec.username.clone(),
            password: self.key.open_sealed(&owner, super::PASSWORD, &password)?,
            bmc_key: bmc_key.and_then(|text| read_bmc_key(&text).ok()),
        };
        Ok(Some(endpoint::endpoint(spec, credentials)))
    }
}
