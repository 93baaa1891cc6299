//! Wire types of the REST API under `/v1` and of the agent's protocol under `/agent/v1`.
//!
//! Serde and JSON only: no I/O, no clock, no decision. Server, CLI, agent and tests share these types, so a field
//! that is missing here doesn't exist for anybody. Lifecycle types are deliberately others: the wire may
//! stay compatible while the core changes.

mod address;
pub mod agent;
mod audit;
mod bmc;
mod bmc_audit;
mod bmc_given;
mod bmc_parts;
mod bmc_scan;
mod bmc_settings;
mod boot;
mod certificate;
mod disk;
mod erasure;
mod error;
mod etag;
mod event;
mod id;
mod image;
mod instance;
mod interfaces;
mod key;
mod list;
mod machine;
mod network;
mod overview;
pub mod paths;
pub mod permit;
mod placement;
mod pool;
mod progress;
mod provider_id;
mod ready;
mod replica;
mod secret;
mod seed;
mod service;
mod timeline;
mod token;
mod user;
mod watch;
mod works;

pub use address::{Address, AddressClaim, AddressList, StaticAddress};
pub use audit::{AuditEntry, AuditHead, AuditList, AuditOutcome, AuditRecord};
pub use bmc::{
    BmcBoot, BmcBootDevice, BmcButton, BmcConfirm, BmcDetails, BmcFru, BmcFruArea, BmcFruField, BmcFruList,
    BmcIdentify, BmcNetwork, BmcPower, BmcPowerReading, BmcPress, BmcSel, BmcSelEntry, BmcSelUpdate,
    BmcSensor, BmcSensorHealth, BmcSensorList, BmcSettingsUpdate, BmcThresholds, BmcUserAdd, BmcUserEntry,
    BmcUserList, BmcUserPrivilege, BmcUserUpdate, BmcWatchdog, CONSOLE_POSITION, CONSOLE_TYPED,
    ConsoleStatus,
};
pub use bmc_audit::{BmcAudit, BmcAuditRequest, BmcFinding, BmcSeverity};
pub use bmc_parts::{
    BmcApplyTime, BmcDrive, BmcFirmwareItem, BmcFirmwareList, BmcFirmwareUpdate, BmcHardware, BmcLog,
    BmcLogEntries, BmcLogList, BmcMemoryModule, BmcNetworkPort, BmcPciDevice, BmcProcessor, BmcReport,
    BmcSubscribe, BmcSubscription, BmcSubscriptionList, BmcTask, BmcTaskList, BmcTaskState,
};
pub use bmc_scan::{BmcFound, BmcFoundList, BmcFoundRedfish, BmcScan};
pub use bmc_settings::{
    BmcBiosApplies, BmcBiosAttribute, BmcBiosChange, BmcBiosList, BmcBiosRule, BmcBiosUpdate, BmcBiosValue,
    BmcBootOption, BmcBootOrder, BmcBootOrderUpdate, BmcMediaInsert, BmcMediaKind, BmcMediaList,
    BmcMediaSlot, BmcSecureBoot, BmcSecureBootKeys, BmcSecureBootReset, BmcSecureBootUpdate,
};
pub use boot::{BootChain, BootTrace, Diagnosis, TraceEntry};
pub use certificate::{
    BadCertificate, CERTIFICATE_VERSION, CertifiedDisk, CertifiedMachine, CertifiedOwner, Erasure,
    ErasureCertificate, ErasureKey, ErasureKeyList, ErasureList, ErasureResult, Media, Sanitization,
    SignedCertificate, Verification, certified,
};
pub use disk::{Caution, Disk, DiskHints, DiskKind};
pub use erasure::{EraseMethod, ErasureRecord, ErasureSamples};
pub use error::{FieldError, Problem};
pub use etag::etag;
pub use event::{Event, EventList};
pub use id::{BadId, ErasureId, EventId, ImageId, InstanceId, JobId, MachineId};
pub use image::{
    Image, ImageFormat, ImageList, ImageSigner, ImageSpec, ImageStatus, MAX_COMMAND_LINE, RAM_ALIGNMENT,
};
pub use instance::{
    DeleteInstance, ErasePolicy, Instance, InstanceAction, InstanceActionRequest, InstanceCreate,
    InstanceList, InstanceReinstall, InstanceRescue, InstanceSpec, InstanceState, InstanceStatus,
    RescueAccess, RescueStatus,
};
pub use interfaces::{
    AddressSpec, BondMode, BondSpec, BridgeSpec, InterfaceSpec, LacpRate, NetworkSpec, NicMatch, RouteSpec,
    TransmitHash, VlanSpec,
};
pub use key::{KeyList, SiteKeyPrint};
pub use list::{PAGE, PAGE_MOST};
pub use machine::{
    BmcHealth, BmcProtocol, BmcSpec, BmcStatus, BootMode, Cpu, Gpu, Inventory, Job, JobKind, Machine,
    MachineAction, MachineActionRequest, MachineAdopt, MachineCreate, MachineList, MachineSpec, MachineState,
    MachineStatus, MachineUpdate, Nic, Power, Step, StepPhase,
};
pub use network::{
    DhcpMode, Lease, LeaseList, LeaseRelay, LeaseState, Network, NetworkList, NetworkStatus, OtherServer,
    Reservation, ReservationList, Subnet, UndeclaredRelay,
};
pub use overview::{FleetEvent, FleetEventList, Group, GroupList, JobList, ListedJob};
pub use placement::{InstanceUpdate, LabelExpression, LabelOperator, Minimum, Spread, SpreadBy};
pub use pool::{Pool, PoolCreate, PoolList, PoolSpec, PoolUpdate};
pub use progress::{
    Choice, ChooseRequest, Held, MachineScrap, Offer, Progress, Remedy, Waiting, Why, WhyMachine,
};
pub use provider_id::provider_id;
pub use ready::{Readiness, ReadyPart};
pub use replica::{Replica, ReplicaList};
pub use secret::Secret;
pub use seed::{Finish, Growth, SeedKind};
pub use service::{MachineService, ServiceStep};
pub use timeline::{Timeline, TimelineEntry};
pub use token::{Role, Token, TokenCreate, TokenCreated, TokenList};
pub use user::{LoggedIn, Login, PasswordChange, User, UserCreate, UserList, UserUpdate, WhoAmI, WhoKind};
pub use watch::{
    WATCH_BEGAN, WATCH_CHANGED, WATCH_DELETED, WATCH_ENDED, WATCH_LEFT, WATCH_RESET, WatchBegan, WatchChange,
    WatchEnded, WatchKind, WatchReset,
};
pub use works::{FreezeRequest, Frozen, Wiping, Works};
