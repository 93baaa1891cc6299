//! The NVMe admin commands of an erasure as bytes: NVM Express Base Specification 2.0 and NVM Command Set Specification 1.0.
//! Pure.
//!
//! Not here: the request to the kernel (`host::ioctl`), and the order in which they are given (`device`).

use std::{io, time::Duration};

/// An admin command. Words that are not here are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminCommand {
    /// Which.
    pub opcode: u8,
    /// The namespace; all ones: every one.
    pub nsid: u32,
    /// Command dword 10.
    pub cdw10: u32,
    /// Command dword 11.
    pub cdw11: u32,
    /// How long it may take.
    pub timeout: Duration,
}

/// An NVMe namespace, with the admin queue of its controller.
pub trait Nvme: Sync {
    /// The number of this namespace.
    ///
    /// # Errors
    /// What the kernel says.
    fn namespace(&self) -> io::Result<u32>;

    /// Gives an admin command, which fills `data`.
    ///
    /// # Errors
    /// What the kernel says, or the controller's status when that is not success.
    fn admin(&self, command: &AdminCommand, data: &mut [u8]) -> io::Result<()>;
}

/// What Identify and Get Log Page for a structure answer with, in bytes.
pub(super) const PAGE: usize = 4096;
/// Bytes of the sanitize status log.
pub(super) const SANITIZE_LOG: usize = 512;
/// All namespaces.
const EVERY: u32 = u32::MAX;
/// How long a question may take.
const ASK: Duration = Duration::from_secs(10);
/// How long a format may take: there is no estimate of it.
const FORMAT: Duration = Duration::from_secs(2 * 60 * 60);

/// Identify Controller (CNS 01h).
pub(super) fn identify_controller() -> AdminCommand {
    AdminCommand { opcode: 0x06, nsid: 0, cdw10: 0x01, cdw11: 0, timeout: ASK }
}

/// Identify Namespace (CNS 00h).
pub(super) fn identify_namespace(nsid: u32) -> AdminCommand {
    AdminCommand { opcode: 0x06, nsid, cdw10: 0x00, cdw11: 0, timeout: ASK }
}

/// Identify: the list of namespaces that this controller has (CNS 02h).
pub(super) fn active_namespaces() -> AdminCommand {
    AdminCommand { opcode: 0x06, nsid: 0, cdw10: 0x02, cdw11: 0, timeout: ASK }
}

/// Identify: the list of namespaces that the subsystem has, this controller's or not (CNS 10h).
pub(super) fn allocated_namespaces() -> AdminCommand {
    AdminCommand { opcode: 0x06, nsid: 0, cdw10: 0x10, cdw11: 0, timeout: ASK }
}

/// Get Log Page: sanitize status (log 81h), 512 bytes.
pub(super) fn sanitize_status() -> AdminCommand {
    let dwords_less_one = (SANITIZE_LOG / 4 - 1) as u32;
    AdminCommand { opcode: 0x02, nsid: EVERY, cdw10: dwords_less_one << 16 | 0x81, cdw11: 0, timeout: ASK }
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

/// Sanitize. It goes on by itself, over a loss of power, too; no restricted or unrestricted exit of an earlier failure is
/// asked for, so that a failed one can only be done again.
pub(super) fn sanitize(how: Sanitize) -> AdminCommand {
    let (action, passes) = match how {
        Sanitize::Block => (2, 0),
        Sanitize::Overwrite => (3, 1),
        Sanitize::Crypto => (4, 0),
    };
    AdminCommand { opcode: 0x84, nsid: 0, cdw10: passes << 4 | action, cdw11: 0, timeout: ASK }
}

/// Format NVM of a namespace, into the format that it has, with an erasure of all user data.
pub(super) fn format(nsid: u32, namespace: Namespace) -> AdminCommand {
    let user_data = 1 << 9;
    AdminCommand { opcode: 0x80, nsid, cdw10: namespace.format_word() | user_data, cdw11: 0, timeout: FORMAT }
}

/// What a controller says that it can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Controller {
    /// The firmware's revision.
    pub(super) firmware: String,
    /// Format NVM.
    pub(super) format: bool,
    /// How many namespaces there can be.
    pub(super) namespaces: u32,
    /// Other controllers may have namespaces in the same subsystem.
    pub(super) shares: bool,
    /// Namespaces can be made and attached, so that there may be some that this controller doesn't show.
    pub(super) manages: bool,
    /// The sanitize operations, best first.
    pub(super) sanitize: Vec<Sanitize>,
}

impl Controller {
    /// Reads the answer to [`identify_controller`].
    pub(super) fn read(page: &[u8; PAGE]) -> Self {
        // Figure 275: OACS at 256, SANICAP at 328, NN at 516.
        let (oacs, sanicap) = (page[256], page[328]);
        let can = [(1, Sanitize::Block), (0, Sanitize::Crypto), (2, Sanitize::Overwrite)];
        Self {
            firmware: String::from_utf8_lossy(&page[64..72]).replace('\0', " ").trim().to_owned(),
            format: oacs & 1 << 1 != 0,
            manages: oacs & 1 << 3 != 0,
            // CMIC at 76: bit 1, several controllers; bit 2, a virtual function.
            shares: page[76] & 0b110 != 0,
            namespaces: u32::from_le_bytes([page[516], page[517], page[518], page[519]]),
            sanitize: can
                .into_iter()
                .filter(|(bit, _)| sanicap & 1 << bit != 0)
                .map(|(_, how)| how)
                .collect(),
        }
    }
}

/// How a namespace is formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namespace {
    flbas: u8,
    dps: u8,
}

impl Namespace {
    /// Reads the answer to [`identify_namespace`].
    pub(super) fn read(page: &[u8; PAGE]) -> Self {
        // FLBAS at 26, DPS at 29.
        Self { flbas: page[26], dps: page[29] }
    }

