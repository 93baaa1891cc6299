//! What a login keeps through several attempts: privilege, tags, how often it may begin anew.

use super::Config;
use super::random::Random;
use crate::ipmi::handshake::{Status, privilege};

/// How often a login is begun anew.
pub(super) const RESTARTS: u8 = 3;

/// What outlives one attempt of a login.
pub(super) struct Progress {
    /// Privilege that is asked for.
    pub(super) level: u8,
    /// The privilege in Open Session: 0 asks for the highest; the role is set in RAKP 1.
    pub(super) open_privilege: u8,
    /// Tag of the last message.
    pub(super) tag: u8,
    /// How many times the login may be begun anew.
    pub(super) restarts_left: u8,
    /// Whether RAKP 1 or RAKP 3 was sent more than once in this attempt.
    pub(super) repeated: bool,
    /// Sessions of earlier attempts that the BMC may hold open.
    pub(super) abandoned: Vec<u32>,
}

impl Progress {
    pub(super) fn new(config: &Config, random: &mut Random) -> Self {
        // Below 128, so that it doesn't come to 0 (see `Login::answers`) in the few dozen messages of a login.
        let tag = random.bytes()[0] & 0x7F;
        Self {
            level: config.privilege.level(),
            open_privilege: 0,
            tag,
            restarts_left: RESTARTS,
            repeated: false,
            abandoned: Vec::new(),
        }
    }

    pub(super) fn next_tag(&mut self) -> u8 {
        self.tag = self.tag.wrapping_add(1).max(1);
        self.tag
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// Goes from administrator to operator. False: that was tried.
    pub(super) fn lower(&mut self) -> bool {
        let may = self.level == privilege::ADMINISTRATOR;
        self.level = privilege::OPERATOR;
        may
    }

    /// Whether it went as it should: nothing was sent twice, and nothing is left open.
    pub(super) fn is_plain(&self) -> bool {
        !self.repeated && self.restarts_left == RESTARTS && self.abandoned.is_empty()
    }

    /// Whether what goes wrong now can come of messages that we sent twice, and another attempt is left.
    pub(super) fn may_restart(&self) -> bool {
        self.repeated && self.restarts_left > 0
    }

    /// The same for what only messages that crossed can bring about: the network, too, sends some of them twice.
    pub(super) fn must_have_crossed(&self, status: Status) -> bool {
        (self.repeated || status.is_about_session() || status == Status::INVALID_INTEGRITY)
            && self.restarts_left > 0
    }
}
