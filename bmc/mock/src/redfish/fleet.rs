//! Many BMCs behind one TCP port: each local address is one. They share the resources of their profile and one
//! certificate.

use super::controls::Controls;
use super::serve::serve;
use super::state::{Shared, State, lock};
use super::tls::{Certificate, Secured};
use super::{BindError, Options};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Many simulated BMCs on one port, each with an address of its own. Whoever has 127.0.0.0/8 (every Linux machine, on
/// its loopback) has room for millions.
pub struct Fleet {
    listener: TcpListener,
    address: SocketAddr,
    secured: Option<Arc<Secured>>,
    bmcs: Arc<Mutex<HashMap<IpAddr, Shared>>>,
}

impl Fleet {
    /// Binds one port on all addresses of `address` (`0.0.0.0` for all), with this certificate for all; `None`: plain
    /// HTTP.
    pub async fn bind(address: SocketAddr, certificate: Option<&Certificate>) -> Result<Self, BindError> {
        let (listener, bound) = super::listen(address).await?;
        let secured = certificate.map(|certificate| certificate.secure(address.ip())).transpose()?;
        Ok(Self { listener, address: bound, secured: secured.map(Arc::new), bmcs: Arc::default() })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of the certificate that all show, in DER; zeros when they speak plain HTTP.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.secured.as_ref().map(|secured| secured.fingerprint).unwrap_or_default()
    }

    /// Adds a BMC, or puts it in the place of the one at that address; its own certificate, if its options say one, is
    /// not used. It answers from now on, while the fleet runs.
    pub fn add(&self, address: IpAddr, options: &Options) -> Arc<Controls> {
        let bmc = State::new(options);
        bmc.controls.set_transport(self.secured.clone());
        let controls = Arc::clone(&bmc.controls);
        lock(&self.bmcs).insert(address, bmc);
        controls
    }

    /// A handle to look at and to disturb a BMC. `None`: there is none at this address.
    pub fn controls(&self, address: IpAddr) -> Option<Arc<Controls>> {
        Some(Arc::clone(&lock(&self.bmcs).get(&address)?.controls))
    }

    /// Serves until told to stop. What comes for an address without a BMC is dropped.
    pub async fn run(self, shutdown: CancellationToken) {
        let bmcs = self.bmcs;
        serve(self.listener, move |address| lock(&bmcs).get(&address).cloned(), shutdown).await;
    }
}