    /// The bits of Format NVM's dword 10 that say the format: it stays as it is.
    fn format_word(self) -> u32 {
        let (flbas, dps) = (u32::from(self.flbas), u32::from(self.dps));
        let (low, high, extended) = (flbas & 0xf, flbas >> 5 & 0b11, flbas >> 4 & 1);
        let (protection, first) = (dps & 0b111, dps >> 3 & 1);
        low | extended << 4 | protection << 5 | first << 8 | high << 12
    }
}

/// The numbers in a list of namespaces: up to the first zero.
pub(super) fn namespaces(page: &[u8; PAGE]) -> Vec<u32> {
    let numbers = page.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    numbers.take_while(|number| *number != 0).collect()
}

/// How a sanitize goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SanitizeState {
    /// None was ever done.
    Never,
    /// The last one was completed.
    Completed,
    /// So many of 65536 parts are done.
    Runs(u16),
    /// The last one failed.
    Failed,
}

/// Reads the sanitize status log: progress at 0, status at 2.
pub(super) fn sanitize_state(log: &[u8; SANITIZE_LOG]) -> SanitizeState {
    let word = |at: usize| u16::from_le_bytes([log[at], log[at + 1]]);
    match word(2) & 0b111 {
        1 | 4 => SanitizeState::Completed,
        2 => SanitizeState::Runs(word(0)),
        3 => SanitizeState::Failed,
        _ => SanitizeState::Never,
    }
}

/// The bytes of `struct nvme_passthru_cmd` (`linux/nvme_ioctl.h`) for a command that fills `data`.
pub(crate) fn passthrough(command: &AdminCommand, address: u64, bytes: u32) -> [u8; 72] {
    let mut raw = [0; 72];
    let mut put = |at: usize, part: &[u8]| raw[at..at + part.len()].copy_from_slice(part);
    put(0, &[command.opcode]);
    put(4, &command.nsid.to_ne_bytes());
    put(24, &address.to_ne_bytes());
    put(36, &bytes.to_ne_bytes());
    put(40, &command.cdw10.to_ne_bytes());
    put(44, &command.cdw11.to_ne_bytes());
    put(64, &u32::try_from(command.timeout.as_millis()).unwrap_or(u32::MAX).to_ne_bytes());
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_nvme_cli_sends() {
        // `nvme format -s 1`, `nvme sanitize -a 2`, `-a 3 -n 1`, `-a 4`, `nvme sanitize-log`.
        let plain = format(1, Namespace { flbas: 0, dps: 0 });
        assert_eq!((plain.opcode, plain.cdw10), (0x80, 0x200));
        let words = [Sanitize::Block, Sanitize::Overwrite, Sanitize::Crypto].map(|how| sanitize(how).cdw10);
        assert_eq!(words, [0x2, 0x13, 0x4]);
        assert_eq!((sanitize_status().cdw10, sanitize_status().nsid), (0x007f_0081, u32::MAX));
    }

    #[test]
    fn a_format_stays_what_it_is() {
        // Format 0x21 (upper bits 1, lower 1), metadata in the data, protection type 2 in the first bytes.
        let namespace = Namespace { flbas: 0b0011_0001, dps: 0b1010 };
        assert_eq!(format(7, namespace).cdw10, 1 | 1 << 4 | 2 << 5 | 1 << 8 | 1 << 9 | 1 << 12);
    }

    #[test]
    fn a_controller_says_what_it_can() {
        let mut page = [0; PAGE];
        assert_eq!(Controller::read(&page), Controller::default());
        page[64..72].copy_from_slice(b"GDC5302Q");
        (page[256], page[328], page[516]) = (0b1010, 0b11, 32);
        let read = Controller::read(&page);
        assert_eq!((read.format, read.manages, read.namespaces), (true, true, 32));
        assert_eq!(
            (read.firmware.as_str(), read.sanitize),
            ("GDC5302Q", vec![Sanitize::Block, Sanitize::Crypto])
        );
    }

    #[test]
    fn the_log_of_a_sanitize() {
        let log = |progress: u16, status: u16| {
            let mut log = [0; SANITIZE_LOG];
            log[..2].copy_from_slice(&progress.to_le_bytes());
            log[2..4].copy_from_slice(&status.to_le_bytes());
            sanitize_state(&log)
        };
        assert_eq!(log(0xffff, 0), SanitizeState::Never);
        assert_eq!(log(0xffff, 0x101), SanitizeState::Completed);
        assert_eq!(log(0x8000, 2), SanitizeState::Runs(0x8000));
        assert_eq!(log(0xffff, 3), SanitizeState::Failed);
        assert_eq!(log(0xffff, 0x104), SanitizeState::Completed, "without deallocation");
    }

    #[test]
    fn lists_end_at_zero() {
        let mut page = [0; PAGE];
        (page[0], page[4], page[12]) = (1, 5, 9);
        assert_eq!(namespaces(&page), [1, 5]);
        assert_eq!(namespaces(&[0xff; PAGE]).len(), 1024);
    }

    #[test]
    fn the_kernel_gets_each_word_at_its_place() {
        let command =
            AdminCommand { opcode: 6, nsid: 2, cdw10: 3, cdw11: 4, timeout: Duration::from_secs(5) };
        let raw = passthrough(&command, 0x0102_0304_0506_0708, 4096);
        let word = |at: usize| u32::from_ne_bytes(raw[at..at + 4].try_into().unwrap());
        assert_eq!((raw[0], word(4), word(36), word(40), word(44), word(64)), (6, 2, 4096, 3, 4, 5000));
        assert_eq!(raw[24..32], 0x0102_0304_0506_0708_u64.to_ne_bytes());
    }
}
