//! Agents' sessions that were looked up lately: an agent that is written asks for chunks and reports many times a
//! second, always with the same session.
//!
//! What a session names never changes: the window that was claimed, its machine, job and epoch. Whether that job still
//! runs, in that epoch, is not remembered here but looked up at each call, so that an order that was taken back is taken
//! back at once. A session ends when its window is forgotten, a week after the claim or with its machine: that is noticed
//! within [`BELIEVED`]; until then all that it opens are manifests and chunks of images.

use crate::{
    keys::sha256_hex,
    older,
    service::{Service, ServiceError},
    store::Window,
    windows,
};
use provisioner_api::MachineId;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long the database's answer is believed.
const BELIEVED: Duration = Duration::from_secs(60);

/// Most sessions that are remembered; when there are more, all are looked up anew.
const MOST: usize = 16_384;

/// An agent that proved its session: which window it claimed, as which machine.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The machine.
    pub(crate) machine: MachineId,
    /// The window that it claimed.
    pub(crate) window: Window,
}

/// The sessions that were looked up lately, by the hash of their token: memory holds no token.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, (Instant, Session)>>);

impl Sessions {
    fn get(&self, hash: &str, now: Instant) -> Option<Session> {
        self.lock().get(hash).filter(|(until, _)| now < *until).map(|(_, session)| session.clone())
    }

    fn put(&self, hash: String, now: Instant, session: Session) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (until, _)| now < *until);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash, (now + BELIEVED, session));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Session)>> {
        // Each change of the map is one call: a panic can't leave it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session that a token proves, if it is genuine. Only what was genuine is remembered.
pub(crate) async fn session(service: &Service, token: &str) -> Result<Option<Session>, ServiceError> {
    let (hash, now) = (sha256_hex(token), Instant::now());
    if let Some(known) = service.sessions.get(&hash, now) {
        return Ok(Some(known));
    }
    // Before the window is looked for: an older database may not have it.
    if let Some((machine, epoch)) = windows::epoch_of_session(&service.key, token) {
        older::heard_of(service, machine, epoch).await?;
    }
    let Some(window) = windows::window_of_session(service, token).await? else { return Ok(None) };
    let Some(machine) = window.machine else { return Ok(None) };
    let session = Session { machine, window };
    service.sessions.put(hash, now, session.clone());
    Ok(Some(session))
}

/// Remembers the session that a claim gave just now, by its token.
pub(crate) fn begun(service: &Service, token: &str, session: Session) {
    service.sessions.put(sha256_hex(token), Instant::now(), session);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use uuid::Uuid;

    fn session() -> Session {
        let machine = MachineId(Uuid::nil());
        let window = Window {
            id: "w".into(),
            mac: String::new(),
            machine: Some(machine),
            job: None,
            opened: Timestamp::UNIX_EPOCH,
            expires: Timestamp::UNIX_EPOCH,
            nonce: None,
            claimed: None,
        };
        Session { machine, window }
    }

    #[test]
    fn a_session_is_looked_up_anew_after_a_minute_and_memory_is_bounded() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        sessions.put("a".into(), start, session());
        assert!(sessions.get("a", start + BELIEVED - Duration::from_millis(1)).is_some());
        assert!(sessions.get("a", start + BELIEVED).is_none());
        assert!(sessions.get("b", start).is_none());
        for number in 0..MOST + 10 {
            sessions.put(number.to_string(), start, session());
        }
        assert!(sessions.lock().len() <= MOST);
        assert!(sessions.get(&(MOST + 9).to_string(), start).is_some());
    }
}
