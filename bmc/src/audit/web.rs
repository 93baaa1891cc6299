//! What a stranger sees over HTTPS and HTTP: the service root, the certificate, resources behind the login, old TLS.
//!
//! Redirects are not followed, and no credentials are sent: there are none here.

use super::{Places, at, certificate};
use crate::driver::Trust;
use crate::redfish::Https;
use bmc_proto::audit::{CertificateFacts, TlsAnswer, WebFacts, old_hello, read_hello};
use bmc_proto::redfish::{ServiceRoot, parse, path_of, printable};
use reqwest::tls::TlsInfo;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

const ROOT: &str = "/redfish/v1/";
const READING: &str = "read the Redfish service root";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer may take, TLS of a slow BMC included.
const ANSWER: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const BODY_MAX: usize = 256 * 1024;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Web {
    /// Whether anything answered over HTTPS.
    pub(super) answers: bool,
    /// Whether that is Redfish.
    pub(super) redfish: bool,
    /// The makers that the service root names.
    pub(super) makers: Vec<String>,
    pub(super) facts: WebFacts,
    pub(super) certificate: Option<CertificateFacts>,
}

/// Looks. Nobody there is no error.
pub(super) async fn look(places: &Places<'_>, unchecked: &mut Vec<String>) -> Web {
    let mut web = Web::default();
    let https = at(places.host, places.https);
    if is_open(&https).await {
        match secure(&https, &mut web).await {
            Ok(()) => web.answers = true,
            Err(why) => unchecked.push(format!("HTTPS: {why}")),
        }
        match old_tls(places.host, &https).await {
            Ok(answer) => web.facts.old_tls = Some(answer),
            Err(error) => unchecked.push(format!("old TLS at {https}: {error}")),
        }
    }
    let http = at(places.host, places.http);
    if is_open(&http).await {
        match plain(&http).await {
            Ok(true) => web.facts.plain = Some(places.http),
            Ok(false) => {}
            Err(why) => unchecked.push(format!("plain HTTP at {http}: {why}")),
        }
    }
    web
}

/// Whether somebody listens there.
async fn is_open(address: &str) -> bool {
    matches!(timeout(CONNECT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// The service root, the certificate, and whether the systems are open to all.
async fn secure(address: &str, web: &mut Web) -> Result<(), String> {
    let https = Https::new(&Trust::FirstUse, CONNECT, ANSWER)?;
    let get = |path: &str| {
        https.client().get(format!("https://{address}{path}")).header("accept", "application/json")
    };
    let lost = |error: reqwest::Error| https.lost(&error, address, READING).to_string();
    let response = get(ROOT).send().await.map_err(lost)?;
    let shown = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
    web.certificate = shown.and_then(certificate::read);
    let Some(root) = root(response).await else { return Ok(()) };
    web.redfish = true;
    web.makers = root
        .vendor
        .iter()
        .chain(root.oem.iter().flat_map(|names| &names.0))
        .map(|n| printable(n, 80))
        .collect();
    let Some(systems) = path_of(root.systems.as_ref()) else { return Ok(()) };
    let response = get(&systems.to_string()).send().await.map_err(lost)?;
    if shows_members(response).await {
        web.facts.open = Some(systems.to_string());
    }
    Ok(())
}

/// Whether Redfish is spoken in the clear.
async fn plain(address: &str) -> Result<bool, String> {
    let http = Https::or_plain(CONNECT, ANSWER)?;
    let get = http.client().get(format!("http://{address}{ROOT}")).header("accept", "application/json");
    match get.send().await {
        Ok(response) => Ok(root(response).await.is_some()),
        // Something else listens there: it is not Redfish in the clear.
        Err(error) if !error.is_timeout() => Ok(false),
        Err(_) => Err("it took the connection and did not answer".into()),
    }
}

/// The service root, if that is what came.
async fn root(response: Response) -> Option<ServiceRoot> {
    let body = body(response).await?;
    let root: ServiceRoot = parse(&body).ok()?;
    (root.redfish_version.is_some() || root.systems.is_some()).then_some(root)
}

/// Whether what came is a collection.
async fn shows_members(response: Response) -> bool {
    let Some(body) = body(response).await else { return false };
    parse::<Value>(&body).is_ok_and(|resource| resource.get("Members").is_some_and(Value::is_array))
}

/// The body of a success, if it isn't too large.
async fn body(mut response: Response) -> Option<Vec<u8>> {
    if response.status() != StatusCode::OK {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > BODY_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// Greets in TLS 1.1, and hangs up whatever is answered.
pub(super) async fn old_tls(host: &str, address: &str) -> std::io::Result<TlsAnswer> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let name = host.parse::<IpAddr>().is_err().then_some(host);
    let mut stream = timeout(CONNECT, TcpStream::connect(address)).await??;
    stream.write_all(&old_hello(random, name)).await?;
    let deadline = Instant::now() + ANSWER;
    let (mut answer, mut buffer) = (Vec::new(), [0; 512]);
    loop {
        match timeout_at(deadline, stream.read(&mut buffer)).await? {
            // Many hang up without a word.
            Ok(0) | Err(_) => return Ok(TlsAnswer::Refused),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
        }
        if let Some(told) = read_hello(&answer) {
            return Ok(told);
        }
    }
}
