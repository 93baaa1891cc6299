//! The driver that calls a service of the operator's: a power strip's gateway, a KVM, a script behind a web server.
//!
//! The calls, below the URL that was given (docs/bmc.md shows them for people):
//! - `GET URL/power` answers `{"power": "on"}` or `{"power": "off"}`;
//! - `PUT URL/power` with `{"power": "on"}` or `{"power": "off"}` brings it about (any 2xx), at the latest 30 s later;
//! - `PUT URL/boot` with `{"device": "pxe", "persistent": false}` sets what is booted from (devices: `none`, `pxe`, `disk`,
//!   `cdrom`, `bios`, `usb`, `http`); 404 or 501 says that it can't;
//! - `GET URL/boot` answers the same document; 404 or 501 says that it doesn't tell.
//!
//! HTTPS only, Basic authentication when there is a user name, no redirects, answers of 64 KiB at the most. Every PUT names
//! an end, so that it may be repeated.

use crate::redfish::{Https, hidden};
use crate::{Bmc, BmcError, BmcInfo, BootOverride, BootTarget, Credentials, Persistence, PowerState, Trust};
use async_trait::async_trait;
use bmc_proto::redfish::printable;
use reqwest::{Method, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The largest answer that is read.
const BODY_MAX: usize = 64 * 1024;

const READ_POWER: &str = "read power";
const SET_POWER: &str = "set power";
const READ_BOOT: &str = "read the boot device";
const SET_BOOT: &str = "set the boot device";

/// How long what takes.
#[derive(Debug, Clone, Copy)]
struct Timing {
    connect: Duration,
    request: Duration,
    /// Until power must read as it was set, and the pause between two readings.
    settle: Duration,
    poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(10),
            settle: Duration::from_secs(30),
            poll: Duration::from_secs(1),
        }
    }
}

/// A service of the operator's.
pub(crate) struct Webhook {
    /// The error says what of the settings is wrong.
    way: Result<(Https, Url), String>,
    credentials: Credentials,
    /// `host:port`.
    address: String,
    timing: Timing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    On,
    Off,
}

#[derive(Debug, Serialize, Deserialize)]
struct Power {
    power: Word,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    device: String,
    #[serde(default)]
    persistent: bool,
}

impl Webhook {
    /// Does no I/O yet.
    pub(crate) fn new(url: &str, trust: &Trust, credentials: Credentials) -> Self {
        Self::with_timing(url, trust, credentials, Timing::default())
    }

    fn with_timing(url: &str, trust: &Trust, credentials: Credentials, timing: Timing) -> Self {
        let base = base(url);
        let address = base.as_ref().map_or_else(
            |_| "the webhook".to_owned(),
            |url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(443)),
        );
        let way = base.and_then(|url| Ok((Https::new(trust, timing.connect, timing.request)?, url)));
        Self { way, credentials, address, timing }
    }

    fn way(&self) -> Result<&(Https, Url), BmcError> {
        self.way.as_ref().map_err(|what| self.unsupported(what))
    }

    fn unsupported(&self, what: &str) -> BmcError {
        BmcError::Unsupported { address: self.address.clone(), what: what.to_owned() }
    }

    fn broken(&self, during: &'static str, what: String) -> BmcError {
        BmcError::Protocol { address: self.address.clone(), during, what }
    }

    /// Calls `URL/name`; its status and whole body. Only what is no answer at all is an error.
    async fn call(
        &self,
        method: Method,
        name: &str,
        body: Option<&(impl Serialize + Sync)>,
        during: &'static str,
    ) -> Result<(StatusCode, Vec<u8>), BmcError> {
        let (https, base) = self.way()?;
        let mut url = base.clone();
        url.set_path(&format!("{}/{name}", base.path().trim_end_matches('/')));
        let mut request = https.client().request(method, url).header("accept", "application/json");
        if !self.credentials.username.is_empty() {
            request =
                request.basic_auth(&self.credentials.username, Some(self.credentials.password.as_str()));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost = |error: reqwest::Error| https.lost(&error, &self.address, during);
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        self.read(response, https, during).await.map(|body| (status, body))
    }

    async fn read(
        &self,
        mut response: Response,
        https: &Https,
        during: &'static str,
    ) -> Result<Vec<u8>, BmcError> {
        let mut body = Vec::new();
        let lost = |error: reqwest::Error| https.lost(&error, &self.address, during);
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(self.broken(during, format!("its answer is larger than {BODY_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What a status other than success means.
    fn judge(&self, status: StatusCode, body: &[u8], during: &'static str) -> Result<(), BmcError> {
        let address = self.address.clone();
        if status.is_success() {
            return Ok(());
        }
        if status.is_redirection() {
            return Err(self
                .broken(during, "it redirects, and redirects are not followed; give the final URL".into()));
        }
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            let username = self.credentials.username.clone();
            return Err(BmcError::AuthenticationFailed { address, username, why: format!("HTTP {status}") });
        }
        let said = printable(&hidden(&String::from_utf8_lossy(body), &self.credentials.password), 200);
        let answer =
            if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
        Err(BmcError::Refused { address, during, answer })
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, body: &[u8], during: &'static str) -> Result<T, BmcError> {
        serde_json::from_slice(body)
            // The words of the error hold what was sent.
            .map_err(|error| {
                let what = printable(&format!("its answer is not as documented: {error}"), 200);
                self.broken(during, hidden(&what, &self.credentials.password))
            })
    }

    async fn boot_shown(&self) -> Result<Option<Boot>, BmcError> {
        let (status, body) = self.call(Method::GET, "boot", None::<&()>, READ_BOOT).await?;
        if is_lacking(status) {
            return Ok(None);
        }
        self.judge(status, &body, READ_BOOT)?;
        self.parse(&body, READ_BOOT).map(Some)
    }
}

/// It doesn't have that.
fn is_lacking(status: StatusCode) -> bool {
    [StatusCode::NOT_FOUND, StatusCode::NOT_IMPLEMENTED, StatusCode::METHOD_NOT_ALLOWED].contains(&status)
}

/// The URL below which the calls are.
fn base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("its URL is none: {error}"))?;
    if url.scheme() != "https" {
        return Err(
            "plain http would show password and commands to everybody on the way; give an https:// URL"
                .into(),
        );
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("its URL must be host, port and path only".into());
    }
    Ok(url)
}

fn device(target: &BootTarget) -> Option<&'static str> {
    Some(match target {
        BootTarget::Default => "none",
        BootTarget::Network => "pxe",
        BootTarget::Disk => "disk",
        BootTarget::Cd => "cdrom",
        BootTarget::Setup => "bios",
        BootTarget::Usb => "usb",
        BootTarget::Http { uri: None } => "http",
        BootTarget::Http { uri: Some(_) } | BootTarget::UefiDevice(_) => return None,
    })
}

