//! The BMC's half of the RMCP+ handshake: Open Session and RAKP 1 to 4 (13.17 to 13.23).
//!
//! Who refuses and how is as in OpenBMC: an unknown user is refused in RAKP 2, a wrong password in RAKP 4.

use super::{Active, Opening, Sessions, Slot, Stage, USER_LEVEL};
use crate::ipmi::group::lock;
use crate::ipmi::identity::LockOut;
use crate::ipmi::socket::Peer;
use bmc_proto::ipmi::handshake::{
    Challenge, Grant, MAX_PASSWORD, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4,
    Status, privilege,
};
use bmc_proto::ipmi::keys::{Exchange, Protection, same};
use bmc_proto::ipmi::packet::{self, payload};
use bmc_proto::ipmi::{CipherSuite, Window};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// As whom somebody wants to log in.
pub(super) struct Claim {
    slot: u8,
    password: [u8; MAX_PASSWORD],
    limit: u8,
}

/// Wrong passwords in a row, by user slot, and until when the user is locked out.
#[derive(Default)]
pub(super) struct WrongPasswords(BTreeMap<u8, (u32, Option<Duration>)>);

impl WrongPasswords {
    fn count(&mut self, user: u8, rule: Option<LockOut>, now: Duration) {
        let Some(rule) = rule else { return };
        let (wrong, until) = self.0.entry(user).or_default();
        *wrong += 1;
        if *wrong >= rule.after {
            (*wrong, *until) = (0, Some(now + rule.lasts));
        }
    }

    fn are_locked(&self, user: u8, now: Duration) -> bool {
        self.0.get(&user).and_then(|(_, until)| *until).is_some_and(|until| now < until)
    }
}

