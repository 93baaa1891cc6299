//! What the BMC says of itself.

use super::Ipmi;
use crate::driver::{BmcError, BmcInfo};
use bmc_proto::ipmi::command::GetSystemGuid;
use bmc_proto::ipmi::command::device::{GetSelfTestResults, manufacturer_name};
use bmc_proto::ipmi::{Answer, GetDeviceId, IpmiCommand, guid_to_uuid};

impl Ipmi {
    pub(super) async fn read_info(&self) -> Result<BmcInfo, BmcError> {
        let device = self.call(GetDeviceId, "reading the device id").await?;
        let answer = self.answer(GetSystemGuid.into(), "reading the system GUID").await?;
        // Optional by the specification, and refused in many ways.
        let guid = (answer.completion == Answer::OK)
            .then(|| GetSystemGuid::parse_success_response(&answer.data).ok())
            .flatten();
        self.check_self_test().await?;
        let maker = device.manufacturer_id;
        let maker =
            manufacturer_name(maker).map(str::to_owned).or_else(|| (maker != 0).then(|| maker.to_string()));
        Ok(BmcInfo {
            manufacturer: maker,
            product: Some(format!("{:#06x}", device.product_id)),
            firmware: Some(format!("{}.{:02}", device.major_fw_revision, device.minor_fw_revision)),
            system_uuid: guid.and_then(guid_to_uuid),
            tls_sha256: None,
        })
    }

    /// Warns of a BMC that found something wrong with itself: it may still serve.
    async fn check_self_test(&self) -> Result<(), BmcError> {
        let answer = self.answer(GetSelfTestResults.into(), "reading the self test").await?;
        if answer.completion != Answer::OK {
            return Ok(());
        }
        let Ok(result) = GetSelfTestResults::parse_success_response(&answer.data) else { return Ok(()) };
        let problems = result.problems();
        if !problems.is_empty() {
            let problems = problems.join(", ");
            tracing::warn!(address = %self.errors.address, %problems, "the BMC's self test failed");
        }
        Ok(())
    }
}