fn target(device: &str) -> Option<BootTarget> {
    [
        BootTarget::Default,
        BootTarget::Network,
        BootTarget::Disk,
        BootTarget::Cd,
        BootTarget::Setup,
        BootTarget::Usb,
        BootTarget::Http { uri: None },
    ]
    .into_iter()
    .find(|target| self::device(target) == Some(device))
}

#[async_trait]
impl Bmc for Webhook {
    async fn power(&self) -> Result<PowerState, BmcError> {
        let (status, body) = self.call(Method::GET, "power", None::<&()>, READ_POWER).await?;
        self.judge(status, &body, READ_POWER)?;
        Ok(match self.parse::<Power>(&body, READ_POWER)?.power {
            Word::On => PowerState::On,
            Word::Off => PowerState::Off,
        })
    }

    async fn set_power(&self, wanted: PowerState) -> Result<(), BmcError> {
        if self.power().await? == wanted {
            return Ok(());
        }
        let power = if wanted == PowerState::On { Word::On } else { Word::Off };
        let (status, body) = self.call(Method::PUT, "power", Some(&Power { power }), SET_POWER).await?;
        self.judge(status, &body, SET_POWER)?;
        let deadline = Instant::now() + self.timing.settle;
        loop {
            let found = self.power().await?;
            if found == wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let found = format!("{found:?}").to_lowercase();
                return Err(BmcError::NotDone { address: self.address.clone(), during: SET_POWER, found });
            }
            sleep(self.timing.poll).await;
        }
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        let device =
            device(&boot.target).ok_or_else(|| self.unsupported("a webhook has no word for that device"))?;
        let wanted = Boot { device: device.into(), persistent: boot.persistence == Persistence::Persistent };
        let (status, body) = self.call(Method::PUT, "boot", Some(&wanted), SET_BOOT).await?;
        if is_lacking(status) {
            return Err(self.unsupported("it sets no boot device: it answers PUT …/boot with `not found`"));
        }
        self.judge(status, &body, SET_BOOT)?;
        match self.boot_shown().await? {
            Some(shown) if shown != wanted => Err(BmcError::NotDone {
                address: self.address.clone(),
                during: SET_BOOT,
                found: format!(
                    "{}{}",
                    printable(&shown.device, 40),
                    if shown.persistent { ", persistent" } else { "" }
                ),
            }),
            _ => Ok(()),
        }
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        let Some(shown) = self.boot_shown().await? else { return Ok(None) };
        let persistence = if shown.persistent { Persistence::Persistent } else { Persistence::Once };
        Ok(target(&shown.device).map(|target| BootOverride { target, persistence, mode: None }))
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        // The cheapest proof that address and credentials are right.
        self.power().await?;
        let (https, _) = self.way()?;
        Ok(BmcInfo { product: Some("webhook".into()), tls_sha256: https.seen(), ..BmcInfo::default() })
    }

    async fn close(&self) {}
}

#[cfg(test)]
mod tests;
