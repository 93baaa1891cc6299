//! How BMCs of a profile answer, beside what their resources say.

use crate::redfish::answer::{BASE, foreign_error, message, nothing, with_json};
use crate::redfish::users::User;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

/// How a profile answers.
#[derive(Debug, Clone)]
pub(in crate::redfish) struct Manners {
    /// What ETags it has.
    pub(in crate::redfish) etags: Etags,
    /// Whether its links end with a slash.
    pub(in crate::redfish) trailing_slash: bool,
    /// Whether `Location` says a whole URL.
    pub(in crate::redfish) absolute_locations: bool,
    /// How many members of a collection are on a page.
    pub(in crate::redfish) page: usize,
    /// Whether it knows `$expand`, `$select` and `only`.
    pub(in crate::redfish) queries: bool,
    /// The Base registry and its version, as message ids begin.
    pub(in crate::redfish) base: &'static str,
    /// The header `Server`.
    pub(in crate::redfish) server: &'static str,
    /// The values of `ResetType` of the system.
    pub(in crate::redfish) resets: &'static [&'static str],
    /// Whether those are told by an `ActionInfo` only.
    pub(in crate::redfish) resets_by_info: bool,
    /// Whether the boot override is taken at the system's settings resource only (AMI says so with
    /// `OperationSupportedInFutureStateURI`, DMTF/Redfish-Tacklebox issues 111 and 144).
    pub(in crate::redfish) boot_in_settings: bool,
    /// Whether a change needs `If-Match` (`Ami.1.0.PreconditionHeaderMissing`, stmcginnis/gofish issue 171).
    pub(in crate::redfish) needs_if_match: bool,
    /// Whether a change of an account needs `If-Match`, and no other does (ansible/ansible issue 56050: XCC).
    pub(in crate::redfish) accounts_need_if_match: bool,
    /// The values of `ResetType` of the manager.
    pub(in crate::redfish) manager_resets: &'static [&'static str],
    /// `Status.State` of a system that is off.
    pub(in crate::redfish) state_when_off: &'static str,
    /// What the ids of sessions begin with; `{user}` is the user's name.
    pub(in crate::redfish) session_ids: &'static str,
    /// Status and message id when all sessions are taken; `None`: as the standard has it.
    pub(in crate::redfish) sessions_full: Option<(u16, &'static str)>,
    /// What ids accounts have.
    pub(in crate::redfish) accounts: AccountIds,
    /// How it says that something is done.
    pub(in crate::redfish) success: Success,
    /// How it answers a reset that the power is already as.
    pub(in crate::redfish) already: Already,
}

/// What ETags a profile has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redfish) enum Etags {
    /// None.
    None,
    /// Strong ones.
    Strong,
    /// Weak ones, which it takes in `If-Match` nevertheless.
    Weak,
}

/// What ids accounts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redfish) enum AccountIds {
    /// Numbers from this on; accounts are made and deleted.
    Numbers(u32),
    /// Slots that are always there, from 1 to this; the first user has slot 2.
    Slots(u32),
}

/// How a BMC says that something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redfish) enum Success {
    /// 204.
    NoContent,
    /// 200 and a message of success under `@Message.ExtendedInfo`.
    Message,
    /// 200 and a message of success under `error`, with this code.
    Error(&'static str),
    /// 200 and a message under `Success`.
    Named,
}

/// How a BMC answers a reset that the power is already as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redfish) enum Already {
    /// 409.
    Conflict,
    /// This status, message id and text.
    Error(u16, &'static str, &'static str),
    /// As if it were done.
    Fine,
}

impl Manners {
    /// As the standard has it.
    pub(in crate::redfish) const STANDARD: Self = Self {
        etags: Etags::Strong,
        trailing_slash: false,
        absolute_locations: false,
        page: 1000,
        queries: true,
        base: BASE,
        server: "simulated-bmc",
        resets: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "GracefulRestart",
            "ForceRestart",
            "Nmi",
            "ForceOn",
            "PushPowerButton",
            "PowerCycle",
            "FullPowerCycle",
            "Suspend",
            "Pause",
            "Resume",
        ],
        resets_by_info: false,
        boot_in_settings: false,
        needs_if_match: false,
        accounts_need_if_match: false,
        manager_resets: &["GracefulRestart", "ForceRestart"],
        state_when_off: "StandbyOffline",
        session_ids: "",
        sessions_full: None,
        accounts: AccountIds::Numbers(1),
        success: Success::NoContent,
        already: Already::Conflict,
    };

    /// It is done.
    pub(in crate::redfish) fn done(&self) -> Response {
        let text = "The request completed successfully.";
        let info = json!([message(&format!("{}.Success", self.base), text, "OK", "None")]);
        let body = match self.success {
            Success::NoContent => return nothing(),
            Success::Message => json!({"@Message.ExtendedInfo": info}),
            Success::Error(code) => json!({"error": {
                "code": code,
                "message": "See @Message.ExtendedInfo for more information.",
                "@Message.ExtendedInfo": info,
            }}),
            Success::Named => json!({"Success": {
                "code": format!("{}.Success", self.base),
                "Message": "Successfully Completed Request.",
                "@Message.ExtendedInfo": info,
            }}),
        };
        with_json(StatusCode::OK, &body)
    }

    /// The answer to a reset that the power is already as. `None`: as the standard has it.
    pub(in crate::redfish) fn already(&self) -> Option<Response> {
        match self.already {
            Already::Conflict => None,
            Already::Error(status, id, text) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT);
                Some(foreign_error(status, id, text, "None."))
            }
            Already::Fine => Some(self.done()),
        }
    }
}

impl AccountIds {
    /// The ids of these users, in turn.
    pub(in crate::redfish) fn of(self, users: &[User]) -> Vec<String> {
        let numbers = |first: u32| (first..).take(users.len()).map(|number| number.to_string()).collect();
        match self {
            Self::Numbers(first) => numbers(first),
            Self::Slots(_) => numbers(2),
        }
    }
}
