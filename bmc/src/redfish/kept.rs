//! A session as it is remembered through a crash. What is written is a secret: whoever has it is logged in.

use super::transport::Transport;
use crate::Credentials;
use bmc_proto::redfish::ResourcePath;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// What is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The only origin that the token may be sent to.
    origin: String,
    user: String,
    /// Tells whether it was made with this password: an old session must not hide that a new password is wrong.
    check: String,
    token: String,
    location: Option<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl Kept {
    pub(super) fn new(
        transport: &Transport,
        credentials: &Credentials,
        token: &HeaderValue,
        location: Option<&ResourcePath>,
    ) -> Option<Self> {
        let token = token.to_str().ok()?.to_owned();
        Some(Self {
            origin: transport.origin().to_owned(),
            user: credentials.username.clone(),
            check: check(&token, credentials),
            token,
            location: location.map(ToString::to_string),
        })
    }

    /// Reads what was kept; `None` for what is none of ours, or another origin's.
    pub(super) fn read(text: &str, transport: &Transport) -> Option<Self> {
        let kept: Self = serde_json::from_str(text).ok()?;
        (kept.origin == transport.origin()).then_some(kept)
    }

    pub(super) fn text(&self) -> Option<Zeroizing<String>> {
        serde_json::to_string(self).ok().map(Zeroizing::new)
    }

    /// Whether it was made with these credentials.
    pub(super) fn is_of(&self, credentials: &Credentials) -> bool {
        self.user == credentials.username && self.check == check(&self.token, credentials)
    }

    pub(super) fn token(&self) -> Option<HeaderValue> {
        let mut token = HeaderValue::from_str(&self.token).ok().filter(|token| !token.is_empty())?;
        token.set_sensitive(true);
        Some(token)
    }

    pub(super) fn location(&self) -> Option<ResourcePath> {
        ResourcePath::from_link(self.location.as_deref()?)
    }
}

/// 32 bits: enough to notice another password, too few to find it out by trying.
fn check(token: &str, credentials: &Credentials) -> String {
    let mut hash = Sha256::new();
    for part in [token, &credentials.username, credentials.password.as_str()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..4])
}
