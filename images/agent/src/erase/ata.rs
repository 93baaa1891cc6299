//! The ATA commands of an erasure as bytes: ACS-4 for the commands, SAT-4 for the SCSI command that carries them. Pure.
//!
//! Not here: the request to the kernel (`host::ioctl`), and the order in which they are given (`device`).

use std::{io, time::Duration};

/// A command in the registers of an ATA device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taskfile {
    /// Which.
    pub command: u8,
    /// FEATURE.
    pub feature: u16,
    /// COUNT.
    pub count: u16,
    /// LBA, 48 bits.
    pub lba: u64,
    /// Whether it is one of those with 48 bits.
    pub extended: bool,
}

impl Taskfile {
    /// Whether what the registers hold afterwards is the answer.
    pub(crate) fn wants_registers(&self) -> bool {
        self.command == SANITIZE
    }
}

/// SANITIZE DEVICE.
const SANITIZE: u8 = 0xb4;

/// What goes with a command: sectors of 512 bytes.
#[derive(Debug)]
pub enum Data<'a> {
    /// Nothing.
    None,
    /// The device gives a sector.
    In(&'a mut [u8; 512]),
    /// The device gets a sector.
    Out(&'a [u8; 512]),
}

/// What the registers hold after a command without data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// COUNT.
    pub count: u16,
    /// LBA, 48 bits.
    pub lba: u64,
    /// STATUS.
    pub status: u8,
}

/// An ATA device behind its SCSI disk.
pub trait Ata: Sync {
    /// Gives a command. `None` of registers: one with data.
    ///
    /// # Errors
    /// What the kernel says, or that the device ended it with an error.
    fn command(&self, file: &Taskfile, data: Data<'_>, timeout: Duration) -> io::Result<Option<Registers>>;
}

/// Bytes of the password of [`set_password`].
const PASSWORD: &[u8; 32] = b"billet erases this; not a secret";

/// IDENTIFY DEVICE.
pub(super) fn identify() -> Taskfile {
    Taskfile { command: 0xec, count: 1, ..Taskfile::default() }
}

/// SECURITY SET PASSWORD; its sector is [`password`].
pub(super) const SET_PASSWORD: u8 = 0xf1;
/// SECURITY UNLOCK; its sector is [`password`].
pub(super) const UNLOCK: u8 = 0xf2;
/// SECURITY ERASE PREPARE, without data.
pub(super) const ERASE_PREPARE: u8 = 0xf3;
/// SECURITY ERASE UNIT; its sector is [`password`].
pub(super) const ERASE_UNIT: u8 = 0xf4;
/// SECURITY DISABLE PASSWORD; its sector is [`password`].
pub(super) const DISABLE_PASSWORD: u8 = 0xf6;

/// A command of the security feature set.
pub(super) fn security(command: u8) -> Taskfile {
    let count = u16::from(command != ERASE_PREPARE);
    Taskfile { command, count, ..Taskfile::default() }
}

/// The sector of the commands of the security feature set: the user's password, and whether the erasure is the enhanced
/// one. It is the same each time, so that a disk that a loss of power left locked can be unlocked.
pub(super) fn password(enhanced: bool) -> [u8; 512] {
    let mut sector = [0; 512];
    sector[0] = u8::from(enhanced) << 1;
    sector[2..34].copy_from_slice(PASSWORD);
    sector
}

/// What a sanitize does to the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sanitize {
    /// Block erase.
    Block,
    /// Once over with zeros.
    Overwrite,
    /// A new key.
    Crypto,
}

/// SANITIZE DEVICE: begin. The words in LBA are the standard's, against accidents.
pub(super) fn sanitize(how: Sanitize) -> Taskfile {
    let (feature, count, lba) = match how {
        Sanitize::Crypto => (0x11, 0, 0x4372_7970),
        Sanitize::Block => (0x12, 0, 0x426b_4572),
        Sanitize::Overwrite => (0x14, 1, 0x4f57_0000_0000),
    };
    Taskfile { command: SANITIZE, feature, count, lba, extended: true }
}

/// SANITIZE STATUS EXT.
pub(super) fn sanitize_status() -> Taskfile {
    Taskfile { command: SANITIZE, extended: true, ..Taskfile::default() }
}

/// How a sanitize goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SanitizeState {
    /// The last one was completed without error.
    Completed,
    /// So many of 65536 parts are done.
    Runs(u16),
    /// It may not be begun until the next power-on.
    Frozen,
    /// None was done, or the last one failed.
    Idle,
}

/// Reads the registers after SANITIZE STATUS EXT.
pub(super) fn sanitize_state(registers: Registers) -> SanitizeState {
    let bit = |number: u16| registers.count & 1 << number != 0;
    if bit(14) {
        SanitizeState::Runs((registers.lba & 0xffff) as u16)
    } else if bit(13) {
        SanitizeState::Frozen
    } else if bit(15) {
        SanitizeState::Completed
    } else {
        SanitizeState::Idle
    }
}

