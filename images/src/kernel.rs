//! What the first bytes of a Linux kernel say: is it one that a running kernel can start, and for which machines?
//!
//! x86: Documentation/arch/x86/boot.rst of the kernel; arm64: Documentation/arch/arm64/booting.rst. No more is read of it.

/// How many first bytes are looked at.
pub const KERNEL_HEAD: usize = 0x240;

/// x86: where the header's mark is, and the mark.
const X86_MARK: (usize, &[u8]) = (0x202, b"HdrS");
/// x86: where the version of the boot protocol is (16 bit, little-endian), and the first that knows `xloadflags`.
const X86_VERSION: (usize, u16) = (0x206, 0x020c);
/// x86: where `xloadflags` is (16 bit, little-endian), and the flag of a kernel with a 64-bit entry point.
const X86_FLAGS: (usize, u16) = (0x236, 1);
/// arm64: where the mark of an unpacked `Image` is, and the mark.
const ARM64_MARK: (usize, &[u8]) = (0x38, b"ARM\x64");

/// The architecture of a kernel that `kexec_file_load` takes, by its first [`KERNEL_HEAD`] bytes: `x86_64` (a bzImage) or
/// `aarch64` (an `Image` that is not packed). None: it is something else.
#[must_use]
pub fn kernel_architecture(head: &[u8]) -> Option<&'static str> {
    let has = |(at, mark): (usize, &[u8])| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let word = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let x86 = has(X86_MARK)
        && word(X86_VERSION.0) >= Some(X86_VERSION.1)
        && word(X86_FLAGS.0).is_some_and(|flags| flags & X86_FLAGS.1 != 0);
    if x86 {
        Some("x86_64")
    } else if has(ARM64_MARK) {
        Some("aarch64")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; KERNEL_HEAD];
        for (at, bytes) in parts {
            head[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        head
    }

    #[test]
    fn only_kernels_that_can_be_started_by_another_are_known() {
        let new = (0x206, &[0x0f, 0x02][..]);
        let long = (0x236, &[0x7f, 0][..]);
        for (head, found) in [
            (with(&[X86_MARK, new, long]), Some("x86_64")),
            (with(&[X86_MARK, new, (0x236, &[2, 0])]), None),
            (with(&[X86_MARK, (0x206, &[0x0b, 0x02]), long]), None),
            (with(&[new, long]), None),
            (with(&[ARM64_MARK]), Some("aarch64")),
            (b"\x1f\x8b\x08".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(kernel_architecture(&head), found);
            assert_eq!(
                kernel_architecture(&head[..head.len().min(0x206)]).is_some(),
                found == Some("aarch64")
            );
        }
    }
}
