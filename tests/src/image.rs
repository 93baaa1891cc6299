//! Small images that are real disks, as the simulated fleet has them.

pub use lab::fleet::FleetImage as TestImage;
use std::path::Path;

/// Makes an image of this many MiB in `folder`, see [`TestImage::make`].
///
/// # Panics
/// When the file can't be written, or with less than 3 MiB.
pub fn gpt_image(folder: &Path, name: &str, mebibytes: u64, seed: u8) -> TestImage {
    TestImage::make(folder, name, mebibytes, seed).expect("the test's folder can be written")
}