/// What a device says that it can, and how its security stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Device {
    /// The firmware's revision.
    pub(super) firmware: String,
    /// The sanitize operations, best first.
    pub(super) sanitize: Vec<Sanitize>,
    /// The security feature set, if it has it.
    pub(super) security: Option<Security>,
}

/// How the security feature set stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Security {
    /// A password is set.
    pub(super) enabled: bool,
    /// It is needed before anything else.
    pub(super) locked: bool,
    /// Nothing of it may be changed until the next power-on.
    pub(super) frozen: bool,
    /// There is an enhanced erasure.
    pub(super) enhanced: bool,
    /// How long the erasure takes as the device reckons, the better one if there are two; none: it doesn't say, or only
    /// that it is longer than it can say.
    pub(super) estimate: Option<Duration>,
    /// No more passwords are taken until the next power-on.
    pub(super) expired: bool,
}

impl Device {
    /// Reads the answer to [`identify`].
    pub(super) fn read(page: &[u8; 512]) -> Self {
        let word = |number: usize| u16::from_le_bytes([page[2 * number], page[2 * number + 1]]);
        let bit = |number: usize, bit: u16| word(number) & 1 << bit != 0;
        let all = [(15, Sanitize::Block), (13, Sanitize::Crypto), (14, Sanitize::Overwrite)];
        let can = |(number, _): &(u16, Sanitize)| bit(59, 12) && bit(59, *number);
        let enhanced = bit(128, 5);
        let security = (bit(82, 1) && bit(128, 0)).then(|| Security {
            enabled: bit(128, 1),
            locked: bit(128, 2),
            frozen: bit(128, 3),
            expired: bit(128, 4),
            enhanced,
            estimate: estimate(word(if enhanced { 90 } else { 89 })),
        });
        // Words 23 to 26, two characters each, the first in the upper half.
        let firmware: Vec<u8> = (23..27).flat_map(|number| word(number).to_be_bytes()).collect();
        Self {
            firmware: String::from_utf8_lossy(&firmware).replace('\0', " ").trim().to_owned(),
            sanitize: all.into_iter().filter(can).map(|(_, how)| how).collect(),
            security,
        }
    }
}

/// Words 89 and 90: pairs of minutes, in 8 bits, or in 15 if bit 15 is set.
fn estimate(word: u16) -> Option<Duration> {
    let (pairs, most) = if word & 0x8000 != 0 { (word & 0x7fff, 0x7fff) } else { (word & 0xff, 0xff) };
    (pairs > 0 && pairs < most).then(|| Duration::from_secs(u64::from(pairs) * 2 * 60))
}

/// ATA PASS-THROUGH (16), SAT-4 12.2.3. Of a command without data the registers are asked for.
pub(crate) fn pass_through(file: &Taskfile, data: &Data<'_>) -> [u8; 16] {
    let extended = u8::from(file.extended);
    // Protocol, and: registers wanted; from the device; blocks, as many as COUNT says.
    let (protocol, flags) = match data {
        Data::None if file.wants_registers() => (3, 0x20),
        Data::None => (3, 0),
        Data::In(_) => (4, 0x0e),
        Data::Out(_) => (5, 0x06),
    };
    let [feature_high, feature] = file.feature.to_be_bytes();
    let [count_high, count] = file.count.to_be_bytes();
    let [_, _, lba5, lba4, lba3, lba2, lba1, lba0] = file.lba.to_be_bytes();
    [
        0x85,
        protocol << 1 | extended,
        flags,
        feature_high,
        feature,
        count_high,
        count,
        lba3,
        lba0,
        lba4,
        lba1,
        lba5,
        lba2,
        extended << 6,
        file.command,
        0,
    ]
}

/// The registers in the sense data of a command: the ATA Status Return descriptor, SAT-4 12.2.7.
pub(crate) fn registers(sense: &[u8]) -> Option<Registers> {
    // Descriptors begin at byte 8 of sense data in that format, and say how long they are.
    if !matches!(sense.first()? & 0x7f, 0x72 | 0x73) {
        return None;
    }
    let mut rest = sense.get(8..)?;
    loop {
        let (kind, more) = (*rest.first()?, usize::from(*rest.get(1)?));
        if kind == 0x09 && more >= 12 {
            let at = |number: usize| rest.get(number).copied();
            let lba = [at(10)?, at(8)?, at(6)?, at(11)?, at(9)?, at(7)?];
            let lba = lba.into_iter().fold(0, |sum, byte| sum << 8 | u64::from(byte));
            return Some(Registers { count: u16::from_be_bytes([at(4)?, at(5)?]), lba, status: at(13)? });
        }
        rest = rest.get(2 + more..)?;
    }
}