impl Sessions {
    /// The answer to a message of the handshake. `None`: not understood, or not wanted.
    pub(in crate::ipmi) fn handshake(
        &mut self,
        payload_type: u8,
        bytes: &[u8],
        peer: Peer,
        now: Duration,
        random: &mut dyn FnMut() -> Option<[u8; 16]>,
    ) -> Option<Vec<u8>> {
        self.expire(now);
        let repeated = self.slots.values().find(|slot| slot.peer == peer && slot.last().0 == bytes);
        if let Some(slot) = repeated {
            return Some(slot.last().1.clone());
        }
        let (id, answer) = match payload_type {
            payload::OPEN_SESSION_REQUEST => {
                let request = OpenSessionRequest::decode(bytes)?;
                let outcome = self.open_session(&request, peer, now);
                let id = outcome.as_ref().map_or(0, |grant| grant.system_id);
                let answer =
                    OpenSessionResponse { tag: request.tag, console_id: Some(request.console_id), outcome };
                (id, packet::plain(payload::OPEN_SESSION_RESPONSE, &answer.encode()))
            }
            payload::RAKP1 => {
                let rakp1 = Rakp1::decode(bytes)?;
                let console_id = self.console_id(rakp1.system_id);
                let outcome = self.challenge(&rakp1, random()?, now);
                let answer = Rakp2 { tag: rakp1.tag, console_id, outcome };
                (rakp1.system_id, packet::plain(payload::RAKP2, &answer.encode()))
            }
            payload::RAKP3 => {
                let rakp3 = Rakp3::decode(bytes)?;
                let console_id = self.console_id(rakp3.system_id);
                let outcome = self.prove(&rakp3, now)?;
                let answer = Rakp4 { tag: rakp3.tag, console_id, outcome };
                (rakp3.system_id, packet::plain(payload::RAKP4, &answer.encode()))
            }
            _ => return None,
        };
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.touched = now;
            *slot.last_mut() = (bytes.to_vec(), answer.clone());
        }
        Some(answer)
    }

    /// 0 for a session that there isn't.
    fn console_id(&self, id: u32) -> Option<u32> {
        Some(self.slots.get(&id).map_or(0, |slot| slot.console_id))
    }

    fn open_session(
        &mut self,
        request: &OpenSessionRequest,
        peer: Peer,
        now: Duration,
    ) -> Result<Grant, Status> {
        let unprotected = request.algorithms == [0, 0, 0] && self.openness.suite_zero;
        let suite = CipherSuite::from_algorithms(request.algorithms)
            .filter(|suite| self.suites.contains(suite))
            // Which one is of no meaning: it gets no further.
            .or(unprotected.then_some(CipherSuite::Seventeen))
            .ok_or(Status::NO_CIPHER_SUITE)?;
        if self.slots.len() >= self.limits.sessions {
            self.evict()?;
        }
        self.last_id = self.last_id.wrapping_add(1).max(1);
        let opening = Opening { last: (Vec::new(), Vec::new()), challenged: None, unprotected };
        let stage = Stage::Opening(Box::new(opening));
        let slot = Slot { peer, console_id: request.console_id, suite, touched: now, stage };
        self.slots.insert(self.last_id, slot);
        Ok(Grant {
            max_privilege: privilege::ADMINISTRATOR,
            system_id: self.last_id,
            algorithms: request.algorithms,
        })
    }

    /// Makes room, where nothing but unfinished logins take it all: the oldest of them goes.
    fn evict(&mut self) -> Result<(), Status> {
        if self.open_sessions() > 0 || self.limits.sessions == 0 {
            return Err(Status::NO_RESOURCES);
        }
        let oldest = self.slots.iter().min_by_key(|(id, slot)| (slot.touched, **id)).map(|(id, _)| *id);
        self.slots.remove(&oldest.ok_or(Status::NO_RESOURCES)?);
        Ok(())
    }

    fn challenge(
        &mut self,
        rakp1: &Rakp1,
        system_random: [u8; 16],
        now: Duration,
    ) -> Result<Challenge, Status> {
        let claim = self.claim(rakp1, now);
        let slot = self.slots.get_mut(&rakp1.system_id).ok_or(Status::INVALID_SESSION)?;
        let Stage::Opening(opening) = &mut slot.stage else { return Err(Status::INVALID_SESSION) };
        let claim = match claim {
            Ok(_) if opening.unprotected => {
                self.slots.remove(&rakp1.system_id);
                return Err(Status::NO_CIPHER_SUITE);
            }
            Ok(claim) => claim,
            Err(status) => {
                self.slots.remove(&rakp1.system_id);
                return Err(status);
            }
        };
        let exchange = Exchange {
            suite: slot.suite,
            console_id: slot.console_id,
            system_id: rakp1.system_id,
            console_random: rakp1.console_random,
            system_random,
            system_guid: self.guid,
            role: rakp1.role,
            username: rakp1.username.clone(),
        };
        let code = exchange.rakp2_code(&claim.password).to_vec();
        opening.challenged = Some((exchange, claim));
        Ok(Challenge { system_random, system_guid: self.guid, code })
    }

    /// Whether this user may try to log in like that.
    fn claim(&self, rakp1: &Rakp1, now: Duration) -> Result<Claim, Status> {
        let account = lock(&self.users).find(&rakp1.username).filter(|account| account.enabled);
        let account = account.ok_or(Status::UNAUTHORIZED_NAME)?;
        if self.wrong.are_locked(account.slot, now) {
            return Err(Status::UNAUTHORIZED_NAME);
        }
        if rakp1.role & 0x0F > account.limit {
            return Err(Status::UNAUTHORIZED_ROLE);
        }
        let own = self.slots.values().filter(|slot| slot.user() == Some(account.slot)).count();
        if own >= self.limits.sessions_of_user {
            return Err(Status::NO_RESOURCES);
        }
        Ok(Claim { slot: account.slot, password: account.password, limit: account.limit })
    }

    /// `None`: the console gave up; there is nothing to answer.
    fn prove(&mut self, rakp3: &Rakp3, now: Duration) -> Option<Result<Vec<u8>, Status>> {
        let unknown = Some(Err(Status::INVALID_SESSION));
        let Some(slot) = self.slots.get_mut(&rakp3.system_id) else { return unknown };
        let Stage::Opening(opening) = &slot.stage else { return unknown };
        let proof = rakp3.outcome.as_ref();
        let Some((exchange, claim)) = &opening.challenged else {
            // A console that gives up frees the session, at whatever stage (13.22).
            if proof.is_err() {
                self.slots.remove(&rakp3.system_id);
                return None;
            }
            return unknown;
        };
        let right = proof.is_ok_and(|code| same(&exchange.rakp3_code(&claim.password), code));
        if !right {
            // A console that finds our own code wrong has another password, too.
            if !proof.is_err_and(|status| *status != Status::INVALID_INTEGRITY) {
                self.refused += 1;
                self.wrong.count(claim.slot, self.limits.lock_out, now);
            }
            self.slots.remove(&rakp3.system_id);
            return proof.is_ok().then_some(Err(Status::INVALID_INTEGRITY));
        }
        let session_key = exchange.session_key(self.bmc_key.as_deref().unwrap_or(&claim.password));
        let code = exchange.rakp4_code(&session_key).to_vec();
        let limit = match exchange.role & 0x0F {
            0 => claim.limit,
            role => role.min(claim.limit),
        };
        self.wrong.0.remove(&claim.slot);
        self.logins += 1;
        slot.stage = Stage::Active(Box::new(Active {
            protection: Protection::new(slot.suite, &session_key),
            window: Window::new(),
            sequence: 0,
            limit,
            privilege: USER_LEVEL.min(limit),
            user: claim.slot,
            answered: VecDeque::new(),
            last: (Vec::new(), Vec::new()),
            closing: false,
        }));
        Some(Ok(code))
    }
}

impl Slot {
    fn last(&self) -> &(Vec<u8>, Vec<u8>) {
        match &self.stage {
            Stage::Opening(opening) => &opening.last,
            Stage::Active(active) => &active.last,
        }
    }

    fn last_mut(&mut self) -> &mut (Vec<u8>, Vec<u8>) {
        match &mut self.stage {
            Stage::Opening(opening) => &mut opening.last,
            Stage::Active(active) => &mut active.last,
        }
    }

    /// The user of an open session.
    fn user(&self) -> Option<u8> {
        match &self.stage {
            Stage::Active(active) => Some(active.user),
            Stage::Opening(_) => None,
        }
    }
}
