//! `/healthz`: that the process answers.

/// Says that the service runs.
#[utoipa::path(
    get, path = provisioner_api::paths::HEALTH, tag = "service",
    operation_id = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn show() -> &'static str {
    "ok\n"
}
