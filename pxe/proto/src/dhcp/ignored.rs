//! Why a datagram is dropped before anybody asks what it wants.

/// Why a datagram is not looked at any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Shorter than the fixed part, or longer than a frame.
    #[error("{length} bytes are no DHCP message")]
    Length {
        /// Length in bytes.
        length: usize,
    },
    /// Not sent by a client.
    #[error("op code {op} is not a request")]
    NotARequest {
        /// The op field.
        op: u8,
    },
    /// Not an Ethernet client.
    #[error("hardware type {htype} with addresses of {hlen} bytes is not Ethernet")]
    NotEthernet {
        /// The htype field.
        htype: u8,
        /// The hlen field.
        hlen: u8,
    },
    /// No machine can have this hardware address.
    #[error("the hardware address is zero or a group address")]
    HardwareAddress,
    /// BOOTP without DHCP's options.
    #[error("the magic cookie of DHCP is missing")]
    NoCookie,
    /// No option 53, or of the wrong length.
    #[error("the message type is missing")]
    NoMessageType,
    /// A message that servers send, or one that nobody here speaks.
    #[error("message type {message_type} is not for a server")]
    NotForServers {
        /// Value of option 53.
        message_type: u8,
    },
    /// A REQUEST, RELEASE, DECLINE or INFORM about no address, or one that nobody can have.
    #[error("the message names no address")]
    NoAddress,
}

impl Ignored {
    /// The reason in one word, for counters.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Ignored::Length { .. } => "length",
            Ignored::NotARequest { .. } => "not_a_request",
            Ignored::NotEthernet { .. } => "not_ethernet",
            Ignored::HardwareAddress => "hardware_address",
            Ignored::NoCookie => "no_cookie",
            Ignored::NoMessageType => "no_message_type",
            Ignored::NotForServers { .. } => "not_for_servers",
            Ignored::NoAddress => "no_address_named",
        }
    }
}
