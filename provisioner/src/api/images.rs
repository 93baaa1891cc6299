//! `/v1/images`: import by upload, list, delete.

use super::{
    auth::still_held,
    error::{ApiError, Query},
    ram_image,
    validate::Fields,
    watch,
};
use crate::{clock, keys::random, service::Service, store::StoreError};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use images::import::{ImportError, Scheme, SignedBy};
use provisioner_api::{Image, ImageFormat, ImageId, ImageList, ImageSigner, ImageSpec, ImageStatus};
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// What a list of images has beside them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// Whether `resume` says from where on the list can be watched.
    #[serde(default)]
    resume: bool,
}

/// Lists the images by name.
#[utoipa::path(
    get, path = provisioner_api::paths::IMAGES, tag = "images",
    params(Listed),
    responses((status = 200, body = ImageList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Query(query): Query<Listed>,
) -> Result<Json<ImageList>, ApiError> {
    let resume = watch::resume(&service, query.resume).await?;
    Ok(Json(ImageList { items: service.store.image_list().await?, resume }))
}

/// Shows an image.
#[utoipa::path(
    get, path = provisioner_api::paths::IMAGE, tag = "images",
    responses((status = 200, body = Image)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<Image>, ApiError> {
    let image = service.store.image_find(&key).await?;
    image.map(Json).ok_or_else(|| ApiError::not_found("image", &key))
}

/// Takes the file, checks its digest before anything is parsed, and puts it into the chunk store.
#[utoipa::path(
    post, path = provisioner_api::paths::IMAGES, tag = "images",
    summary = "Imports an image",
    params(ImageSpec),
    request_body(content = inline(crate::api::openapi::File), content_type = "application/octet-stream", description = "The file itself"),
    responses(
        (status = 200, body = Image, description = "The same image is there already"),
        (status = 201, body = Image),
        (status = 409),
        (status = 503, description = "The process that reads images can't be confined on this host"),
        (status = 507)
    ),
)]
pub(crate) async fn import(
    State(service): State<Arc<Service>>,
    Query(spec): Query<ImageSpec>,
    body: Body,
) -> Result<Response, ApiError> {
    let spec = ImageSpec { digest: spec.digest.to_ascii_lowercase(), ..spec };
    let mut fields = Fields::default();
    fields.image(&spec);
    fields.done()?;
    if let Some(known) = service.store.image_find(&spec.name).await? {
        return already(known, &spec);
    }
    let upload = Upload::take(&service, body).await?;
    let spec = if spec.runs_from_ram() { ram_image::checked(spec, &upload.0).await? } else { spec };
    let imported = import_file(&service, &upload, &spec).await?;
    let image = Image {
        id: ImageId(Uuid::now_v7()),
        name: spec.name.clone(),
        status: ImageStatus {
            imported: clock::now(),
            disk_bytes: imported.manifest.disk_bytes,
            stored_bytes: imported.stored_bytes,
            chunks: imported.manifest.chunks.iter().flatten().count() as u64,
            manifest_sha256: imported.manifest_sha256,
            signed_by: imported.signed_by.map(signer),
            memory_bytes: spec.runs_from_ram().then(|| ram_image::memory(imported.manifest.disk_bytes)),
        },
        spec,
    };
    let _names = service.image_names.lock().await?;
    still_held().await?;
    // Somebody deleted the last other name of the same manifest since it was stored.
    if service.images.manifest_path(&image.status.manifest_sha256).is_ok_and(|path| !path.exists()) {
        return Err(ApiError::conflict("an image with the same content was deleted meanwhile; try again"));
    }
    match service.store.image_insert(&image).await {
        Ok(()) => {
            service.hub.tell_watchers();
            Ok((StatusCode::CREATED, Json(image)).into_response())
        }
        // Somebody imported the same name meanwhile.
        Err(StoreError::Taken { .. }) => match service.store.image_find(&image.name).await? {
            Some(known) => already(known, &image.spec),
            None => Err(ApiError::conflict("the image name was taken and given up meanwhile; try again")),
        },
        Err(error) => Err(error.into()),
    }
}

