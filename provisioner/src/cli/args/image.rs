//! `billet image …`.

use super::{Gone, Named, Watched};
use crate::cli::validate;
use clap::Subcommand;
use provisioner_api::{Growth, ImageFormat, SeedKind};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImageCommand {
    /// Import an image file, or a kernel and an initrd that run from RAM
    Import {
        /// The file; gz, xz or zst around it is recognised. With --kernel: the image's name
        #[arg(required_unless_present = "kernel")]
        file: Option<PathBuf>,
        /// The image's name: letters, digits, `.`, `-`, `_`
        #[arg(long, required_unless_present = "kernel", value_parser = validate::image_name)]
        name: Option<String>,
        /// The file's digest, as published by whoever made it: sha256:HEX or sha512:HEX
        #[arg(long, value_parser = validate::digest)]
        digest: Option<String>,
        /// What the file holds once unpacked: raw, qcow2, or iso (one that starts from a disk, too)
        #[arg(long, required_unless_present = "kernel", value_parser = validate::image_format)]
        format: Option<ImageFormat>,
        /// A kernel that runs from RAM, and is not written to any disk: a bzImage (vmlinuz), or an unpacked arm64 Image
        #[arg(long, requires = "initrd", conflicts_with_all = ["digest", "format", "verify"])]
        kernel: Option<PathBuf>,
        /// Its initrd, which is the whole system or fetches it
        #[arg(long, requires = "kernel")]
        initrd: Option<PathBuf>,
        /// Its command line, such as "console=ttyS0 quiet"
        #[arg(long, requires = "kernel", value_parser = validate::command_line)]
        cmdline: Option<String>,
        /// x86_64 or aarch64 [default: any machine; of a kernel: what it says itself]
        #[arg(long, value_parser = validate::architecture)]
        arch: Option<String>,
        /// A file with its signature: FILE.minisig, or what `cosign sign-blob --key` wrote; checked by the service
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// What its system reads at first boot: nocloud (cloud-init), config-2 (a configuration drive: cloud-init,
        /// cloudbase-init, Ignition), or none [default: nocloud]
        #[arg(long, conflicts_with = "kernel")]
        seed: Option<SeedKind>,
        /// Whether its last partition gets the rest of the disk in the partition table: last or none [default: none]
        #[arg(long, conflicts_with = "kernel")]
        grow: Option<Growth>,
        /// Compare the file with the digest before sending it; the service does so in any case
        #[arg(long)]
        verify: bool,
    },
    /// List the images
    List(Watched),
    /// Show one
    Show(Named),
    /// Delete one; refused while instances are made from it
    Delete(Gone),
}
