//! Every fault of the simulated BMC × what is written to it: power on, boot once, power off, media, firmware. Each ends
//! with the right state at the machine or with the error that belongs to the fault, in bounded time, and nothing that
//! must be done once is done twice.

mod rows;

use super::Redfish;
use super::rig::Rig;
use super::timing::{QUICK, Timing};
use crate::{
    Bmc as _, BmcError, BootMode, BootOverride, BootTarget, Firmware as Firmwares, FirmwareSource,
    FirmwareUpdate, MediaInsert, MediaKind, Persistence, PowerState, TaskState, Tasks as _,
    VirtualMedia as _,
};
use bmc_mock::redfish::Profile;
use bmc_mock::{BootDevice, BootFlags, Chassis as _};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const IMAGE: &str = "http://10.0.0.1:8080/images/os.iso";
const FIRMWARE: &str = "http://10.0.0.1/bios-9.9.9.bin";

/// No cell takes longer, whatever the machine that runs the test does beside it.
const LONGEST: Duration = Duration::from_secs(60);
/// Nor does any ask for more: what waits, waits between requests.
const REQUESTS_MOST: usize = 600;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    On,
    Boot,
    Off,
    Media,
    Firmware,
}
use Deed::{Boot, Firmware, Media, Off, On};

const DEEDS: [Deed; 5] = [On, Boot, Off, Media, Firmware];

/// How it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As if there were no fault.
    Right,
    /// With one of these errors, or a task that is so.
    Told(&'static [&'static str]),
    /// Either: what the fault hits differs by maker.
    Either(&'static [&'static str]),
}
use End::{Either, Right, Told};

/// A fault.
struct Row {
    name: &'static str,
    /// Whether the driver is logged in and knows its way when it begins.
    warm: bool,
    set: fn(&Rig),
    end: fn(Deed, Profile) -> End,
}

/// Waits for what must be awaited, on a machine that may be busy; a little longer than the faults last.
const PATIENT: Timing = Timing {
    poll: Duration::from_millis(20),
    not_now: Duration::from_secs(30),
    power: Duration::from_secs(30),
    insist: Duration::from_millis(500),
    boot: Duration::from_secs(30),
    media: Duration::from_secs(30),
    setting: Duration::from_secs(30),
    ..QUICK
};

/// For BMCs that leave requests without an answer.
const HASTY: Timing = Timing { request: Duration::from_millis(400), ..QUICK };

/// What came of a cell.
#[derive(Debug)]
enum Came {
    Ok,
    Error(BmcError),
    /// The task of an update, at the end of our patience.
    Task(TaskState),
}

impl Came {
    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Task(TaskState::Running) => "task runs",
            Self::Task(TaskState::AwaitsBoot) => "task awaits boot",
            Self::Task(TaskState::Failed) => "task failed",
            Self::Task(TaskState::Done | TaskState::Gone) => "task ended",
            Self::Error(error) => kind(error),
        }
    }
}

fn kind(error: &BmcError) -> &'static str {
    match error {
        BmcError::Unreachable { .. } => "unreachable",
        BmcError::AuthenticationFailed { .. } => "authentication",
        BmcError::WrongCertificate { .. } => "certificate",
        BmcError::Untrusted { .. } => "untrusted",
        BmcError::NotABmc { .. } => "no BMC",
        BmcError::NoFreeSession { .. } => "no session",
        BmcError::Resting { credentials: false, .. } => "resting",
        BmcError::Unknown { .. } => "unknown",
        BmcError::Unsupported { .. } => "unsupported",
        BmcError::Refused { .. } => "refused",
        BmcError::NotDone { .. } => "not done",
        BmcError::Protocol { .. } => "protocol",
        _ => "another",
    }
}

async fn carry_out(deed: Deed, bmc: &Redfish) -> Came {
    let once = BootOverride {
        target: BootTarget::Network,
        persistence: Persistence::Once,
        mode: Some(BootMode::Uefi),
    };
    let done = match deed {
        On => bmc.set_power(PowerState::On).await,
        Off => bmc.set_power(PowerState::Off).await,
        Boot => bmc.set_boot(once).await,
        Media => {
            let insert = MediaInsert { image: IMAGE.into(), slot: None, kind: MediaKind::Cd };
            bmc.insert_media(&insert).await.map(drop)
        }
        Firmware => return update(bmc).await,
    };
    done.map_or_else(Came::Error, |()| Came::Ok)
}

/// Starts an update and follows it, as an operator's client does: through restarts, and to the version if the task is
/// forgotten.
async fn update(bmc: &Redfish) -> Came {
    let wanted =
        FirmwareUpdate { source: FirmwareSource::Url(FIRMWARE.into()), targets: vec![], apply: None };
    let handle = match bmc.start_update(&wanted).await {
        Ok(handle) => handle,
        Err(error) => return Came::Error(error),
    };
    let mut last = Came::Task(TaskState::Running);
    for _ in 0..150 {
        match bmc.task(&handle).await {
            Ok(task) if task.state == TaskState::Done => return Came::Ok,
            Ok(task) if task.state == TaskState::Running => last = Came::Task(task.state),
            Ok(task) => return Came::Task(task.state),
            // It is let alone for some seconds when it failed to answer thrice.
            Err(BmcError::Resting { rest, .. }) if bmc.timing.power == PATIENT.power => sleep(rest).await,
            Err(error) if super::client::is_passing(&error) => last = Came::Error(error),
            Err(error) => return Came::Error(error),
        }
        sleep(bmc.timing.poll).await;
    }
    last
}

