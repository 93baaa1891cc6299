//! Identifiers: a UUID v7 each, one type for each kind of object so that they can't be mixed up.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// What was given isn't a UUID.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not an id: ids look like 0190a5c0-7d3e-7000-8000-000000000000")]
pub struct BadId {
    /// What was given.
    pub text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                Uuid::parse_str(text).map(Self).map_err(|_| BadId { text: text.to_owned() })
            }
        }
    };
}

id!(
    /// A machine: a physical server or a lab VM.
    MachineId
);
id!(
    /// An instance: what a user asked for.
    InstanceId
);
id!(
    /// An imported image.
    ImageId
);
id!(
    /// A job: one piece of long work on a machine.
    JobId
);
id!(
    /// An event in the timeline of a machine or an instance.
    EventId
);
id!(
    /// The record of an erasure.
    ErasureId
);
