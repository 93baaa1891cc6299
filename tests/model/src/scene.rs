//! How much may happen in a world, and which rule is broken in it.

use jiff::SignedDuration;
use provisioner_lifecycle::Pace;

/// How much may happen.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// Processes of the service.
    pub replicas: u8,
    /// The last second of the database's clock; it begins at 1.
    pub end: i64,
    /// Whether the machine has a job.
    pub job: bool,
    /// Whether its agent waits for orders already, and the first replica has the turn: else all begins at nothing.
    pub begun: bool,
    /// Who wants the machine.
    pub clients: u8,
    /// Commits whose answer is lost, landed or not.
    pub unknown: u8,
    /// Deaths of a process, which is started again as another one.
    pub crashes: u8,
    /// Deaths of the agent, after which the job starts anew.
    pub reboots: u8,
    /// Freezes by a person.
    pub freezes: u8,
    /// Restorations of a backup.
    pub restores: u8,
    /// Nobody dawdles: the clock goes on only when nobody has anything to do.
    pub urgent: bool,
}

impl Scene {
    /// Nothing goes wrong but that processes are stopped.
    pub const QUIET: Self = Self {
        replicas: 2,
        end: 5,
        job: true,
        begun: false,
        clients: 0,
        unknown: 0,
        crashes: 0,
        reboots: 0,
        freezes: 0,
        restores: 0,
        urgent: false,
    };
}

/// A rule that is broken, to see that the check finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Writes compare the version and not the term.
    TermNotCompared,
    /// Writes compare the term and not the version.
    VersionNotCompared,
    /// Taking compares the term and not the end of the lease, which a renewal moves.
    RenewalNotCompared,
    /// A replica decides by its own clock, which is three seconds fast.
    OwnClock,
    /// An effect is begun however little is left of the lease.
    ShortLease,
    /// The agent's fence has the job's epoch only, which a take-over does not raise.
    FenceNotRaised,
    /// The agent takes an order however long ago it asked.
    OldLeave,
    /// A boot window can be claimed twice in one epoch.
    WindowTwice,
    /// A lost answer to a commit counts as "it did not happen": the change is made once more.
    UnknownIsRepeated,
    /// The same, told to who asked.
    UnknownIsRefused,
    /// A restored database works at once.
    ThawAtRestore,
    /// A restored database counts on from the terms and epochs that it holds.
    NotLifted,
    /// A restored database's turns can be taken at once.
    NoWaiting,
    /// A process may be stopped between its look at the clock and sending to the BMC. No fault: a limit of the design.
    StoppedBeforeSending,
}

/// A lease of three seconds, and effects and leave of one.
pub(crate) const PACE: Pace = Pace {
    lease: SignedDuration::from_secs(3),
    effect: SignedDuration::from_secs(1),
    leave: SignedDuration::from_secs(1),
};
