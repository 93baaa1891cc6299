//! `/v1/backup`: everything in one file, while the service goes on.
//!
//! It is written to a file without a name first and sent from there: a client that reads slowly, or not at all, must not
//! keep a snapshot of the database open, and one that is told of a failure has no half of a backup.

use super::{auth::still_held, error::ApiError};
use crate::{
    backup::BackupError,
    clock, key_rotation,
    service::{Service, ServiceError},
    store::CopyError,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};
use tokio::{io::AsyncReadExt, sync::Semaphore};
use uuid::Uuid;

/// How much is sent at once, in bytes.
const PIECE: usize = 256 * 1024;

/// One backup is made at a time; the next waits.
static MAKING: Semaphore = Semaphore::const_new(1);

/// Backs the database up.
#[utoipa::path(
    get, path = provisioner_api::paths::BACKUP, tag = "service",
    operation_id = "backup",
    responses(
        (status = 200, body = inline(crate::api::openapi::File), content_type = "application/zstd"),
        (status = 409), (status = 507)
    ),
)]
pub(crate) async fn show(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    // Nobody closes it.
    let making = MAKING.acquire().await.ok();
    // A backup names one key: it must not hold what another sealed, and nobody rotates it until all is read.
    let turn = key_rotation::settled(&service).await?;
    // It may have waited for another's backup.
    still_held().await?;
    let now = clock::now();
    let failed = |error: io::Error| refused(&service, CopyError::Backup(error.into()));
    let file = unnamed(&service.uploads).map_err(failed)?;
    let dumped = service.store.dump(file, service.key.fingerprint(), now).await;
    let (mut file, _) = dumped.map_err(|error| refused(&service, error))?;
    drop((turn, making));
    let length = file.metadata().and_then(|metadata| file.seek(SeekFrom::Start(0)).map(|_| metadata.len()));
    let length = length.map_err(failed)?;
    let name = format!("attachment; filename=\"billet-{}.backup\"", now.strftime("%Y%m%dT%H%M%SZ"));
    let headers = [
        (header::CONTENT_TYPE, "application/zstd".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let pieces = futures::stream::try_unfold(tokio::fs::File::from_std(file), async |mut file| {
        let mut piece = Vec::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Why there is no backup.
fn refused(service: &Service, error: CopyError) -> ApiError {
    match error {
        CopyError::Store(error) => ServiceError::from(error).into(),
        CopyError::Backup(BackupError::File(error)) if error.kind() == io::ErrorKind::StorageFull => {
            let folder = service.uploads.display();
            let detail = format!("there is no room for a backup in {folder}, where it is made; make some");
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "no-room", detail)
        }
        error => ApiError::internal(&error),
    }
}

/// A file that is gone when it is closed.
fn unnamed(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("backup-{}", Uuid::new_v4()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
