//! Against a drive that speaks the commands byte by byte, and may fail in each way that drives do.

use super::*;
use crate::{
    OpenDisk,
    erase::{AdminCommand, EraseError, Erasure, Taskfile, sample::NotErased},
    host::FakeDisk,
};
use images::write::{Crew, Target};
use provisioner_api::{Disk, ErasePolicy};
use std::sync::Mutex;

const MIB: u64 = 1 << 20;

/// What a drive can, and what is wrong with it.
#[derive(Debug, Clone, Default)]
struct Traits {
    ata: bool,
    /// Bits of SANICAP, or of word 59.
    sanitize: u16,
    format: bool,
    /// The security feature set: word 128.
    security: u16,
    namespaces: Vec<u32>,
    /// It says that it erased itself, and did nothing.
    lies: bool,
    /// Its erasure fails.
    fails: bool,
    /// So many looks until a sanitize is done.
    looks: u16,
    /// Sanitizing is frozen.
    frozen: bool,
    /// The password that is set is another one.
    foreign: bool,
}

/// What is on a drive at first.
fn first() -> Vec<u8> {
    (0..8 * MIB).map(|at| (at / 3) as u8 ^ (at >> 13) as u8).collect()
}

/// A drive.
struct SimDrive {
    disk: FakeDisk,
    traits: Traits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Looks until the sanitize that runs is done.
    left: Option<u16>,
    completed: bool,
    failed: bool,
    security: u16,
    /// The commands that change something, in order.
    log: Vec<String>,
}

impl SimDrive {
    fn new(traits: Traits) -> Self {
        let disk = FakeDisk::in_memory("sda", "S", 8 * MIB);
        disk.write_at(&first(), 0).unwrap();
        let state = State { security: traits.security, ..State::default() };
        Self { disk, traits, state: Mutex::new(state) }
    }

    fn begin(&self, what: &str) {
        let mut state = self.state.lock().unwrap();
        state.log.push(what.to_owned());
        (state.left, state.completed, state.failed) = (Some(self.traits.looks), false, false);
    }

    /// A look at a sanitize: how far it is, if it runs.
    fn look(&self) -> Option<u16> {
        let mut state = self.state.lock().unwrap();
        let left = state.left?;
        if left > 0 {
            state.left = Some(left - 1);
            return Some(u16::MAX / (self.traits.looks + 1) * (self.traits.looks - left));
        }
        (state.left, state.completed, state.failed) = (None, !self.traits.fails, self.traits.fails);
        drop(state);
        self.erase();
        None
    }

    /// Neither locked nor with a sanitize that runs or failed.
    fn is_open(&self) -> io::Result<()> {
        let state = self.state.lock().unwrap();
        let shut = state.left.is_some() || state.failed || state.security & 4 != 0;
        if shut { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    fn reads_as_at_first(&self) -> bool {
        let mut found = vec![0; 8 * MIB as usize];
        self.disk.read_at(&mut found, 0).unwrap();
        found == first()
    }

    fn erase(&self) {
        if !self.traits.lies && !self.traits.fails {
            // Noise, as a new key leaves it: another one each time.
            let key = self.log().len();
            let noise: Vec<u8> =
                (0..8 * MIB).map(|at| (at * 7 + 3) as u8 ^ (at >> 9) as u8 ^ key as u8).collect();
            self.disk.write_at(&noise, 0).unwrap();
        }
    }

    fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }
}

fn page_of(list: &[u32], page: &mut [u8]) {
    for (number, four) in list.iter().zip(page.chunks_exact_mut(4)) {
        four.copy_from_slice(&number.to_le_bytes());
    }
}

impl Nvme for SimDrive {
    fn namespace(&self) -> io::Result<u32> {
        Ok(1)
    }

