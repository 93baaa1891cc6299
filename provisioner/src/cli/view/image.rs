//! Images.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::{
    text::{Context, bytes},
    ui::HasName,
};
use provisioner_api::Image;

impl HasName for Image {
    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A table of images.
pub(in crate::cli) fn images(images: &[Image], wide: bool, context: &Context) -> String {
    let narrow = |image: &Image| {
        [
            image.name.clone(),
            // A kind of its own, of which the size of a disk would say nothing.
            if image.spec.runs_from_ram() { "ram".into() } else { "disk".into() },
            bytes(image.status.disk_bytes),
            bytes(image.status.stored_bytes),
            image.spec.architecture.clone().unwrap_or_default(),
            context.time(image.status.imported),
        ]
    };
    if !wide {
        return table(["NAME", "KIND", "SIZE", "STORED", "ARCH", "IMPORTED"], images.iter().map(narrow));
    }
    let rows = images.iter().map(|image| {
        let [name, kind, size, stored, arch, imported] = narrow(image);
        let format = word(image.spec.format);
        let chunks = image.status.chunks.to_string();
        let (digest, id) = (image.spec.digest.clone(), image.id.to_string());
        [name, kind, size, stored, arch, imported, format, chunks, digest, id]
    });
    table(["NAME", "KIND", "SIZE", "STORED", "ARCH", "IMPORTED", "FORMAT", "CHUNKS", "DIGEST", "ID"], rows)
}

/// A page about one.
pub(in crate::cli) fn image(image: &Image, context: &Context) -> String {
    let status = &image.status;
    let mut page = Page::default();
    page.line("Name", &image.name);
    page.line("Imported", context.time_and_age(status.imported));
    page.line("Format", word(image.spec.format));
    page.line("Architecture", image.spec.architecture.as_deref().unwrap_or("any"));
    let size = format!("{} ({} bytes)", bytes(status.disk_bytes), status.disk_bytes);
    page.line(if image.spec.runs_from_ram() { "Kernel and initrd" } else { "Disk" }, size);
    if let Some(memory) = status.memory_bytes {
        page.line("Memory needed", bytes(memory));
        page.line("Command line", image.spec.cmdline.as_deref().unwrap_or("none"));
    }
    if !image.spec.runs_from_ram() {
        page.line("Seed", image.spec.seed.as_str());
        page.line("Last partition", if image.spec.grow.is_default() { "as it is" } else { "grows" });
    }
    page.line("Stored", format!("{} in {} chunks", bytes(status.stored_bytes), status.chunks));
    page.line("Digest", &image.spec.digest);
    if let Some(by) = &status.signed_by {
        page.line("Signed by", format!("{} key {}", by.scheme, by.key));
    }
    page.line("Manifest", format!("sha256:{}", status.manifest_sha256));
    page.line("Id", image.id.to_string());
    page.end()
}
