//! A simulated service behind the `webhook` driver: the calls that docs/bmc.md documents, over HTTPS, for one machine.

use crate::{BootDevice, BootFlags, Chassis};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// What goes wrong on request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every call is answered with this status.
    pub status: Option<u16>,
    /// A change is answered with success and forgotten.
    pub ignores: bool,
    /// It knows nothing of boot devices.
    pub without_boot: bool,
    /// Answers are larger than any client should read.
    pub endless: bool,
}

struct Behind {
    chassis: Arc<dyn Chassis>,
    /// The `Authorization` header that is asked for.
    proof: Option<String>,
    faults: Mutex<Faults>,
}

impl Behind {
    fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service. It answers below `/hook`, until the guard of `serve`'s token is dropped.
pub struct Webhook {
    address: SocketAddr,
    fingerprint: [u8; 32],
    behind: Arc<Behind>,
}

impl Webhook {
    /// Listens on a free port of loopback, with a certificate of its own. `login`: user name and password that it asks for.
    ///
    /// # Errors
    /// When it can't listen, or make a certificate.
    pub async fn serve(
        chassis: Arc<dyn Chassis>,
        login: Option<(&str, &str)>,
        cancel: CancellationToken,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let fingerprint = Sha256::digest(&certificate).into();
        let tls =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)?;
        let basic = |(name, password): (&str, &str)| {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
            format!("Basic {text}")
        };
        let behind = Arc::new(Behind { chassis, proof: login.map(basic), faults: Mutex::default() });
        let address = listener.local_addr()?;
        let router = axum::Router::new()
            .route("/hook/power", get(power).put(set_power))
            .route("/hook/boot", get(boot).put(set_boot))
            .layer(from_fn_with_state(behind.clone(), guard))
            .with_state(behind.clone());
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = accept(listener, acceptor, router) => {}
            }
        });
        Ok(Self { address, fingerprint, behind })
    }

    /// Where to call it.
    pub fn url(&self) -> String {
        format!("https://{}/hook", self.address)
    }

    /// SHA-256 of its certificate.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.behind.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: axum::Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(move |request| router.clone().oneshot(request));
            let io = hyper_util::rt::TokioIo::new(stream);
            // A client that leaves early is none of our business.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

async fn guard(State(behind): State<Arc<Behind>>, request: Request, next: Next) -> Response {
    let faults = behind.faults();
    if let Some(status) = faults.status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let elsewhere = [(header::LOCATION, HeaderValue::from_static("https://127.0.0.2/hook/power"))];
        return (status, elsewhere, "out of order").into_response();
    }
    if faults.endless {
        return vec![b' '; 1 << 20].into_response();
    }
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if behind.proof.is_some() && shown != behind.proof.as_deref() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if faults.without_boot && request.uri().path().ends_with("/boot") {
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(request).await
}

async fn power(State(behind): State<Arc<Behind>>) -> Response {
    match behind.chassis.power().await {
        Ok(on) => Json(json!({ "power": if on { "on" } else { "off" } })).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn set_power(State(behind): State<Arc<Behind>>, Json(body): Json<Value>) -> Response {
    let on = match body["power"].as_str() {
        Some("on") => true,
        Some("off") => false,
        _ => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    };
    if !behind.faults().ignores
        && let Err(error) = behind.chassis.set_power(on).await
    {
        return (StatusCode::BAD_GATEWAY, error.to_string()).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

const DEVICES: [(&str, BootDevice); 4] = [
    ("pxe", BootDevice::Network),
    ("disk", BootDevice::Disk),
    ("cdrom", BootDevice::Cd),
    ("bios", BootDevice::Setup),
];

async fn boot(State(behind): State<Arc<Behind>>) -> Response {
    match behind.chassis.boot().await {
        Ok(flags) => {
            let word = DEVICES.iter().find(|(_, device)| Some(*device) == flags.device);
            let word = word.map_or("none", |(word, _)| word);
            Json(json!({ "device": word, "persistent": flags.persistent })).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn set_boot(State(behind): State<Arc<Behind>>, Json(body): Json<Value>) -> Response {
    let word = body["device"].as_str().unwrap_or_default();
    let device = DEVICES.iter().find(|(known, _)| *known == word).map(|(_, device)| *device);
    if device.is_none() && word != "none" {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let persistent = body["persistent"].as_bool().unwrap_or(false);
    let flags = BootFlags { device, persistent, uefi: false };
    if !behind.faults().ignores
        && let Err(error) = behind.chassis.set_boot(flags).await
    {
        return (StatusCode::BAD_GATEWAY, error.to_string()).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}
