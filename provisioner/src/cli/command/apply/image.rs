//! An image that is declared: looked up by its name, and sent if it is not there.

use super::plan::{self, Planned};
use crate::cli::{
    command::{Session, image, ram_image},
    error::CliError,
    manifest::{Fault, ImageDoc, Place},
    view::word,
};
use provisioner_api::ImageSpec;
use std::path::PathBuf;

/// What is sent.
pub(super) enum Files {
    /// The file of a disk.
    Disk(PathBuf),
    /// A kernel and an initrd.
    Ram(ram_image::Files),
}

/// What is to be done, or what is wrong.
pub(super) async fn plan(
    session: &Session<'_>,
    place: &Place,
    doc: &ImageDoc,
) -> Result<Result<Planned, Fault>, CliError> {
    let (spec, files) = match wanted(place, doc)? {
        Ok(wanted) => wanted,
        Err(fault) => return Ok(Err(fault)),
    };
    let name = &spec.name;
    let Some(there) = plan::found(session.client.image(name).await)? else {
        if let Files::Disk(file) = &files
            && let Err(error) = std::fs::File::open(file)
        {
            let why = format!("image {name} is not there yet, and {} can't be read: {error}", file.display());
            return Ok(Err(Fault::new(place, "file", why)));
        }
        return Ok(Ok(plan::of_image(spec, files, false)));
    };
    // What is not declared is as the image has it.
    let architecture = spec.architecture.clone().or_else(|| there.spec.architecture.clone());
    let (seed, grow) = (doc.seed.unwrap_or(there.spec.seed), doc.grow.unwrap_or(there.spec.grow));
    if there.spec.is_same_image(&ImageSpec { architecture, seed, grow, ..spec.clone() }) {
        return Ok(Ok(plan::of_image(spec, files, true)));
    }
    let why = format!(
        "there is an image {name} already, made from other data or declared otherwise ({}, {}, for {}); an image is never changed: choose another name",
        there.spec.digest,
        word(there.spec.format),
        there.spec.architecture.as_deref().unwrap_or("any machine"),
    );
    Ok(Err(Fault::new(place, "digest", why)))
}

/// The image that is declared.
fn wanted(place: &Place, doc: &ImageDoc) -> Result<Result<(ImageSpec, Files), Fault>, CliError> {
    let name = doc.name.0.clone();
    let architecture = doc.architecture.as_ref().map(|architecture| architecture.0.clone());
    let signature =
        doc.signature.as_ref().map(|file| image::read_signature(&place.beside(file))).transpose()?;
    if let (Some(kernel), Some(initrd)) = (&doc.kernel, &doc.initrd) {
        let files = ram_image::Files { kernel: place.beside(kernel), initrd: place.beside(initrd) };
        let cmdline = doc.cmdline.as_ref().map(|line| line.0.clone());
        let spec = ImageSpec { signature, ..files.spec(name, cmdline, architecture)? };
        return Ok(Ok((spec, Files::Ram(files))));
    }
    let (Some(file), Some(digest), Some(format)) = (&doc.file, &doc.digest, &doc.format) else {
        // Told by `manifest` before.
        return Ok(Err(Fault::new(place, "file", "file, digest and format are needed")));
    };
    let disk = ImageSpec::disk(name, digest.0.clone(), format.0);
    let (seed, grow) = (doc.seed.unwrap_or_default(), doc.grow.unwrap_or_default());
    let spec = ImageSpec { architecture, signature, seed, grow, ..disk };
    Ok(Ok((spec, Files::Disk(place.beside(file)))))
}

/// Sends it.
pub(super) async fn import(session: &Session<'_>, spec: &ImageSpec, files: &Files) -> Result<(), CliError> {
    match files {
        Files::Disk(file) => {
            let total = std::fs::metadata(file).map_err(image::unreadable(file))?.len();
            session.client.import_image(spec, file, image::progress(session.ui, total)).await?;
        }
        Files::Ram(files) => {
            let progress = image::progress(session.ui, files.bytes()?);
            session.client.import_ram_image(spec, &files.kernel, &files.initrd, progress).await?;
        }
    }
    Ok(())
}
