//! The requests to block devices and files that the standard library doesn't know (`linux/fs.h`), and the two that carry commands to
//! the device itself (`linux/nvme_ioctl.h`, `scsi/sg.h`).
#![allow(
    unsafe_code,
    reason = "each request is one ioctl, wrapped here into a function that can't be misused"
)]

use crate::erase::{self, AdminCommand, Data, Registers, Taskfile};
use std::{io, os::fd::AsRawFd, time::Duration};

mod raw {
    #![allow(missing_docs, clippy::allow_attributes_without_reason, reason = "made by a macro")]
    nix::ioctl_none!(reread_partitions, 0x12, 95);
    nix::ioctl_none!(flush_buffers, 0x12, 97);
    nix::ioctl_write_ptr_bad!(discard, nix::request_code_none!(0x12, 119), [u64; 2]);
    nix::ioctl_write_ptr_bad!(zero_out, nix::request_code_none!(0x12, 127), [u64; 2]);
    nix::ioctl_none!(nvme_namespace, b'N', 0x40);
    nix::ioctl_readwrite!(nvme_admin, b'N', 0x41, [u8; 72]);
    nix::ioctl_read!(flags, b'f', 1, libc::c_long);
    nix::ioctl_write_ptr!(set_flags, b'f', 2, libc::c_long);
    nix::ioctl_readwrite_bad!(scsi, 0x2285, super::ScsiRequest);
}

/// `BLKRRPART`: read the partition table again.
pub(super) fn reread_partitions(device: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: the request takes no argument; the descriptor is open as long as `device` is borrowed.
    unsafe { raw::reread_partitions(device.as_raw_fd()) }?;
    Ok(())
}

/// `BLKFLSBUF`: write out and drop what the kernel caches of the device.
pub(super) fn flush_buffers(device: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: the request takes no argument; the descriptor is open as long as `device` is borrowed.
    unsafe { raw::flush_buffers(device.as_raw_fd()) }?;
    Ok(())
}

/// `BLKDISCARD`: the range is not needed.
pub(super) fn discard(device: &impl AsRawFd, start: u64, bytes: u64) -> io::Result<()> {
    // SAFETY: the request reads two u64, start and length, which live until the call returns.
    unsafe { raw::discard(device.as_raw_fd(), &[start, bytes]) }?;
    Ok(())
}

/// `BLKZEROOUT`: the range reads as zeros.
pub(super) fn zero_out(device: &impl AsRawFd, start: u64, bytes: u64) -> io::Result<()> {
    // SAFETY: the request reads two u64, start and length, which live until the call returns.
    unsafe { raw::zero_out(device.as_raw_fd(), &[start, bytes]) }?;
    Ok(())
}

/// `NVME_IOCTL_ID`: the number of the namespace that this device is.
pub(super) fn nvme_namespace(device: &impl AsRawFd) -> io::Result<u32> {
    // SAFETY: the request takes no argument; the descriptor is open as long as `device` is borrowed.
    let number = unsafe { raw::nvme_namespace(device.as_raw_fd()) }?;
    u32::try_from(number).map_err(|_| io::Error::other(format!("the kernel says namespace {number}")))
}

/// `NVME_IOCTL_ADMIN_CMD`: an admin command that fills `data`. A status of the controller other than success is an error.
pub(super) fn nvme_admin(device: &impl AsRawFd, command: &AdminCommand, data: &mut [u8]) -> io::Result<()> {
    let bytes = u32::try_from(data.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut request = erase::passthrough(command, data.as_mut_ptr() as u64, bytes);
    // SAFETY: the request reads and writes 72 bytes, and writes at most `bytes` of them where the address points: into
    // `data`, which is borrowed until the call returns.
    let status = unsafe { raw::nvme_admin(device.as_raw_fd(), &raw mut request) }?;
    if status == 0 {
        return Ok(());
    }
    let (kind, code) = (status >> 8 & 0b111, status & 0xff);
    Err(io::Error::other(format!("NVMe status: type {kind}, code {code:#04x}")))
}

/// `FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS`: takes `FS_IMMUTABLE_FL` away from a file. A file system without such flags is fine.
pub(super) fn make_mutable(file: &impl AsRawFd) -> io::Result<()> {
    const IMMUTABLE: libc::c_long = 0x10;
    let mut flags: libc::c_long = 0;
    // SAFETY: the request writes an int (the kernel's word, whatever the header says) into a long that is zero.
    match unsafe { raw::flags(file.as_raw_fd(), &raw mut flags) } {
        Err(nix::Error::ENOTTY | nix::Error::EOPNOTSUPP) => return Ok(()),
        other => other?,
    };
    if flags & IMMUTABLE == 0 {
        return Ok(());
    }
    flags &= !IMMUTABLE;
    // SAFETY: the request reads an int out of a long that lives until the call returns.
    unsafe { raw::set_flags(file.as_raw_fd(), &raw const flags) }?;
    Ok(())
}

/// `struct sg_io_hdr`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct ScsiRequest {
    interface: i32,
    direction: i32,
    command_bytes: u8,
    sense_bytes: u8,
    scatter: u16,
    data_bytes: u32,
    data: *mut u8,
    command: *const u8,
    sense: *mut u8,
    timeout: u32,
    flags: u32,
    id: i32,
    user: *mut u8,
    status: u8,
    masked: u8,
    message: u8,
    sense_written: u8,
    host: u16,
    driver: u16,
    residue: i32,
    duration: u32,
    info: u32,
}

/// `SG_IO`: a command to the ATA device behind a SCSI disk.
pub(super) fn ata(
    device: &impl AsRawFd,
    file: &Taskfile,
    mut data: Data<'_>,
    timeout: Duration,
) -> io::Result<Option<Registers>> {
    let command = erase::pass_through(file, &data);
    let mut sense = [0_u8; 64];
    // Nothing, to the device, from the device.
    let (direction, pointer, bytes) = match &mut data {
        Data::None => (-1, std::ptr::null_mut(), 0),
        Data::Out(sector) => (-2, sector.as_ptr().cast_mut(), 512),
        Data::In(sector) => (-3, sector.as_mut_ptr(), 512),
    };
    let mut request = ScsiRequest {
        interface: i32::from(b'S'),
        direction,
        command_bytes: 16,
        sense_bytes: 64,
        scatter: 0,
        data_bytes: bytes,
        data: pointer,
        command: command.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        flags: 0,
        id: 0,
        user: std::ptr::null_mut(),
        status: 0,
        masked: 0,
        message: 0,
        sense_written: 0,
        host: 0,
        driver: 0,
        residue: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: the kernel reads 16 bytes of the command, writes at most 64 of sense, and reads or writes 512 bytes of data as
    // the direction says: where it only reads, the pointer was made of a shared reference. All of them live until the call
    // returns.
    unsafe { raw::scsi(device.as_raw_fd(), &raw mut request) }?;
    let written = usize::from(request.sense_written).min(sense.len());
    erase::ended(request.status, request.host, request.driver, &sense[..written], file.wants_registers())
}
