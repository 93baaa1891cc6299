//! Images that run from RAM: is the kernel one that can be started, and what does a machine need for it?
//!
//! What the rest of the file is nobody looks at: an initrd may be of any kind that its kernel unpacks.

use super::{error::ApiError, validate::Fields};
use images::{KERNEL_HEAD, kernel_architecture};
use provisioner_api::{ImageSpec, MAX_COMMAND_LINE, RAM_ALIGNMENT};
use std::path::Path;
use tokio::io::AsyncReadExt;

/// The largest kernel that is taken, in bytes: ten times a large one.
const MAX_KERNEL: u64 = 256 << 20;

/// What the agent and the two kernels need beside the image.
const BESIDE: u64 = 256 << 20;

/// How often the image is in memory at once at most: while it is loaded as it was fetched, as the kernel reads it, and where
/// it will be started; then packed and unpacked, for which a kernel gives half of the memory.
const TIMES: u64 = 4;

/// Bytes of memory that a machine needs for an image of so many bytes.
pub(super) fn memory(image_bytes: u64) -> u64 {
    image_bytes.saturating_mul(TIMES).saturating_add(BESIDE)
}

/// The fields that only an image that runs from RAM has, and that it needs.
pub(super) fn check_fields(fields: &mut Fields, spec: &ImageSpec) {
    if !spec.runs_from_ram() {
        let only = "only an image of format `ram`, a kernel with its initrd, has that; leave it out";
        fields.check(spec.kernel_bytes.is_none(), "kernel_bytes", only);
        fields.check(spec.cmdline.is_none(), "cmdline", only);
        return;
    }
    let size = spec.kernel_bytes.is_some_and(|bytes| (1..=MAX_KERNEL).contains(&bytes));
    let why = format!(
        "how many bytes of the file are the kernel is needed, 1 to {MAX_KERNEL}; the initrd begins at the next multiple of {RAM_ALIGNMENT}"
    );
    fields.check(size, "kernel_bytes", why);
    let cmdline = spec.cmdline.as_deref().unwrap_or_default();
    let printable = cmdline.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let why = format!("at most {MAX_COMMAND_LINE} printable ASCII characters, in one line");
    fields.check(printable && cmdline.len() <= MAX_COMMAND_LINE, "cmdline", why);
}

/// The spec with the kernel's architecture, if the file begins with a kernel, and something is behind it.
pub(super) async fn checked(spec: ImageSpec, file: &Path) -> Result<ImageSpec, ApiError> {
    let (head, length) = head(file).await.map_err(|error| ApiError::internal(&error))?;
    let kernel_bytes = spec.kernel_bytes.unwrap_or_default();
    let initrd = kernel_bytes.next_multiple_of(RAM_ALIGNMENT);
    if length <= initrd {
        return Err(ApiError::field(
            "kernel_bytes",
            format!(
                "the file has {length} bytes, so behind a kernel of {kernel_bytes} there is no initrd at byte {initrd}"
            ),
        ));
    }
    let Some(found) = kernel_architecture(&head) else {
        return Err(ApiError::field(
            "format",
            "the file does not begin with a Linux kernel that can be started from RAM: a bzImage (`vmlinuz`) for x86_64, or an unpacked `Image` for aarch64",
        ));
    };
    if let Some(said) = spec.architecture.as_deref().filter(|said| *said != found) {
        let why =
            format!("the kernel is for {found}, not for {said}; leave it out, it is read from the kernel");
        return Err(ApiError::field("architecture", why));
    }
    Ok(ImageSpec { architecture: Some(found.to_owned()), ..spec })
}

/// The first bytes of a file, and its length.
async fn head(file: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let file = tokio::fs::File::open(file).await?;
    let length = file.metadata().await?.len();
    let mut head = Vec::new();
    file.take(KERNEL_HEAD as u64).read_to_end(&mut head).await?;
    Ok((head, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::ImageFormat;

    fn wrong(spec: &ImageSpec) -> String {
        let mut fields = Fields::default();
        check_fields(&mut fields, spec);
        fields.done().map_or_else(|error| format!("{error:?}"), |()| String::new())
    }

    #[test]
    fn each_format_has_its_own_fields() {
        let disk = ImageSpec::disk("a", "sha256:00", ImageFormat::Raw);
        let ram = ImageSpec { kernel_bytes: Some(5), ..ImageSpec::disk("a", "sha256:00", ImageFormat::Ram) };
        let line = |text: &str| ImageSpec { cmdline: Some(text.into()), ..ram.clone() };
        for good in
            [disk.clone(), ram.clone(), line("console=ttyS0 quiet"), line(&"x".repeat(MAX_COMMAND_LINE))]
        {
            assert_eq!(wrong(&good), "", "{good:?}");
        }
        for (bad, field) in [
            (ImageSpec { kernel_bytes: Some(5), ..disk.clone() }, "kernel_bytes"),
            (ImageSpec { cmdline: Some("quiet".into()), ..disk }, "cmdline"),
            (ImageSpec { kernel_bytes: None, ..ram.clone() }, "kernel_bytes"),
            (ImageSpec { kernel_bytes: Some(0), ..ram.clone() }, "kernel_bytes"),
            (ImageSpec { kernel_bytes: Some(u64::MAX), ..ram.clone() }, "kernel_bytes"),
            (line("a\nb"), "cmdline"),
            (line("caf\u{e9}"), "cmdline"),
            (line(&"x".repeat(MAX_COMMAND_LINE + 1)), "cmdline"),
        ] {
            assert!(wrong(&bad).contains(field), "{bad:?}: {}", wrong(&bad));
        }
    }

    #[test]
    fn small_machines_run_small_images() {
        assert_eq!(memory(10 << 20), 296 << 20);
        assert_eq!(memory(u64::MAX), u64::MAX);
    }
}