    fn admin(&self, command: &AdminCommand, data: &mut [u8]) -> io::Result<()> {
        match (command.opcode, command.cdw10) {
            (0x06, 1) => {
                data[64..72].copy_from_slice(b"SIM00001");
                data[256] = u8::from(self.traits.format) << 1 | 1 << 3;
                data[328] = self.traits.sanitize as u8;
                data[516] = 32;
            }
            (0x06, 0) => data[26] = 1,
            (0x06, 2) => page_of(&[1], data),
            (0x06, 0x10) => page_of(&self.traits.namespaces, data),
            (0x02, word) => {
                assert_eq!((word & 0xff, data.len()), (0x81, 512));
                let runs = self.look();
                let state = self.state.lock().unwrap();
                let status: u16 = match runs {
                    Some(_) => 2,
                    None if state.failed => 3,
                    None if state.completed => 0x101,
                    None => 0,
                };
                data[..2].copy_from_slice(&runs.unwrap_or(u16::MAX).to_le_bytes());
                data[2..4].copy_from_slice(&status.to_le_bytes());
            }
            (0x84, word) => self.begin(&format!("sanitize {word:#x}")),
            (0x80, word) => {
                self.state.lock().unwrap().log.push(format!("format {word:#x}"));
                if self.traits.fails {
                    return Err(io::Error::other("NVMe status: type 1, code 0x0a"));
                }
                self.erase();
            }
            other => panic!("{other:x?}"),
        }
        Ok(())
    }
}

impl Ata for SimDrive {
    fn command(&self, file: &Taskfile, data: Data<'_>, _: Duration) -> io::Result<Option<Registers>> {
        let aborted = || Err(io::Error::other("the ATA device ended the command with status 0x51"));
        match (file.command, data) {
            (0xec, Data::In(page)) => {
                let mut word = |number: usize, value: u16| {
                    page[2 * number..2 * number + 2].copy_from_slice(&value.to_le_bytes());
                };
                word(23, u16::from_be_bytes(*b"SI"));
                word(24, u16::from_be_bytes(*b"M1"));
                word(25, u16::from_be_bytes(*b"  "));
                word(26, u16::from_be_bytes(*b"  "));
                word(59, self.traits.sanitize);
                word(82, (self.traits.security & 1) << 1);
                word(128, self.state.lock().unwrap().security);
                Ok(None)
            }
            (0xb4, Data::None) if file.feature == 0 => {
                let (runs, frozen) = (self.look(), u16::from(self.traits.frozen) << 13);
                let done = u16::from(self.state.lock().unwrap().completed) << 15;
                let count = frozen | if runs.is_some() { 1 << 14 } else { done };
                Ok(Some(Registers { count, lba: u64::from(runs.unwrap_or(u16::MAX)), status: 0x50 }))
            }
            (0xb4, Data::None) => {
                self.begin(&format!("sanitize {:#x}", file.feature));
                Ok(Some(Registers::default()))
            }
            (command, data) => self.secure(command, &data).map_or_else(aborted, Ok),
        }
    }
}

impl SimDrive {
    /// The security feature set; none: aborted.
    fn secure(&self, command: u8, data: &Data<'_>) -> Option<Option<Registers>> {
        let mut state = self.state.lock().unwrap();
        state.log.push(format!("{command:x}"));
        let (enabled, locked, frozen) = (2, 4, 8);
        if state.security & frozen != 0 {
            return None;
        }
        match (command, data) {
            (0xf1, Data::Out(_)) => state.security |= enabled,
            (0xf2 | 0xf6, Data::Out(_)) if self.traits.foreign => return None,
            (0xf2, Data::Out(_)) => state.security &= !locked,
            (0xf6, Data::Out(_)) => state.security &= !enabled,
            (0xf3, Data::None) => {}
            (0xf4, Data::Out(sector)) => {
                assert_eq!(
                    sector[0] & 2 != 0,
                    self.traits.security & 1 << 5 != 0,
                    "enhanced where there is it"
                );
                if self.traits.fails
                    || state.security & locked != 0
                    || !state.log.ends_with(&["f3".into(), "f4".into()])
                {
                    return None;
                }
                state.security &= !enabled;
                drop(state);
                self.erase();
            }
            other => panic!("{other:x?}"),
        }
        Some(matches!(data, Data::None).then(Registers::default))
    }
}

impl Target for SimDrive {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.is_open()?;
        self.disk.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.is_open()?;
        self.disk.read_at(bytes, offset)
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<bool> {
        Ok(false)
    }
    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        self.disk.zero(start, bytes)
    }
    fn flush(&self) -> io::Result<()> {
        self.disk.flush()
    }
}

impl OpenDisk for SimDrive {
    fn reread_partitions(&self) -> io::Result<()> {
        Ok(())
    }
    fn interface(&self) -> Option<Interface<'_>> {
        Some(if self.traits.ata { Interface::Ata(self) } else { Interface::Nvme(self) })
    }
}

/// What [`Erasure::run`] does but for the looks.
fn erase(interface: &Interface<'_>, watch: &mut Watch<'_>) -> Result<Erased, NotDone> {
    let plan = plan(interface, watch)?;
    carry_out(&plan, interface, 8 * MIB, watch)
}

fn run(drive: &SimDrive) -> Result<Erased, NotDone> {
    let mut told = Vec::new();
    let mut hear = |parts| told.push(parts);
    let pause = |_| std::thread::yield_now();
    let mut watch = Watch { cancel: &AtomicBool::new(false), pause: &pause, told: &mut hear };
    let interface = drive.interface().unwrap();
    let done = erase(&interface, &mut watch);
    assert!(told.iter().all(|parts| *parts < WHOLE), "{told:?}");
    done
}

