//! Loading the kernel that is started in the place of the one that runs (`kexec_file_load(2)`).
#![allow(unsafe_code, reason = "kexec_file_load, one call that neither libc nor nix wraps")]

use super::LoadError;
use nix::errno::Errno;
use std::{ffi::CString, fs::File, io, os::fd::AsRawFd};

/// The number of kexec_file_load(2), which `libc` does not know for musl on aarch64 (Linux, asm-generic/unistd.h).
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: libc::c_long = 294;
/// The number of kexec_file_load(2).
#[cfg(not(target_arch = "aarch64"))]
const KEXEC_FILE_LOAD: libc::c_long = libc::SYS_kexec_file_load;

/// Tells the kernel to start this one next, with this initrd and command line.
pub(super) fn load(kernel: &File, initrd: &File, cmdline: &str) -> Result<(), LoadError> {
    let text = CString::new(cmdline).map_err(|error| LoadError::Unfit(error.into()))?;
    // SAFETY: both descriptors are open as long as the files are borrowed; the command line lives until the call returns,
    // and its length is told with the zero behind it, as the call wants it.
    let result = unsafe {
        libc::syscall(
            KEXEC_FILE_LOAD,
            kernel.as_raw_fd(),
            initrd.as_raw_fd(),
            text.as_bytes_with_nul().len(),
            text.as_ptr(),
            0,
        )
    };
    if result == 0 { Ok(()) } else { Err(judged(Errno::last())) }
}

/// What an error means: is it this kernel that may not, the other one that can't, or may it pass?
fn judged(error: Errno) -> LoadError {
    let source = io::Error::from(error);
    match error {
        // Lockdown, a signature that is wanted and missing or not known, or a kernel that was built without it.
        Errno::EPERM
        | Errno::ENOSYS
        | Errno::EKEYREJECTED
        | Errno::ENODATA
        | Errno::EBADMSG
        | Errno::ENOKEY
        | Errno::ENOPKG => LoadError::Forbidden(source),
        Errno::ENOEXEC | Errno::EINVAL => LoadError::Unfit(source),
        _ => LoadError::Failed(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_pass_is_told_from_what_can_not() {
        assert!(matches!(judged(Errno::EPERM), LoadError::Forbidden(_)));
        assert!(matches!(judged(Errno::ENOEXEC), LoadError::Unfit(_)));
        assert!(matches!(judged(Errno::ENOMEM), LoadError::Failed(_)));
    }

    #[test]
    fn a_file_that_is_no_kernel_is_not_loaded() {
        let file = tempfile::tempfile().unwrap();
        assert!(load(&file, &file, "quiet").is_err());
        assert!(matches!(load(&file, &file, "a\0b"), Err(LoadError::Unfit(_))));
    }
}
