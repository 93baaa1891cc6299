//! What a BMC reports by itself, over both ways.

use super::Way;
use crate::{
    bmc_calls as calls, bmc_view as convert,
    cli::{command::bmc::direct::Direct, error::CliError},
};
use bmc::Report;
use provisioner_api::BmcReport;
use provisioner_client::ReportStream;
use tokio::sync::mpsc;

/// Reports as they come. Dropping it ends the listening.
pub(in crate::cli::command::bmc) enum ReportReader {
    /// From the service.
    Service(Box<ReportStream>),
    /// Straight from the BMC.
    Direct(mpsc::Receiver<Report>),
}

impl ReportReader {
    /// The next report; none when the BMC or the service ended it.
    pub(in crate::cli::command::bmc) async fn next(&mut self) -> Result<Option<BmcReport>, CliError> {
        match self {
            Self::Service(stream) => Ok(stream.next().await?),
            Self::Direct(receiver) => Ok(receiver.recv().await.map(convert::report)),
        }
    }
}

impl Way {
    /// Listens to what the BMC reports from now on.
    pub(in crate::cli::command::bmc) async fn reports(&self) -> Result<ReportReader, CliError> {
        match self {
            Self::Machine { client, name } => {
                Ok(ReportReader::Service(Box::new(client.machine_bmc_reports(name).await?)))
            }
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(ReportReader::Direct(calls::follow_reports(&**bmc, address).await?))
            }
        }
    }
}
