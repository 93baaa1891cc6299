//! The block device requests that the standard library doesn't know (`linux/fs.h`).
#![allow(
    unsafe_code,
    reason = "each request is one ioctl, wrapped here into a function that can't be misused"
)]

use std::{io, os::fd::AsRawFd};

mod raw {
    #![allow(missing_docs, clippy::allow_attributes_without_reason, reason = "made by a macro")]
    nix::ioctl_none!(reread_partitions, 0x12, 95);
    nix::ioctl_none!(flush_buffers, 0x12, 97);
    nix::ioctl_write_ptr_bad!(discard, nix::request_code_none!(0x12, 119), [u64; 2]);
    nix::ioctl_write_ptr_bad!(zero_out, nix::request_code_none!(0x12, 127), [u64; 2]);
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
