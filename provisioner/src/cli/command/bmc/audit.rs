//! `billet bmc audit`: what is weak about one BMC, or about those of all machines.

use super::{Asked, way::Way};
use crate::cli::{
    args::{Audit, DirectArgs},
    command::bmc::direct,
    connection,
    environment::Environment,
    error::CliError,
    signals::Signals,
    ui::Ui,
    view::{self, MachineAudit},
};
use futures::{StreamExt, stream};
use provisioner_api::{BmcAudit, BmcAuditRequest, BmcProtocol, BmcSeverity, Machine};
use provisioner_client::{Client, MachineFilter};
use std::path::Path;

/// How many BMCs are audited at once: mostly it is waited for them.
const AT_ONCE: usize = 16;

/// Audits one.
pub(super) async fn one(asked: &mut Asked<'_>, way: &Way, args: &Audit) -> Result<(), CliError> {
    let audit = way.audit(&request(args)).await?;
    asked.ui.object(&audit, || view::bmc_audit(&audit))?;
    verdict(&[(way.whose(), &audit)])
}

/// Audits those of all machines.
pub(super) async fn all(
    args: &Audit,
    direct: &DirectArgs,
    client: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    if direct.host.is_some() || direct::is_used(direct) {
        return Err(CliError::Input(
            "--all are the machines that the service knows: leave out -H, -U and what goes with them"
                .to_owned(),
        ));
    }
    let client = Client::new(&connection::find(client, environment)?)?;
    let mut signals = Signals::new()?;
    let request = request(args);
    let audits = tokio::select! {
        audits = every(&client, &request, ui) => audits?,
        error = signals.next() => return Err(error),
    };
    let (items, failed): (Vec<_>, Vec<_>) = audits.into_iter().unzip();
    ui.list(&items, |wide| view::bmc_audits(&items, wide))?;
    let done: Vec<_> = items
        .iter()
        .filter_map(|item| Some((format!("machine {}", item.machine), item.audit.as_ref()?)))
        .collect();
    verdict(&done)?;
    // What was found is worse than what could not be looked at.
    failed.into_iter().flatten().next().map_or(Ok(()), Err)
}

async fn every(
    client: &Client,
    request: &BmcAuditRequest,
    ui: &mut Ui,
) -> Result<Vec<(MachineAudit, Option<CliError>)>, CliError> {
    let mut machines = client.machines(&MachineFilter::default()).await?;
    machines.retain(can_be_audited);
    machines.sort_by(|one, other| one.name.cmp(&other.name));
    ui.note(&format!("{} machines have a BMC that can be audited; Ctrl-C ends it", machines.len()));
    let audits = machines.into_iter().map(|machine| async move {
        let machine = machine.name;
        match client.machine_bmc_audit(&machine, request).await {
            Ok(audit) => (MachineAudit { machine, audit: Some(audit), error: None }, None),
            Err(error) => {
                let error = CliError::Client(error);
                (MachineAudit { machine, audit: None, error: Some(error.to_string()) }, Some(error))
            }
        }
    });
    Ok(stream::iter(audits).buffered(AT_ONCE).collect().await)
}

fn can_be_audited(machine: &Machine) -> bool {
    let protocol = machine.spec.bmc.as_ref().map(|bmc| bmc.protocol);
    matches!(protocol, Some(BmcProtocol::Redfish | BmcProtocol::Ipmi))
}

fn request(args: &Audit) -> BmcAuditRequest {
    BmcAuditRequest {
        logins: !args.no_logins,
        ipmi_port: args.ipmi_port,
        https_port: args.https_port,
        http_port: args.http_port,
    }
}

/// An error with an exit code of its own, if something of high severity was found.
fn verdict(audits: &[(String, &BmcAudit)]) -> Result<(), CliError> {
    let is_high =
        |audit: &BmcAudit| audit.findings.iter().any(|finding| finding.severity == BmcSeverity::High);
    let bad: Vec<&str> =
        audits.iter().filter(|(_, audit)| is_high(audit)).map(|(whose, _)| whose.as_str()).collect();
    match bad.as_slice() {
        [] => Ok(()),
        [one] => Err(CliError::Weak(format!("the BMC of {one}"))),
        many => Err(CliError::Weak(format!("the BMCs of {} machines", many.len()))),
    }
}
