//! `billet image …`.

use super::Named;
use crate::cli::validate;
use clap::Subcommand;
use provisioner_api::ImageFormat;
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImageCommand {
    /// Import an image file
    Import {
        /// The file; gz, xz or zst around it is recognised
        file: PathBuf,
        /// The image's name: letters, digits, `.`, `-`, `_`
        #[arg(long, value_parser = validate::image_name)]
        name: String,
        /// The file's digest, as published by whoever made it: sha256:HEX
        #[arg(long, value_parser = validate::digest)]
        digest: Option<String>,
        /// What the file holds once unpacked: raw or qcow2
        #[arg(long, value_parser = validate::image_format)]
        format: ImageFormat,
        /// x86_64 or aarch64 [default: any machine]
        #[arg(long, value_parser = validate::architecture)]
        arch: Option<String>,
        /// Compare the file with the digest before sending it; the service does so in any case
        #[arg(long)]
        verify: bool,
    },
    /// List the images
    List,
    /// Show one
    Show(Named),
    /// Delete one; refused while instances are made from it
    Delete(Named),
}
