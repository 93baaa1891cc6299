//! The lasting boot order over Redfish.

use super::Redfish;
use crate::{BmcError, BootOption, BootOrder};
use async_trait::async_trait;
use bmc_proto::redfish::ResourcePath;
use bmc_proto::redfish::boot_order::{
    OptionReading, OrderRefusal, in_order, is_order, options_link, order_patch, plan_order, read_order,
};
use bmc_proto::redfish::settings::with_apply_time;
use serde_json::Value;

const READ: &str = "read the boot order";
const SET: &str = "set the boot order";

/// What is read at once.
struct Read {
    path: ResourcePath,
    system: Value,
    settings: Option<(ResourcePath, Value)>,
}

impl Read {
    /// The order that is pending, if there is one.
    fn pending(&self) -> Option<Vec<String>> {
        self.settings.as_ref().and_then(|(_, settings)| read_order(settings))
    }

    /// The order that the next boot follows.
    fn order(&self) -> Option<Vec<String>> {
        self.pending().filter(|order| !order.is_empty()).or_else(|| read_order(&self.system))
    }

    fn is(&self, order: &[String]) -> bool {
        self.order().is_some_and(|shown| is_order(order, &shown))
    }
}

#[async_trait]
impl BootOrder for Redfish {
    async fn boot_order(&self) -> Result<Vec<BootOption>, BmcError> {
        let read = self.read_order().await?;
        let Some(order) = read.order() else { return Err(self.cannot(OrderRefusal::None.to_string())) };
        let options = match options_link(&read.system) {
            Some(collection) => self.read_all(&collection, READ).await?,
            None => Vec::new(),
        };
        let options = options.iter().filter_map(|(_, resource)| OptionReading::read(resource)).collect();
        Ok(in_order(&order, options).into_iter().map(shown).collect())
    }

    async fn set_boot_order(&self, first: &[String]) -> Result<(), BmcError> {
        let read = self.read_order().await?;
        let order = read.order().unwrap_or_default();
        let planned = plan_order(&order, first).map_err(|refusal| self.cannot(refusal.to_string()))?;
        if planned == order {
            return Ok(());
        }
        let quirks = self.quirks().await?;
        let settings = read.settings.as_ref().map(|(_, settings)| settings);
        let body = order_patch(&planned);
        let (to, body) = match &read.settings {
            Some((path, _)) => (path, with_apply_time(body, &read.system, settings, &quirks)),
            None => (&read.path, body),
        };
        let task = self.patch_and_look(to, body, SET).await?;
        self.await_that(self.timing.setting, SET, || async {
            let read = self.read_order().await?;
            if read.is(&planned) || self.must_not_have_failed(task.as_ref(), SET).await? {
                return Ok(Ok(()));
            }
            let shown = read.order().unwrap_or_default().join(", ");
            Ok(Err(format!("the order {}", bmc_proto::redfish::printable(&shown, 300))))
        })
        .await
    }
}

impl Redfish {
    async fn read_order(&self) -> Result<Read, BmcError> {
        let loaded = self.system().await?;
        let settings = self.read_settings(&loaded.raw, READ).await?;
        Ok(Read { path: loaded.path, system: loaded.raw, settings })
    }
}

fn shown(option: OptionReading) -> BootOption {
    let OptionReading { reference, name, enabled, uefi_path } = option;
    BootOption { reference, name, enabled, uefi_path }
}

#[cfg(test)]
mod tests;