/// How a command ended: the SCSI status, those of the host adapter and of the driver, the sense data, and whether registers
/// were asked for.
///
/// # Errors
/// When the device did not do it.
pub(crate) fn ended(
    status: u8,
    host: u16,
    driver: u16,
    sense: &[u8],
    registers_wanted: bool,
) -> io::Result<Option<Registers>> {
    let found = registers(sense);
    let failed = |why: String| Err(io::Error::other(why));
    // ATA: ERROR and DEVICE FAULT.
    if let Some(found) = found.filter(|found| found.status & 0x21 != 0) {
        return failed(format!("the ATA device ended the command with status {:#04x}", found.status));
    }
    // DRIVER_SENSE only says that there is sense data.
    if host != 0 || driver & 0xf7 != 0 {
        return failed(format!("the command did not get through (host {host:#x}, driver {driver:#x})"));
    }
    // 02h is CHECK CONDITION; the sense key 1 is that of a command that was done and has something to tell.
    let key = match sense.first().map(|first| first & 0x7f) {
        Some(0x72 | 0x73) => sense.get(1).map(|byte| byte & 0xf),
        Some(0x70 | 0x71) => sense.get(2).map(|byte| byte & 0xf),
        _ => None,
    };
    match (status, key) {
        (0, _) | (2, Some(0 | 1)) if registers_wanted && found.is_none() => {
            failed("the disk did not say what its registers hold".to_owned())
        }
        (0, _) | (2, Some(0 | 1)) => Ok(found),
        (2, Some(key)) => failed(format!("the disk refused the command (sense key {key:#x})")),
        (status, _) => failed(format!("the disk ended the command with SCSI status {status:#04x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_other_programs_send() {
        // IDENTIFY DEVICE as smartctl sends it.
        let identify = pass_through(&identify(), &Data::In(&mut [0; 512]));
        assert_eq!(hex::encode(identify), "85080e0000000100000000000000ec00");
        // hdparm --security-erase: PREPARE and UNIT (its own asks for registers in both).
        let prepare = pass_through(&security(ERASE_PREPARE), &Data::None);
        assert_eq!(hex::encode(prepare), "8506000000000000000000000000f300");
        let unit = pass_through(&security(ERASE_UNIT), &Data::Out(&password(false)));
        assert_eq!(hex::encode(unit), "850a060000000100000000000000f400");
        // hdparm --sanitize-block-erase: `BkEr`; --sanitize-crypto-scramble: `Cryp`; the overwrite: `OW`.
        let block = pass_through(&sanitize(Sanitize::Block), &Data::None);
        assert_eq!(hex::encode(block), "8507200012000042720045006b40b400");
        let over = pass_through(&sanitize(Sanitize::Overwrite), &Data::None);
        assert_eq!((over[9], over[11], over[6]), (0x57, 0x4f, 1));
    }

    #[test]
    fn registers_are_found_in_sense_data() {
        let mut sense = hex::decode("7201001d0000000e").unwrap();
        sense.extend(hex::decode("090c0100c000120034005600e050").unwrap());
        let found = registers(&sense).unwrap();
        assert_eq!(found, Registers { count: 0xc000, lba: 0x5634_1200_0000, status: 0x50 });
        assert_eq!(
            sanitize_state(Registers { count: 0x4000, lba: 0x1_8000, status: 0x50 }),
            SanitizeState::Runs(0x8000)
        );
        assert_eq!(sanitize_state(Registers { count: 0x8000, ..found }), SanitizeState::Completed);
        assert_eq!(sanitize_state(Registers { count: 0x2000, ..found }), SanitizeState::Frozen);
        assert_eq!(sanitize_state(Registers { count: 0, ..found }), SanitizeState::Idle);
        for cut in 0..sense.len() {
            assert_eq!(registers(&sense[..cut]), None, "{cut}");
        }
        assert_eq!(registers(&[0x70; 64]), None, "the fixed format has not all of them");
    }

    #[test]
    fn only_what_was_done_counts() {
        let done = hex::decode("7201001d0000000e090c0100c000120034005600e050").unwrap();
        let mut fault = done.clone();
        fault[21] = 0x51;
        let illegal = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0];
        assert!(ended(2, 0, 8, &done, true).unwrap().is_some());
        assert!(ended(0, 0, 0, &[], false).unwrap().is_none());
        let bad: [(u8, u16, u16, &[u8], bool); 6] = [
            (2, 0, 8, &fault, true),
            (2, 0, 8, &illegal, false),
            (0, 0, 0, &[], true),
            (0, 3, 0, &[], false),
            (0, 0, 6, &[], false),
            (0x28, 0, 0, &[], false),
        ];
        for (status, host, driver, sense, wanted) in bad {
            assert!(
                ended(status, host, driver, sense, wanted).is_err(),
                "{status} {host} {driver} {sense:x?}"
            );
        }
    }
}
