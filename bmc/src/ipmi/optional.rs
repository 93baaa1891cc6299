//! Commands that a BMC may lack, and the sentence for one that lacks what was asked for.

use super::Ipmi;
use crate::driver::BmcError;
use bmc_proto::ipmi::{Answer, IpmiCommand};

/// Completion codes of BMCs that don't have a command, or not for this channel, slot or parameter.
pub(super) const ABSENT: [u8; 7] = [
    Answer::PARAMETER_UNSUPPORTED,
    Answer::INVALID_COMMAND,
    0xC2,
    Answer::OUT_OF_RANGE,
    0xCB,
    Answer::INVALID_FIELD,
    0xD6,
];

impl Ipmi {
    /// Executes a command; `None` if the BMC does not have it.
    pub(super) async fn optional<C: IpmiCommand>(
        &self,
        command: C,
        during: &'static str,
    ) -> Result<Option<C::Output>, BmcError> {
        self.unless::<C>(command, &ABSENT, during).await
    }

    /// Executes a command; `None` if the BMC refuses with one of these completion codes.
    pub(super) async fn unless<C: IpmiCommand>(
        &self,
        command: C,
        codes: &[u8],
        during: &'static str,
    ) -> Result<Option<C::Output>, BmcError> {
        let answer = self.answer(command.into(), during).await?;
        if answer.completion == Answer::OK {
            let output = C::parse_success_response(&answer.data);
            return output.map(Some).map_err(|_| self.errors.malformed(during));
        }
        if codes.contains(&answer.completion) {
            return Ok(None);
        }
        Err(self.errors.refused(&answer, during))
    }

    /// It can't be done here; `what` is missing, and what may mend it.
    pub(super) fn cannot(&self, what: impl Into<String>) -> BmcError {
        BmcError::Unsupported { address: self.errors.address.clone(), what: what.into() }
    }
}