fn nvme() -> Traits {
    Traits { namespaces: vec![1], looks: 3, ..Traits::default() }
}

fn sata() -> Traits {
    Traits { ata: true, looks: 3, ..Traits::default() }
}

/// Word 59 with these operations of the sanitize feature set.
const CRYPTO: u16 = 1 << 12 | 1 << 13;
const OVER: u16 = 1 << 12 | 1 << 14;
const BLOCK: u16 = 1 << 12 | 1 << 15;

#[test]
fn each_device_takes_the_best_way_that_it_has() {
    let cases: [(Traits, EraseMethod, &[&str]); 10] = [
        (
            Traits { sanitize: 0b111, format: true, ..nvme() },
            EraseMethod::NvmeSanitizeBlock,
            &["sanitize 0x2"],
        ),
        (
            Traits { sanitize: 0b101, format: true, ..nvme() },
            EraseMethod::NvmeSanitizeCrypto,
            &["sanitize 0x4"],
        ),
        (Traits { sanitize: 0b100, ..nvme() }, EraseMethod::NvmeSanitizeOverwrite, &["sanitize 0x13"]),
        (Traits { format: true, ..nvme() }, EraseMethod::NvmeFormat, &["format 0x201"]),
        (
            Traits { sanitize: BLOCK | CRYPTO, security: 0x21, ..sata() },
            EraseMethod::AtaSanitizeBlock,
            &["sanitize 0x12"],
        ),
        (Traits { sanitize: CRYPTO | OVER, ..sata() }, EraseMethod::AtaSanitizeCrypto, &["sanitize 0x11"]),
        (Traits { sanitize: OVER, ..sata() }, EraseMethod::AtaSanitizeOverwrite, &["sanitize 0x14"]),
        (Traits { security: 0x21, ..sata() }, EraseMethod::AtaSecureEraseEnhanced, &["f1", "f3", "f4"]),
        (Traits { security: 0x1, ..sata() }, EraseMethod::AtaSecureErase, &["f1", "f3", "f4"]),
        (
            Traits { sanitize: BLOCK, frozen: true, security: 0x21, ..sata() },
            EraseMethod::AtaSecureEraseEnhanced,
            &["f1", "f3", "f4"],
        ),
    ];
    for (traits, method, commands) in cases {
        let drive = SimDrive::new(traits.clone());
        let erased = run(&drive).unwrap_or_else(|error| panic!("{traits:?}: {error}"));
        assert_eq!(
            (erased.method, drive.log()),
            (method, commands.iter().map(ToString::to_string).collect()),
            "{traits:?}"
        );
        assert!(erased.firmware.starts_with("SIM"), "{erased:?}");
    }
}

#[test]
fn who_can_not_or_must_not_is_refused_and_touched_by_nothing() {
    let cases = [
        (nvme(), "can neither sanitize nor format"),
        (Traits { sanitize: 0b111, format: true, namespaces: vec![1, 4], ..nvme() }, "namespace 4"),
        (sata(), "neither sanitize itself nor has it the security feature set"),
        (Traits { sanitize: BLOCK, frozen: true, ..sata() }, "frozen until the next power-on, and it has no"),
        (Traits { security: 0x29, ..sata() }, "security is frozen"),
        (Traits { security: 0x27, foreign: true, ..sata() }, "password that is not Billet's"),
    ];
    for (traits, why) in cases {
        let drive = SimDrive::new(traits.clone());
        let error = run(&drive).unwrap_err();
        assert!(matches!(&error, NotDone::Unable(text) if text.contains(why)), "{traits:?}: {error}");
        assert!(drive.log().iter().all(|command| command == "f2"), "{:?}", drive.log());
        let error = whole(&drive, ErasePolicy::Secure).unwrap_err();
        assert!(error.is_final() && drive.reads_as_at_first(), "{error}");
    }
}

