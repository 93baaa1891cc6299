//! A kernel and an initrd as they are sent: the kernel, zeros, and the initrd, with the digest of all that.

use super::image::unreadable;
use crate::cli::{error::CliError, validate};
use provisioner_api::{ImageFormat, ImageSpec, RAM_ALIGNMENT};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The two files.
pub(super) struct Files {
    /// The kernel.
    pub(super) kernel: PathBuf,
    /// Its initrd.
    pub(super) initrd: PathBuf,
}

/// The image's name: said with `--name`, or where the file would be said.
pub(super) fn name(place: Option<&Path>, name: Option<String>) -> Result<String, CliError> {
    let said = match (place.map(Path::to_string_lossy), name) {
        (None, Some(name)) => return Ok(name),
        (Some(said), None) => said,
        (Some(said), Some(_)) => {
            let why = format!("beside --kernel and --initrd there is no other file; leave `{said}` out");
            return Err(CliError::Input(why));
        }
        (None, None) => return Err(CliError::Input("the image needs a name: --name".to_owned())),
    };
    validate::image_name(&said).map_err(|why| CliError::Input(format!("the image's name `{said}`: {why}")))
}

impl Files {
    /// How many bytes are sent.
    pub(super) fn bytes(&self) -> Result<u64, CliError> {
        let (kernel, initrd) = (length(&self.kernel)?, length(&self.initrd)?);
        Ok(kernel.next_multiple_of(RAM_ALIGNMENT) + initrd)
    }

    /// What they are imported as.
    pub(super) fn spec(
        &self,
        name: String,
        cmdline: Option<String>,
        architecture: Option<String>,
    ) -> Result<ImageSpec, CliError> {
        let kernel_bytes = Some(length(&self.kernel)?);
        let digest = self.digest()?;
        let spec = ImageSpec::disk(name, digest, ImageFormat::Ram);
        Ok(ImageSpec { architecture, kernel_bytes, cmdline, ..spec })
    }

    fn digest(&self) -> Result<String, CliError> {
        let mut hash = Sha256::new();
        let mut add = |path: &Path| io::copy(&mut File::open(path)?, &mut hash);
        let kernel = add(&self.kernel).map_err(unreadable(&self.kernel))?;
        let gap = kernel.next_multiple_of(RAM_ALIGNMENT) - kernel;
        // Less than the alignment.
        hash.update(vec![0; gap as usize]);
        io::copy(&mut File::open(&self.initrd).map_err(unreadable(&self.initrd))?, &mut hash)
            .map_err(unreadable(&self.initrd))?;
        Ok(format!("sha256:{}", hex::encode(hash.finalize())))
    }
}

fn length(path: &Path) -> Result<u64, CliError> {
    Ok(std::fs::metadata(path).map_err(unreadable(path))?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_one_with_a_digest_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let files = Files { kernel: write("k", &[1; 600]), initrd: write("i", &[2; 100]) };
        assert_eq!(files.bytes().unwrap(), 1124);
        let mut whole = vec![1; 600];
        whole.resize(1024, 0);
        whole.extend([2; 100]);
        let spec = files.spec("a".into(), Some("quiet".into()), None).unwrap();
        assert_eq!(spec.digest, format!("sha256:{}", hex::encode(Sha256::digest(&whole))));
        assert_eq!((spec.kernel_bytes, spec.format), (Some(600), ImageFormat::Ram));
        let none = Files { initrd: folder.path().join("none"), ..files };
        assert!(none.spec("a".into(), None, None).is_err() && none.bytes().is_err());
    }

    #[test]
    fn a_name_is_said_once() {
        let place = Some(Path::new("burn-in"));
        assert_eq!(name(place, None).unwrap(), "burn-in");
        assert_eq!(name(None, Some("a".into())).unwrap(), "a");
        assert!(name(place, Some("a".into())).is_err());
        assert!(name(None, None).is_err());
        assert!(name(Some(Path::new("/boot/vmlinuz")), None).is_err());
    }
}