/// Whether the machine is now as it was to be.
async fn is_so(deed: Deed, rig: &Rig) -> bool {
    match deed {
        On => rig.is_on().await,
        Off => !rig.is_on().await,
        Boot => {
            let flags = rig.chassis.boot().await.unwrap();
            flags.device == Some(BootDevice::Network) && !flags.persistent
        }
        Media => rig.parts().media.images() == [IMAGE],
        Firmware => {
            rig.controls.clear_faults();
            let fresh = Redfish::with_timing(&rig.endpoint(None), QUICK);
            let items = Firmwares::firmware(&fresh).await.unwrap();
            items.iter().any(|item| item.version.as_deref() == Some("9.9.9"))
        }
    }
}

/// One cell: what is wrong with how it went, if anything is, and how it went.
async fn cell(row: &'static Row, deed: Deed, profile: Profile) -> (String, Vec<String>) {
    let rig = Rig::of(profile).await;
    rig.chassis.set_power(deed == Off).await.unwrap();
    rig.chassis.set_boot(BootFlags { uefi: true, ..BootFlags::default() }).await.unwrap();
    let expected = (row.end)(deed, profile);
    let timing = match expected {
        Right | Either(_) => PATIENT,
        Told(words) if words.contains(&"unreachable") || words.contains(&"unknown") => HASTY,
        Told(_) => QUICK,
    };
    let bmc = rig.driver_with(timing);
    if row.warm {
        bmc.power().await.unwrap();
    }
    (row.set)(&rig);
    let before = rig.controls.requests();
    let Ok(came) = timeout(LONGEST, carry_out(deed, &bmc)).await else {
        return ("for ever".into(), vec!["it took too long".into()]);
    };
    let requests = rig.controls.requests() - before;
    let mut wrong = Vec::new();
    if requests > REQUESTS_MOST {
        wrong.push(format!("{requests} requests"));
    }
    match expected {
        Right if !matches!(came, Came::Ok) => wrong.push(format!("{came:?}")),
        Either(words) if !matches!(came, Came::Ok) && !words.contains(&came.word()) => {
            wrong.push(format!("not {words:?}: {came:?}"));
        }
        Told(words) if !words.contains(&came.word()) => wrong.push(format!("not {words:?}: {came:?}")),
        _ => {}
    }
    if let Came::Error(error) = &came {
        wrong.extend(unfit(&error.to_string(), &rig));
    }
    if matches!(came.word(), "certificate" | "no session") && !rig.writes().is_empty() {
        wrong.push(format!("it was not to change anything: {:?}", rig.writes()));
    }
    let updates = rig.parts().update.fetched().len();
    if updates > 1 {
        wrong.push(format!("{updates} updates"));
    }
    if matches!(came, Came::Ok) && !is_so(deed, &rig).await {
        wrong.push("said to be done, and it is not so".into());
    }
    (came.word().into(), wrong)
}

/// What about a sentence no operator could use.
fn unfit(sentence: &str, rig: &Rig) -> Option<String> {
    let leaks = sentence.contains("secret");
    let raw = ["Some(", "Err(", "BmcError", "\n", "{", "reqwest"].iter().any(|odd| sentence.contains(odd));
    let named = sentence.contains(&rig.address.to_string());
    let bad = leaks || raw || !named || sentence.len() > 700;
    bad.then(|| format!("the sentence: {sentence}"))
}

async fn judge(profile: Profile) {
    let (mut table, mut all) = (String::new(), Vec::new());
    for row in rows::ROWS {
        let _ = write!(table, "{:44}", row.name);
        let cells: Vec<_> = DEEDS.map(|deed| tokio::spawn(cell(row, deed, profile))).into();
        for (deed, cell) in DEEDS.into_iter().zip(cells) {
            let (word, wrong) = cell.await.unwrap();
            let mark = if wrong.is_empty() { "" } else { " !" };
            let _ = write!(table, "{:20}", format!("{word}{mark}"));
            all.extend(wrong.into_iter().map(|wrong| format!("{}, {deed:?}: {wrong}", row.name)));
        }
        table.push('\n');
    }
    assert!(all.is_empty(), "{profile}: columns are {DEEDS:?}\n{table}\n{}", all.join("\n"));
}

#[tokio::test]
async fn generic() {
    judge(Profile::Generic).await;
}

#[tokio::test]
async fn dell() {
    judge(Profile::Dell).await;
}

#[tokio::test]
async fn hpe() {
    judge(Profile::Hpe).await;
}

#[tokio::test]
async fn ami() {
    judge(Profile::Ami).await;
}

#[tokio::test]
async fn lenovo() {
    judge(Profile::Lenovo).await;
}

#[tokio::test]
async fn supermicro() {
    judge(Profile::Supermicro).await;
}
