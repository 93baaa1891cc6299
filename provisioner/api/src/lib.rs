//! Wire types of the REST API under `/v1` and of the agent's protocol under `/agent/v1`.
//!
//! Serde only: no I/O, no clock, no decision. Server, CLI, agent and tests share these types, so a field
//! that is missing here doesn't exist for anybody. Lifecycle types are deliberately others: the wire may
//! stay compatible while the core changes.

pub mod agent;
mod bmc;
mod boot;
mod error;
mod event;
mod id;
mod image;
mod instance;
mod machine;
mod network;
pub mod paths;
mod progress;
mod secret;

pub use bmc::{
    BmcBoot, BmcBootDevice, BmcButton, BmcDetails, BmcFru, BmcFruArea, BmcFruField, BmcFruList, BmcIdentify,
    BmcNetwork, BmcPower, BmcPowerReading, BmcPress, BmcSel, BmcSelEntry, BmcSelUpdate, BmcSensor,
    BmcSensorHealth, BmcSensorList, BmcSettingsUpdate, BmcThresholds, BmcUserEntry, BmcUserList,
    BmcUserPrivilege, BmcUserUpdate, BmcWatchdog, CONSOLE_POSITION, CONSOLE_TYPED, ConsoleStatus,
};
pub use boot::{BootChain, BootTrace, Diagnosis, TraceEntry};
pub use error::{FieldError, Problem};
pub use event::Event;
pub use id::{BadId, EventId, ImageId, InstanceId, JobId, MachineId};
pub use image::{Image, ImageFormat, ImageList, ImageSpec, ImageStatus};
pub use instance::{
    DeleteInstance, ErasePolicy, Instance, InstanceCreate, InstanceList, InstanceSpec, InstanceState,
    InstanceStatus,
};
pub use machine::{
    BmcHealth, BmcProtocol, BmcSpec, BmcStatus, BootMode, Cpu, Disk, Inventory, Job, JobKind, Machine,
    MachineAction, MachineActionRequest, MachineCreate, MachineList, MachineSpec, MachineState,
    MachineStatus, MachineUpdate, Nic, Power, Step, StepPhase,
};
pub use network::{
    DhcpMode, Lease, LeaseList, LeaseRelay, LeaseState, Network, NetworkList, NetworkStatus, OtherServer,
    Reservation, ReservationList, Subnet, UndeclaredRelay,
};
pub use progress::{Held, Progress, Waiting, Why};
pub use secret::Secret;
