//! The Redfish side: HTTPS with a certificate of its own making, sessions, and the resources of one machine in the shapes
//! of a maker (`Profile`).
//!
//! It does what the standard says (DSP0266), in that maker's way, unless a fault is asked for through `Controls`.
//!
//! A request goes `serve` → `faulty` → `engine` → the groups (`group::Group`, wired in `parts`) and the resources
//! (`tree`, from `profiles`, and what changed in them, in `state`).

mod access;
mod accounts;
mod answer;
mod bios;
mod boot_options;
mod controls;
mod engine;
mod etag;
mod events;
mod faults;
mod faulty;
mod fleet;
mod group;
mod logs;
mod manager;
mod media;
mod metadata;
mod network;
mod parts;
mod profiles;
mod query;
mod raw;
mod replay;
mod secure_boot;
mod sensors;
mod serve;
mod sessions;
mod settings;
mod state;
mod system;
mod tasks;
#[cfg(test)]
mod tests;
mod tls;
mod tree;
mod update;
mod users;

pub use accounts::AccountState;
pub use bios::Bios;
pub use bmc_proto::redfish::record::Recording;
pub use boot_options::BootOptions;
pub use controls::{Controls, Seen};
pub use events::Events;
pub use faults::{Effect, Fault, Faults};
pub use fleet::Fleet;
pub use logs::Logs;
pub use manager::Manager;
pub use media::Media;
pub use parts::Parts;
pub use profiles::{NoSuchProfile, Profile};
pub use raw::{Raw, RawError, Reply};
pub use secure_boot::SecureBoot;
pub use sensors::Sensors;
pub use settings::SmallSettings;
pub use system::System;
pub use tasks::{Fate, Tasks};
pub use tls::{Authority, Certificate, TlsError};
pub use update::{Pushed, Update};
pub use users::User;

use crate::{Chassis, ChassisError};

use state::{Shared, State};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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

/// What a simulated BMC is like.
#[derive(Clone)]
pub struct Options {
    profile: Profile,
    identity: Identity,
    chassis: Arc<dyn Chassis>,
    users: Vec<User>,
    /// `None`: plain HTTP.
    certificate: Option<Certificate>,
    replay: Option<Arc<replay::Replay>>,
}

impl Options {
    /// One of the generic profile with one administrator, that shows a certificate of its own.
    pub fn new(username: &str, password: &str, chassis: Arc<dyn Chassis>, identity: Identity) -> Self {
        let users = vec![User::administrator(username, password)];
        Self {
            profile: Profile::Generic,
            identity,
            chassis,
            users,
            certificate: Some(Certificate::own()),
            replay: None,
        }
    }

    /// The same in the shapes of a maker.
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// A recorded BMC again, in the place of a profile's: `Server` makes the machine's power and boot override be as they
    /// were. The users are those of these options.
    pub fn with_recording(self, recording: &Recording) -> Self {
        let replay = replay::Replay::new(recording);
        Self { profile: replay.profile, replay: Some(Arc::new(replay)), ..self }
    }

    /// The same with one more user.
    pub fn with_user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// The same with another certificate.
    pub fn with_certificate(self, certificate: Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// The same without TLS: plain HTTP.
    pub fn without_tls(self) -> Self {
        Self { certificate: None, ..self }
    }
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
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The machine could not be made to be as it was recorded.
    #[error(transparent)]
    Chassis(#[from] ChassisError),
}

/// A simulated BMC that speaks Redfish.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    fingerprint: [u8; 32],
    state: Shared,
}

impl Server {
    /// Listens, with a certificate made now; a BMC of the generic profile. Port 0 takes any; `local_addr` tells which.
    pub async fn bind(
        address: SocketAddr,
        username: &str,
        password: &str,
        chassis: Arc<dyn Chassis>,
        identity: Identity,
    ) -> Result<Self, BindError> {
        Self::start(address, &Options::new(username, password, chassis, identity)).await
    }

    /// Listens. Port 0 takes any; `local_addr` tells which.
    pub async fn start(address: SocketAddr, options: &Options) -> Result<Self, BindError> {
        let (listener, bound) = listen(address).await?;
        let secured = options.certificate.as_ref().map(|one| one.secure(address.ip())).transpose()?;
        let fingerprint = secured.as_ref().map(|secured| secured.fingerprint).unwrap_or_default();
        let state = State::new(options);
        state.controls.set_transport(secured.map(Arc::new));
        if let Some(replay) = &options.replay {
            replay.prepare(&*state.chassis).await?;
        }
        Ok(Self { listener, address: bound, fingerprint, state })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of its certificate in DER: what a client pins. Zeros when it speaks plain HTTP.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// What it was asked, and the faults that it shall have.
    pub fn controls(&self) -> Arc<Controls> {
        Arc::clone(&self.state.controls)
    }

    /// Serves until it is cancelled, then drops every connection.
    pub async fn run(self, cancel: CancellationToken) {
        let state = self.state;
        serve::serve(self.listener, move |_| Some(state.clone()), cancel).await;
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source| BindError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
