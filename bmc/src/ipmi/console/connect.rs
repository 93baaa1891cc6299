//! Activating the console, and what it means when the BMC refuses.

use super::{CONNECTING, REMEMBERED};
use crate::driver::BmcError;
use crate::ipmi::Ipmi;
use crate::ipmi::port::PayloadPort;
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::payload::{ActivateSol, Activated, DeactivateSol, GetSolOwner, completion};
use bmc_proto::ipmi::command::{GetSessionInfo, SessionOwner};
use bmc_proto::ipmi::sol::ConsoleLimits;
use std::time::Duration;
use tokio::time::Instant;

/// BMCs end a session, and with it its console, after a minute without a request.
const LEFT_OVER: Duration = Duration::from_secs(70);

/// A console that was just activated.
pub(super) struct Connection {
    pub(super) port: PayloadPort,
    pub(super) limits: ConsoleLimits,
    /// Whose the BMC says that it is: ours. `None`: it doesn't tell.
    pub(super) owner: Option<u32>,
}

/// How activating ended.
pub(super) enum Connected {
    /// It is ours.
    Yes(Box<Connection>),
    /// Another session has it.
    Taken(BmcError),
}

impl Ipmi {
    /// Activates the console. A session of ours that was left over is ended first; another's only with `take_over`.
    pub(super) async fn connect_console(&self, take_over: bool) -> Result<Connected, BmcError> {
        let mut port = self.attach_payload(CONNECTING).await?;
        let mut answer = self.answer(ActivateSol.into(), CONNECTING).await?;
        if port.is_lost() {
            // The cached session had died unnoticed: the console is activated in the one that replaced it.
            port = self.attach_payload(CONNECTING).await?;
        }
        if answer.completion == completion::ALREADY {
            let owner = self.console_owner().await?;
            if !take_over && !self.is_ours(owner, &port) {
                return Ok(Connected::Taken(self.taken(owner).await?));
            }
            tracing::debug!(address = %self.errors.address, ?owner, take_over, "its console is deactivated");
            // If it ended meanwhile, that is as good.
            self.answer(DeactivateSol.into(), CONNECTING).await?;
            // The old console's farewell would end the new one.
            port.forget();
            answer = self.answer(ActivateSol.into(), CONNECTING).await?;
        }
        let activated = self.activated(&answer)?;
        // Before the next await: a connection that is given up here is still known for ours.
        let own = port.session_id();
        self.remember(own);
        let owner = self.console_owner().await?;
        self.remember(owner);
        let limits = ConsoleLimits::from_inbound_size(activated.inbound_size);
        Ok(Connected::Yes(Box::new(Connection { port, limits, owner })))
    }

    fn activated(&self, answer: &Answer) -> Result<Activated, BmcError> {
        let unsupported = |what: &str| Err(self.cannot(what));
        match answer.completion {
            completion::DISABLED => unsupported(
                "serial over LAN is disabled; enable it in the BMC's settings, or by `ipmitool … sol set enabled true`",
            ),
            completion::NOT_ENCRYPTED => unsupported(
                "it offers its serial console without encryption only, which we don't use; update its firmware",
            ),
            Answer::INVALID_COMMAND | 0xC2 | Answer::INVALID_FIELD => {
                unsupported("it has no serial over LAN, or none on this channel")
            }
            completion::ALREADY | completion::LIMIT => Err(BmcError::Refused {
                address: self.errors.address.clone(),
                during: CONNECTING,
                answer: "its console is in use, and somebody takes it as soon as it is free".into(),
            }),
            // An answer with fewer bytes is still a success: only the size is used.
            _ => self.read::<ActivateSol>(answer, CONNECTING),
        }
    }

    /// The session that has the console; `None`: nobody, or the BMC doesn't tell.
    pub(super) async fn console_owner(&self) -> Result<Option<u32>, BmcError> {
        Ok(self.optional(GetSolOwner, CONNECTING).await?.flatten())
    }

    fn is_ours(&self, owner: Option<u32>, port: &PayloadPort) -> bool {
        let past = self.console.past();
        match owner {
            Some(owner) => port.session_id() == Some(owner) || past.sessions.contains(&owner),
            None => past.left_open.is_some_and(|since| since.elapsed() < LEFT_OVER),
        }
    }

    fn remember(&self, session: Option<u32>) {
        let mut past = self.console.past();
        past.left_open = Some(Instant::now());
        if let Some(session) = session.filter(|session| !past.sessions.contains(session)) {
            past.sessions.push_back(session);
            if past.sessions.len() > REMEMBERED {
                past.sessions.pop_front();
            }
        }
    }

    /// Another session has it: who that is, as far as the BMC tells.
    async fn taken(&self, owner: Option<u32>) -> Result<BmcError, BmcError> {
        let info = match owner {
            Some(id) => self.optional(GetSessionInfo::Id(id), CONNECTING).await?,
            None => None,
        };
        let who =
            info.and_then(|info| info.owner).map_or_else(|| "another session".into(), |owner| name(&owner));
        Ok(BmcError::Refused {
            address: self.errors.address.clone(),
            during: CONNECTING,
            answer: format!(
                "{who} has its console, and there is one at a time; end that one, or take the console over, by hand \
                 with `billet bmc console -H … --take-over`"
            ),
        })
    }

    /// Deactivates the console, unless another session has it by now.
    pub(super) async fn disconnect_console(&self, owner: Option<u32>) {
        if owner.is_some() && self.console_owner().await.ok() != Some(owner) {
            return;
        }
        match self.answer(DeactivateSol.into(), "closing its serial console").await {
            Ok(_) => self.console.past().left_open = None,
            Err(error) => {
                tracing::debug!(address = %self.errors.address, %error, "the console was not deactivated");
            }
        }
    }
}

fn name(owner: &SessionOwner) -> String {
    match owner.peer {
        Some((address, _)) => format!("a session of user {} from {address}", owner.user),
        None => format!("a session of user {}", owner.user),
    }
}
