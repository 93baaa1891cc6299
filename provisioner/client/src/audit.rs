//! The audit log.

use crate::{Client, ClientError, Page, answer};
use provisioner_api::{AuditList, paths};
use reqwest::Method;

impl Client {
    /// A page of the audit log, oldest first.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn audit_page(&self, page: &Page) -> Result<AuditList, ClientError> {
        let limit = page.limit.map(|limit| limit.to_string());
        let mut query = Vec::new();
        query.extend(limit.as_deref().map(|limit| ("limit", limit)));
        query.extend(page.after.as_deref().map(|after| ("after", after)));
        answer::json(self.request_with(Method::GET, paths::AUDIT, &[], &query)?).await
    }

    /// The newest entries of the audit log, oldest first.
    pub async fn audit_newest(&self, number: u32) -> Result<AuditList, ClientError> {
        let newest = number.to_string();
        answer::json(self.request_with(Method::GET, paths::AUDIT, &[], &[("newest", &newest)])?).await
    }
}
