//! `billet image …`.

use super::{
    Session, context, losses,
    ram_image::{self, Files},
    watch,
};
use crate::cli::{args::ImageCommand, error::CliError, text, ui::Ui, view};
use images::{FileDigest, import::MAX_SIGNATURE};
use indicatif::{ProgressBar, ProgressStyle};
use provisioner_api::{Image, ImageSpec, WatchKind};
use provisioner_client::WatchFilter;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: ImageCommand) -> Result<(), CliError> {
    match command {
        ImageCommand::Import {
            kernel: Some(kernel),
            initrd: Some(initrd),
            file,
            name,
            cmdline,
            arch,
            signature,
            ..
        } => {
            let name = ram_image::name(file.as_deref(), name)?;
            let files = ram_image::Files { kernel, initrd };
            let signature = signature.as_deref().map(read_signature).transpose()?;
            let spec = ImageSpec { signature, ..files.spec(name, cmdline, arch)? };
            import(session, &Sent::Ram(files), &spec, false).await
        }
        // Without a kernel, clap sees to the others being there.
        ImageCommand::Import { file, name, digest, format, arch, signature, seed, grow, verify, .. } => {
            let (Some(file), Some(name), Some(format)) = (file, name, format) else {
                return Err(CliError::Input("name the file, --name and --format".to_owned()));
            };
            let digest = digest.ok_or_else(|| {
                CliError::Input(format!(
                    "an image is imported with its digest only, so that it is known to be the right one: add --digest sha256:… as published by whoever made it (or, if you made it, the output of `sha256sum {}`)",
                    file.display()
                ))
            })?;
            let signature = signature.as_deref().map(read_signature).transpose()?;
            let (seed, grow) = (seed.unwrap_or_default(), grow.unwrap_or_default());
            let disk = ImageSpec::disk(name, digest, format);
            let spec = ImageSpec { architecture: arch, signature, seed, grow, ..disk };
            import(session, &Sent::Disk(file), &spec, verify).await
        }
        ImageCommand::List(watched) => {
            let client = session.client.clone();
            let table = |images: &[Image], wide| view::images(images, wide, &context());
            let filter = WatchFilter { kind: Some(WatchKind::Image), ..WatchFilter::default() };
            let look = async || client.images().await;
            watch::followed(session, watched, filter, look, watch::never, table).await
        }
        ImageCommand::Show(named) => {
            let image = session.client.image(&named.name).await?;
            session.ui.object(&image, || view::image(&image, &context()))
        }
        ImageCommand::Delete(gone) => {
            if gone.dry.dry_run {
                let image = session.client.image(&gone.name).await?;
                let stored = text::bytes(image.status.stored_bytes);
                let what = format!("image {} would be deleted: {stored}, {}", image.name, image.spec.digest);
                return losses::no_disk(session, gone.dry, what).map(drop);
            }
            session.client.delete_image(&gone.name).await?;
            session.ui.done(&format!("image {} is deleted", gone.name))
        }
    }
}

/// What is sent.
enum Sent {
    /// The file of a disk.
    Disk(PathBuf),
    /// A kernel and an initrd.
    Ram(ram_image::Files),
}

impl Sent {
    /// How many bytes.
    fn bytes(&self) -> Result<u64, CliError> {
        match self {
            Self::Disk(file) => Ok(std::fs::metadata(file).map_err(unreadable(file))?.len()),
            Self::Ram(files) => files.bytes(),
        }
    }
}

/// A file that can't be read.
pub(super) fn unreadable(file: &Path) -> impl Fn(io::Error) -> CliError {
    move |source| CliError::File { what: "read", path: file.to_owned(), source }
}

/// The text of a signature file.
pub(super) fn read_signature(file: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let most = MAX_SIGNATURE as u64 + 1;
    File::open(file).and_then(|file| file.take(most).read_to_string(&mut text)).map_err(unreadable(file))?;
    if text.len() > MAX_SIGNATURE {
        return Err(CliError::Input(format!("{} is no signature: it is too long for one", file.display())));
    }
    Ok(text)
}

async fn import(
    session: &mut Session<'_>,
    sent: &Sent,
    spec: &ImageSpec,
    verify: bool,
) -> Result<(), CliError> {
    let total = sent.bytes()?;
    if let Sent::Disk(file) = sent
        && verify
    {
        let error = unreadable(file);
        let wanted = FileDigest::parse(&spec.digest).map_err(|error| CliError::Input(error.to_string()))?;
        let found = digest(file, &wanted).map_err(error)?;
        if found != wanted {
            return Err(CliError::Input(format!(
                "{} has the digest {found}, not {}; download it again",
                file.display(),
                spec.digest
            )));
        }
    }
    // The service would say so too, but only while the file is being sent.
    match session.client.image(&spec.name).await {
        // The architecture of a kernel need not be said.
        Ok(image)
            if image.spec.is_same_image(spec)
                || spec.runs_from_ram()
                    && spec.architecture.is_none()
                    && spec.is_same_image(&ImageSpec { architecture: None, ..image.spec.clone() }) =>
        {
            return session.ui.outcome(&image, &format!("image {} is imported already", image.name));
        }
        Ok(image) => {
            return Err(CliError::Input(format!(
                "there is an image {} already, made from other data or declared otherwise ({}, {}, for {}); choose another name or delete it first",
                image.name,
                image.spec.digest,
                view::word(image.spec.format),
                image.spec.architecture.as_deref().unwrap_or("any machine"),
            )));
        }
        Err(error) if error.status() == Some(404) => {}
        Err(error) => return Err(error.into()),
    }
    let progress = progress(session.ui, total);
    let image = match sent {
        Sent::Disk(file) => session.client.import_image(spec, file, progress).await?,
        Sent::Ram(Files { kernel, initrd }) => {
            session.client.import_ram_image(spec, kernel, initrd, progress).await?
        }
    };
    let (disk, stored) = (text::bytes(image.status.disk_bytes), text::bytes(image.status.stored_bytes));
    let what = match image.status.memory_bytes {
        Some(memory) => format!("it runs from RAM, on machines with {} of memory", text::bytes(memory)),
        None => format!("a disk of {disk}"),
    };
    session.ui.outcome(&image, &format!("image {} is imported: {what}, {stored} stored", image.name))
}

/// The digest of a file, of the kind that is wanted.
fn digest(path: &Path, wanted: &FileDigest) -> io::Result<FileDigest> {
    let mut hash = wanted.hasher();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash.finish())
}

/// Shows how much has been sent: a bar on a terminal, a line for each tenth elsewhere.
pub(super) fn progress(ui: &Ui, total: u64) -> Box<dyn FnMut(u64) + Send> {
    const AFTER: &str = "sent; the service checks and unpacks it";
    if ui.live {
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_message("sending");
        return Box::new(move |sent| {
            bar.set_position(sent);
            if sent >= total {
                bar.set_message(AFTER);
            }
        });
    }
    let (remarks, mut told) = (ui.remarks(), 0);
    Box::new(move |sent| {
        let tenth = text::percent(sent, total) / 10;
        if tenth > told {
            told = tenth;
            let line = if sent >= total { AFTER.to_owned() } else { format!("{}% sent", tenth * 10) };
            remarks.note(&line);
        }
    })
}
