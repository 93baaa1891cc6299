//! Why a machine got nothing over a wire.

/// Why a machine got nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Nobody is there, or the connection could not be made from that address.
    #[error("can't reach {whom}: {why}")]
    Unreachable {
        /// Whom.
        whom: String,
        /// What the system said.
        why: String,
    },
    /// The other side fell silent.
    #[error("{whom} does not answer")]
    Silent {
        /// Who.
        whom: String,
    },
    /// The conversation ended before its end.
    #[error("the connection to {whom} broke: {why}")]
    Broken {
        /// Who.
        whom: String,
        /// How.
        why: String,
    },
    /// The other side said no.
    #[error("{whom} refuses: {why}")]
    Refused {
        /// Who.
        whom: String,
        /// The HTTP status or the TFTP error code.
        code: u16,
        /// In words.
        why: String,
    },
    /// The other side breaks the protocol.
    #[error("{whom} makes no sense: {why}")]
    Garbled {
        /// Who.
        whom: String,
        /// What is wrong.
        why: String,
    },
    /// The address can't be used.
    #[error("`{url}` can't be fetched from: {why}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}
