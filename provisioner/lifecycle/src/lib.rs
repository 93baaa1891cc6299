//! Every decision about a machine or an instance: four pure verbs over the stored object and `now`.
//!
//! * [`admit`]: a request comes in; it may change only `want`.
//! * [`observe`]: a fact comes in; it may change only `facts`.
//! * [`decide`]: what is to be done now; it changes nothing.
//! * [`settle`]: what was done is taken down; it may change only `state` and `job`.
//!
//! No I/O, no clock, no randomness, no table here. `transitions.md` beside this crate is printed by a test.

mod admit;
mod adopt;
mod allocate;
mod choice;
mod confirm;
mod deadline;
mod decide;
mod disk;
mod erasure;
mod foreign;
mod freeze;
mod instance;
mod machine;
mod nics;
mod observe;
mod order;
mod plan;
mod pool;
mod proof;
mod ram;
mod reinstall;
mod rescue;
mod scrap;
mod service;
mod settle;
mod shell;
mod turn;
mod wipe;

pub use admit::{Refusal, Reinstall, Request, admit};
pub use allocate::{
    Allocation, Candidate, Grant, Member, Pending, Place, Shortage, Shortages, labels_satisfy,
};
pub use choice::{WayOut, awaits_report, choices, may_write_over, usable, ways_out};
pub use confirm::confirm_first;
pub use deadline::{Deadline, Limits, Then};
pub use decide::{Decision, Effect, Move, Patience, decide, silent_in_line};
pub use disk::{DiskWish, NoDisk, choose_root_disk};
pub use erasure::{AtErase, EraseLimit, EraseLine, ErasePlace, Erasing, Erasures};
pub use freeze::{Freeze, decide_while};
pub use instance::{Instance, InstanceDecision, decide_instance, is_overdue};
pub use machine::{
    AgentReport, BmcTrouble, Claim, Facts, FirmwareTask, Hold, Job, Machine, Owner, OwnerName, PowerWish,
    Reported, ServiceWish, Skipped, State, Step, Want,
};
pub use nics::choose_nics;
pub use observe::{Fact, observe};
pub use order::{Draft, Leave, Task, order};
pub use plan::{StepKind, StepName, ram_steps, steps_of};
pub use pool::{Quota, admit_in_pool};
pub use proof::{Unproven, Wiped, WipedDisk};
pub use ram::Ram;
pub use reinstall::NoRootDisk;
pub use rescue::{RescueWish, Rescued};
pub use scrap::{NoScrap, scrap, scrap_command};
pub use service::{NoService, is_to_erase};
pub use settle::{Failure, Outcome, Stage, settle, settle_on};
pub use shell::shell_word;
pub use turn::{
    Fence, NotNow, Pace, Seen, Taking, Turn, Works, lifted, may_begin, may_order, may_take, renew, restored,
    still_mine,
};
pub use wipe::{skippable, unwiped};
