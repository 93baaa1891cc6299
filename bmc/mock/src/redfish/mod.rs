//! The Redfish side: HTTPS with a certificate of its own making, sessions, one system, one chassis, one manager.
//!
//! It does what the standard says (DSP0266) unless a fault is asked for through `Controls`.

mod access;
mod answer;
mod controls;
mod faulty;
mod resources;
mod sessions;
mod state;
mod system;
#[cfg(test)]
mod tests;

pub use controls::{Controls, Faults};

use crate::Chassis;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use state::{Shared, State};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The longest that a TLS handshake, or the head of a request, may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The largest request body, in bytes.
const BODY_MAX: usize = 64 * 1024;

/// What the simulated machine says it is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The system's name.
    pub name: String,
    /// The SMBIOS UUID.
    pub uuid: String,
    /// The MAC addresses of its network ports.
    pub macs: Vec<String>,
    /// The model.
    pub model: String,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("can't make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// TLS could not be set up with it.
    #[error("can't set up TLS")]
    Tls(#[source] rustls::Error),
}

/// A simulated BMC that speaks Redfish.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    fingerprint: [u8; 32],
    acceptor: TlsAcceptor,
    state: Shared,
}

impl Server {
    /// Listens, with a certificate made now. Port 0 takes any; `local_addr` tells which.
    pub async fn bind(
        address: SocketAddr,
        username: &str,
        password: &str,
        chassis: Arc<dyn Chassis>,
        identity: Identity,
    ) -> Result<Self, BindError> {
        let listen = |source| BindError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let (certificate, config) = tls(address.ip())?;
        let state = State::new(username, password, chassis, identity);
        Ok(Self {
            listener,
            address: bound,
            fingerprint: Sha256::digest(&certificate).into(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            state: Arc::new(state),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of its certificate in DER: what a client pins.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// What it was asked, and the faults that it shall have.
    pub fn controls(&self) -> Arc<Controls> {
        Arc::clone(&self.state.controls)
    }

    /// Serves until it is cancelled, then drops every connection.
    pub async fn run(self, cancel: CancellationToken) {
        let service = router(&self.state);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, self.acceptor.clone(), service.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the simulated BMC can't accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, service: Router) {
    let stream = match timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "the TLS handshake failed"),
        Err(_) => return tracing::debug!("the TLS handshake took too long"),
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A self-signed certificate, as a BMC has one, and the settings that use it.
fn tls(address: IpAddr) -> Result<(Vec<u8>, ServerConfig), BindError> {
    let names = vec!["localhost".to_owned(), address.to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(BindError::Certificate)?;
    let certificate = made.cert.der().to_vec();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(BindError::Tls)?
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.clone())], key)
        .map_err(BindError::Tls)?;
    Ok((certificate, config))
}

fn router(state: &Shared) -> Router {
    let entry = get(resources::root);
    Router::new()
        .route("/redfish", get(resources::versions))
        .route("/redfish/", get(resources::versions))
        .route("/redfish/v1", entry.clone())
        .route("/redfish/v1/", entry)
        .route("/redfish/v1/odata", get(resources::odata))
        .route("/redfish/v1/SessionService", get(sessions::service))
        .route("/redfish/v1/SessionService/Sessions", get(sessions::list).post(sessions::create))
        .route("/redfish/v1/SessionService/Sessions/{id}", get(sessions::one).delete(sessions::delete))
        .route("/redfish/v1/Systems", get(resources::systems))
        .route("/redfish/v1/Systems/1", get(system::show).patch(system::change))
        .route("/redfish/v1/Systems/1/ResetActionInfo", get(system::action_info))
        .route("/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", post(system::reset))
        .route("/redfish/v1/Systems/1/EthernetInterfaces", get(resources::interfaces))
        .route("/redfish/v1/Systems/1/EthernetInterfaces/{id}", get(resources::interface))
        .route("/redfish/v1/Chassis", get(resources::chassis_list))
        .route("/redfish/v1/Chassis/1", get(resources::chassis))
        .route("/redfish/v1/Managers", get(resources::managers))
        .route("/redfish/v1/Managers/1", get(resources::manager))
        .fallback(resources::missing)
        .method_not_allowed_fallback(resources::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(state), access::check))
        .layer(from_fn_with_state(Arc::clone(state), faulty::misbehave))
        .with_state(Arc::clone(state))
}
