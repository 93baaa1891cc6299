//! An audit of one BMC: what is weak about it, by what it tells a user, what it tells everybody, and a few logins.
//!
//! - `inside`: what the driver reads, logged in; `ipmi`, `web`: what a stranger sees; `logins`: default passwords.
//!
//! One thing after the other, because BMCs have little patience. What can't be looked at is told, never taken for good.
//! What the observations mean is decided in `bmc_proto::audit`. Nothing is changed.

mod certificate;
mod inside;
mod ipmi;
mod logins;
mod web;

use crate::driver::{Bmc, BmcError, Endpoint, Protocol, Trust};
use crate::drivers::Drivers;
use bmc_proto::audit::{
    AccountFacts, CertificateFacts, ServiceFacts, of_accounts, of_certificate, of_firmware, of_ipmi,
    of_services, of_web, sorted,
};
pub use bmc_proto::audit::{Finding, Rule, Severity};
use inside::Inside;
use std::time::SystemTime;

/// How an audit is done.
#[derive(Debug, Clone, Copy)]
pub struct AuditOptions {
    /// Whether default passwords are tried: three logins at the most, none for our own user. A login that fails may
    /// count towards a lock-out of that user.
    pub logins: bool,
    /// The port of IPMI; 623, or the endpoint's, when absent.
    pub ipmi_port: Option<u16>,
    /// The port of Redfish; 443, or the endpoint's, when absent.
    pub https_port: Option<u16>,
    /// The port of plain HTTP; 80 when absent.
    pub http_port: Option<u16>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { logins: true, ipmi_port: None, https_port: None, http_port: None }
    }
}

/// What came of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// What is weak, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unchecked: Vec<String>,
    /// The users for whom a default password was tried.
    pub tried: Vec<String>,
}

/// Where what is.
struct Places<'a> {
    host: &'a str,
    ipmi: u16,
    https: u16,
    http: u16,
}

impl<'a> Places<'a> {
    fn of(endpoint: &'a Endpoint, options: &AuditOptions) -> Result<Self, BmcError> {
        let (mut ipmi, mut https) = (623, 443);
        match endpoint.protocol {
            Protocol::Ipmi { .. } => ipmi = endpoint.port.unwrap_or(ipmi),
            Protocol::Redfish { .. } => https = endpoint.port.unwrap_or(https),
            _ => {
                let what = "only BMCs that speak Redfish or IPMI can be audited";
                return Err(BmcError::Unsupported { address: endpoint.host.clone(), what: what.into() });
            }
        }
        Ok(Self {
            host: &endpoint.host,
            ipmi: options.ipmi_port.unwrap_or(ipmi),
            https: options.https_port.unwrap_or(https),
            http: options.http_port.unwrap_or(80),
        })
    }
}

impl Drivers {
    /// Audits a BMC. `bmc`: its driver, made for this endpoint.
    ///
    /// # Errors
    /// When it is no BMC that can be audited, or when neither the driver nor a stranger gets an answer.
    pub async fn audit(
        &self,
        bmc: &dyn Bmc,
        endpoint: &Endpoint,
        options: &AuditOptions,
    ) -> Result<Audit, BmcError> {
        let places = Places::of(endpoint, options)?;
        let mut audit = Audit::default();
        let inside = inside::look(bmc, &mut audit.unchecked).await;
        let ipmi = ipmi::look(places.host, places.ipmi, &mut audit.unchecked).await;
        let web = web::look(&places, &mut audit.unchecked).await;
        let silent = !ipmi.is_there() && !web.answers;
        let inside = match inside {
            Ok(inside) => inside,
            Err(error) if silent => return Err(error),
            Err(error) => {
                let answered = matches!(error, BmcError::AuthenticationFailed { .. });
                audit.unchecked.push(format!("what it tells users only: {error}"));
                Inside { answered, ..Inside::default() }
            }
        };
        let makers = if inside.makers.is_empty() { &web.makers } else { &inside.makers };
        audit.findings.extend(of_ipmi(&ipmi, web.redfish));
        audit.findings.extend(of_web(&web.facts));
        let first_use = matches!(endpoint.protocol, Protocol::Redfish { trust: Trust::FirstUse });
        if let Some(certificate) = &web.certificate {
            audit
                .findings
                .extend(of_certificate(&CertificateFacts { first_use, ..certificate.clone() }, now()));
        }
        audit.findings.extend(of_accounts(&inside.accounts, &endpoint.credentials.username));
        audit.findings.extend(of_services(&inside.services));
        audit.findings.extend(of_firmware(makers, &inside.models, inside.firmware.as_deref()));
        logins::look(self, bmc, endpoint, &inside, makers, options.logins, &mut audit).await;
        audit.findings = sorted(audit.findings);
        Ok(audit)
    }
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "certificates end by the clock on the wall, and this is the shell"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `host:port`, with an IPv6 address in brackets.
fn at(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests;