/// Importing the same again is no error.
fn already(known: Image, spec: &ImageSpec) -> Result<Response, ApiError> {
    // Where it was not said, it was read from the kernel.
    let mut asked = spec.clone();
    if spec.runs_from_ram() && spec.architecture.is_none() {
        asked.architecture.clone_from(&known.spec.architecture);
    }
    if known.spec.is_same_image(&asked) {
        return Ok((StatusCode::OK, Json(known)).into_response());
    }
    Err(ApiError::conflict(format!(
        "an image `{}` with digest {} exists already; choose another name",
        known.name, known.spec.digest
    )))
}

/// A file on its way in; gone when dropped.
struct Upload(PathBuf);

impl Drop for Upload {
    fn drop(&mut self) {
        // What can't be removed now is removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Upload {
    async fn take(service: &Service, body: Body) -> Result<Self, ApiError> {
        let name = hex::encode(random::<16>().map_err(crate::service::ServiceError::from)?);
        let upload = Self(service.uploads.join(name));
        let mut file = tokio::fs::File::create(&upload.0).await.map_err(|error| no_room(&error))?;
        let mut stream = body.into_data_stream();
        while let Some(part) = stream.next().await {
            let part = part.map_err(|error| {
                ApiError::new(StatusCode::BAD_REQUEST, "invalid", format!("the upload broke off: {error}"))
            })?;
            file.write_all(&part).await.map_err(|error| no_room(&error))?;
        }
        file.flush().await.map_err(|error| no_room(&error))?;
        Ok(upload)
    }
}

fn no_room(error: &std::io::Error) -> ApiError {
    tracing::error!(error = crate::text::logged(error), "an upload can't be stored");
    let detail =
        format!("the file can't be stored in the data folder: {error}; make room there and try again");
    ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "no-room", detail)
}

async fn import_file(
    service: &Service,
    upload: &Upload,
    spec: &ImageSpec,
) -> Result<images::import::Imported, ApiError> {
    let store = Arc::clone(&service.images);
    let path = upload.0.clone();
    let spec = images::import::ImportSpec {
        digest: spec.digest.clone(),
        format: match spec.format {
            // What the two parts are was looked at before.
            ImageFormat::Raw | ImageFormat::Ram => images::import::Format::Raw,
            ImageFormat::Qcow2 => images::import::Format::Qcow2,
            ImageFormat::Iso => images::import::Format::Iso,
        },
        signature: spec.signature.clone(),
    };
    let imported = tokio::task::spawn_blocking(move || store.import(&path, &spec, &mut |_| {})).await;
    match imported {
        Ok(Ok(imported)) => Ok(imported),
        Ok(Err(ImportError::Signature(error))) => Err(ApiError::field("signature", error.to_string())),
        // Not the file's fault, and nothing that whoever sent it can mend.
        Ok(Err(
            error @ (ImportError::Start { .. }
            | ImportError::Unconfined { .. }
            | ImportError::Interrupted { .. }),
        )) => {
            tracing::error!(error = full(&error), "no image can be imported");
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", full(&error)))
        }
        Ok(Err(error)) => Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", full(&error))),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// Who signed an image, as the API shows it.
fn signer(by: SignedBy) -> ImageSigner {
    let scheme = match by.scheme {
        Scheme::Minisign => "minisign",
        Scheme::Cosign => "cosign",
    };
    ImageSigner { scheme: scheme.to_owned(), key: by.key }
}

/// An import's error with its causes: the user brought the file, so the user may know.
fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Deletes an image that no instance is made from.
#[utoipa::path(
    delete, path = provisioner_api::paths::IMAGE, tag = "images",
    responses((status = 204), (status = 409)),
)]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let image = service.store.image_find(&key).await?.ok_or_else(|| ApiError::not_found("image", &key))?;
    let _names = service.image_names.lock().await?;
    still_held().await?;
    service.store.image_delete(image.id).await.map_err(|error| match error {
        StoreError::InUse { .. } => {
            ApiError::conflict(format!("instances are made from image `{}`; delete them first", image.name))
        }
        other => other.into(),
    })?;
    service.hub.tell_watchers();
    let sha256 = image.status.manifest_sha256;
    // Two names may stand for the same manifest.
    let shared = service.store.image_list().await?.iter().any(|other| other.status.manifest_sha256 == sha256);
    if !shared {
        let store = Arc::clone(&service.images);
        let removed = tokio::task::spawn_blocking(move || store.remove(&sha256)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(error = full(&error), "chunks of a deleted image remain in the store");
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
