//! The manager, that is the BMC itself: its restart. Its network and its clock are other groups'.

use super::answer::{Refusal, not_in_list, parameter_missing};
use super::group::{Group, Request};
use super::state::{Shared, lock};
use async_trait::async_trait;
use axum::response::Response;
use std::sync::Mutex;
use std::time::Duration;

/// Until the answer to the restart itself has left.
const SOON: Duration = Duration::from_millis(20);

/// The BMC itself.
pub struct Manager {
    /// How long it is down when it restarts.
    down: Mutex<Duration>,
    restarts: Mutex<u32>,
}

impl Default for Manager {
    fn default() -> Self {
        Self { down: Mutex::new(Duration::from_millis(200)), restarts: Mutex::default() }
    }
}

impl Manager {
    /// How long it is down when somebody restarts it; 200 ms until that is set. Real ones need minutes.
    pub fn set_downtime(&self, down: Duration) {
        *lock(&self.down) = down;
    }

    /// How often somebody restarted it by Redfish.
    pub fn restarts(&self) -> u32 {
        *lock(&self.restarts)
    }

    fn reset(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        let body = request.json()?;
        let allowed = bmc.tree.manners.manager_resets;
        match body.get("ResetType") {
            None if allowed.len() != 1 => {
                return Err(parameter_missing("Manager.Reset", "ResetType").into());
            }
            Some(kind) if !allowed.iter().any(|word| kind.as_str() == Some(word)) => {
                return Err(not_in_list("ResetType", kind).into());
            }
            _ => {}
        }
        *lock(&self.restarts) += 1;
        let (bmc, down) = (bmc.clone(), *lock(&self.down));
        let done = bmc.tree.manners.done();
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            bmc.controls.restart(down);
        });
        Ok(done)
    }
}

#[async_trait]
impl Group for Manager {
    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let action = format!("{}/Actions/Manager.Reset", bmc.places().manager);
        if !request.posts_to(&action) {
            return None;
        }
        Some(self.reset(bmc, request).unwrap_or_else(|refusal| *refusal))
    }
}