#[test]
fn what_a_loss_of_power_left_is_taken_up() {
    // The sanitize goes on by itself: it is followed, and then all is done again, since nobody wrote markers before it.
    for traits in [Traits { sanitize: 0b10, ..nvme() }, Traits { sanitize: BLOCK, ..sata() }] {
        let drive = SimDrive::new(traits);
        drive.begin("earlier");
        whole(&drive, ErasePolicy::Secure).unwrap();
        assert_eq!(drive.log().len(), 2, "{:?}", drive.log());
    }
    // One that failed takes nothing but another one.
    let drive = SimDrive::new(Traits { sanitize: 0b10, ..nvme() });
    drive.state.lock().unwrap().failed = true;
    whole(&drive, ErasePolicy::Secure).unwrap();
    assert_eq!(drive.log(), ["sanitize 0x2", "sanitize 0x2"]);
    // A disk that its own password locked.
    let drive = SimDrive::new(Traits { security: 0x27, ..sata() });
    whole(&drive, ErasePolicy::Secure).unwrap();
    assert_eq!(drive.log(), ["f2", "f6", "f1", "f3", "f4"]);
}

#[test]
fn a_failure_is_no_success_and_leaves_no_password() {
    let failing = [
        Traits { sanitize: 0b10, fails: true, ..nvme() },
        Traits { format: true, fails: true, ..nvme() },
        Traits { sanitize: BLOCK, fails: true, ..sata() },
        Traits { security: 0x21, fails: true, ..sata() },
    ];
    for traits in failing {
        let drive = SimDrive::new(traits.clone());
        let error = run(&drive).unwrap_err();
        assert!(matches!(error, NotDone::Failed { .. }), "{traits:?}: {error}");
        assert_eq!(drive.state.lock().unwrap().security & 2, 0, "a password is left");
    }
}

#[test]
fn an_order_that_is_taken_back_is_followed_no_longer() {
    let drive = SimDrive::new(Traits { sanitize: 0b10, ..nvme() });
    let cancel = AtomicBool::new(false);
    let pause = |_| cancel.store(true, Relaxed);
    let mut watch = Watch { cancel: &cancel, pause: &pause, told: &mut |_| () };
    assert!(matches!(erase(&drive.interface().unwrap(), &mut watch), Err(NotDone::Cancelled)));
}

fn whole(drive: &SimDrive, policy: ErasePolicy) -> Result<provisioner_api::agent::DiskEvidence, EraseError> {
    let disk = Disk {
        name: "sda".into(),
        serial: Some("S".into()),
        wwn: None,
        model: Some("drive".into()),
        size_bytes: drive.size(),
        rotational: false,
        removable: false,
        read_only: false,
        sector_bytes: 512,
        ..Disk::default()
    };
    let cancel = AtomicBool::new(false);
    let erasure = Erasure {
        disk: &disk,
        target: drive,
        policy,
        crew: Crew::default(),
        seed: [9; 32],
        cancel: &cancel,
        stands: &|| true,
    };
    erasure.run(&mut |_| ())
}

#[test]
fn the_evidence_is_what_was_found_on_the_disk() {
    let drive = SimDrive::new(Traits { format: true, ..nvme() });
    let evidence = whole(&drive, ErasePolicy::Secure).unwrap();
    let record = evidence.record.unwrap();
    let samples = record.samples.unwrap();
    assert_eq!((record.method, record.firmware.as_deref()), (EraseMethod::NvmeFormat, Some("SIM00001")));
    assert_eq!((samples.markers, samples.places, samples.held, samples.zero), (64, 8, 8, 0));
    assert!(evidence.bytes_verified >= ErasePolicy::Secure.least_verified(drive.size()));
}

#[test]
fn a_drive_that_lies_is_found_out() {
    for traits in
        [Traits { format: true, lies: true, ..nvme() }, Traits { security: 1, lies: true, ..sata() }]
    {
        let error = whole(&SimDrive::new(traits), ErasePolicy::Secure).unwrap_err();
        assert!(
            matches!(error, EraseError::Compared(NotErased::Survived { .. })) && error.is_final(),
            "{error}"
        );
    }
}

#[test]
fn no_way_is_taken_in_the_place_of_another_one() {
    let drive = SimDrive::new(Traits { sanitize: BLOCK, security: 0x21, ..sata() });
    // It can't discard: that is refused, and neither overwritten nor sanitized.
    let error = whole(&drive, ErasePolicy::Discard).unwrap_err();
    assert!(error.is_final() && error.to_string().contains("overwrite"), "{error}");
    let methods =
        [(ErasePolicy::Metadata, EraseMethod::Metadata), (ErasePolicy::Overwrite, EraseMethod::Overwrite)];
    for (policy, method) in methods {
        let evidence = whole(&drive, policy).unwrap();
        assert_eq!((evidence.policy, evidence.record.unwrap().method), (policy, method));
        assert!(evidence.bytes_verified >= policy.least_verified(drive.size()));
    }
    assert!(drive.log().is_empty(), "{:?}", drive.log());
    let plain = FakeDisk::in_memory("vda", "V", MIB);
    assert!(plain.interface().is_none());
}
