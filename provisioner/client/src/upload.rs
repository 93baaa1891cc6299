//! Sending an image file: streamed from the disk, with its length announced and progress told.

use crate::{Client, ClientError, answer, rest::word};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use provisioner_api::{Image, ImageSpec, RAM_ALIGNMENT, paths};
use reqwest::{Body, Method, header};
use std::{io, path::Path, time::Duration};
use tokio_util::io::ReaderStream;

/// How long sending and importing an image may take: 100 GiB over a line of 10 Mbit/s.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// How much is read from the file at once.
const PIECE: usize = 256 * 1024;

impl Client {
    /// Imports the image in `file`; returns when the service has checked, unpacked and stored it.
    /// `progress` is told how many bytes have been sent in all.
    ///
    /// # Errors
    /// When the file can't be read, or see `ClientError`.
    pub async fn import_image(
        &self,
        spec: &ImageSpec,
        file: &Path,
        progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Image, ClientError> {
        let (opened, length) = open(file).await?;
        self.upload(spec, ReaderStream::with_capacity(opened, PIECE), length, progress).await
    }

    /// Imports a kernel and an initrd as an image that runs from RAM (`ImageFormat::Ram`); `spec` is to say the kernel's
    /// size, and the digest of both with the zeros between them. `progress` as of [`Client::import_image`].
    ///
    /// # Errors
    /// When a file can't be read, or see `ClientError`.
    pub async fn import_ram_image(
        &self,
        spec: &ImageSpec,
        kernel: &Path,
        initrd: &Path,
        progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Image, ClientError> {
        let (kernel, kernel_bytes) = open(kernel).await?;
        let (initrd, initrd_bytes) = open(initrd).await?;
        let border = kernel_bytes.next_multiple_of(RAM_ALIGNMENT);
        // Less than the alignment.
        let zeros = Bytes::from(vec![0; (border - kernel_bytes) as usize]);
        let pieces = ReaderStream::with_capacity(kernel, PIECE)
            .chain(stream::iter([Ok(zeros)]))
            .chain(ReaderStream::with_capacity(initrd, PIECE));
        self.upload(spec, pieces, border + initrd_bytes, progress).await
    }

    /// Sends an image of so many bytes.
    async fn upload(
        &self,
        spec: &ImageSpec,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        length: u64,
        progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Image, ClientError> {
        let format = word(spec.format)?;
        let mut query = vec![("name", spec.name.as_str()), ("digest", &spec.digest), ("format", &format)];
        query.extend(spec.architecture.as_deref().map(|architecture| ("architecture", architecture)));
        let kernel_bytes = spec.kernel_bytes.map(|bytes| bytes.to_string());
        query.extend(kernel_bytes.as_deref().map(|bytes| ("kernel_bytes", bytes)));
        query.extend(spec.cmdline.as_deref().map(|cmdline| ("cmdline", cmdline)));
        query.extend(spec.signature.as_deref().map(|signature| ("signature", signature)));
        let (seed, grow) = (word(spec.seed)?, word(spec.grow)?);
        // A service of an earlier version knows neither, and refuses only what it would not do.
        query.extend((!spec.seed.is_default()).then_some(("seed", seed.as_str())));
        query.extend((!spec.grow.is_default()).then_some(("grow", grow.as_str())));
        let pieces = counted(pieces, progress);
        let request = self
            .request_with(Method::POST, paths::IMAGES, &[], &query)?
            .timeout(IMPORT_TIMEOUT)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(Body::wrap_stream(pieces));
        answer::json(request).await
    }
}

/// A regular file and its length.
async fn open(file: &Path) -> Result<(tokio::fs::File, u64), ClientError> {
    let unreadable = |source| ClientError::File { path: file.to_owned(), source };
    let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let metadata = opened.metadata().await.map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    Ok((opened, metadata.len()))
}

/// The same pieces; `progress` is told the sum of their lengths.
fn counted(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut sent = 0_u64;
    pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            sent += piece.len() as u64;
            progress(sent);
        }
    })
}
