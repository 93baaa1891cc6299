//! Who may use a route, and of which objects. Each route names its policy in `routes`; `auth` holds requests against it.

use provisioner_api::Role;

/// Who may use a route, and of which objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// Who.
    pub(super) who: Who,
    /// Of which objects.
    pub(super) of: Of,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Anybody who reaches the port. The handler looks for a proof itself, or needs none.
    Anybody,
    /// An agent with the session of a claimed boot window.
    Agent,
    /// Bearers of a token of one of these roles.
    Roles(&'static [Role]),
}

/// Of which objects. Who may not have an object is told what is told of one that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Of what is nobody's in particular: whoever has the role may.
    Shared,
    /// Of everything at once: only a token for all pools may.
    Everything,
    /// Of the machine that the path names, if it is in one of the token's pools.
    Machine,
    /// Of the machine, or the machine with the MAC address, that the path names, in the same way.
    MachineOrMac,
    /// Of the instance that the path names, if its machine, or the pool that it waits for, is the token's.
    Instance,
    /// Of those that are the token's: the handler lists no others, and takes no others out of a body.
    Own,
}

impl Policy {
    /// Everybody's: liveness, and what proves itself by its body: the claim by its token, a log-in by its password.
    pub(super) const OPEN: Self = Self { who: Who::Anybody, of: Of::Shared };
    /// An agent's.
    pub(super) const AGENT: Self = Self { who: Who::Agent, of: Of::Shared };

    /// Bearers of a token of one of these roles may, of these objects.
    pub(super) const fn roles(roles: &'static [Role], of: Of) -> Self {
        Self { who: Who::Roles(roles), of }
    }

    /// Who may, in words.
    pub(super) fn who_in_words(self) -> String {
        match self.who {
            Who::Anybody => "anybody".to_owned(),
            Who::Agent => "an agent's session".to_owned(),
            Who::Roles(roles) => {
                let words: Vec<_> = roles.iter().map(|role| role.word()).collect();
                words.join(", ")
            }
        }
    }

    /// Of what, in words.
    #[cfg(test)]
    pub(super) fn of_in_words(self) -> &'static str {
        match (self.who, self.of) {
            (Who::Agent, _) => "its own job",
            (_, Of::Shared) => "-",
            (_, Of::Everything) => "needs all pools",
            (_, Of::Machine) => "a machine of own pools",
            (_, Of::MachineOrMac) => "a machine of own pools, or its MAC",
            (_, Of::Instance) => "an instance of own pools",
            (_, Of::Own) => "own pools only",
        }
    }
}
