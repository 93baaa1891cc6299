//! Reading whole collections with few requests: what a page holds whole is not read again, and pages are expanded where
//! the service says that it can (DSP0266 section 7.3.2).
//!
//! Not here: collections of which only the members' places matter (`client::members`).

use super::Redfish;
use super::client::is_passing;
use crate::BmcError;
use bmc_proto::redfish::{ResourcePath, own_path, tree_size};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// The most pages of one collection.
const PAGES_MAX: usize = 256;
/// The most problems that are told.
const PROBLEMS_MAX: usize = 64;

/// The most memory that the members of one collection may take, in bytes.
pub(super) const TREES_MAX: usize = 128 * 1024 * 1024;

/// The members of a collection.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Each whole, in the BMC's order.
    pub(super) members: Vec<Value>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

/// A page of a collection.
pub(super) struct Page {
    /// Its members, each whole or a link.
    pub(super) members: Vec<Value>,
    /// How many members the collection has.
    pub(super) total: Option<u64>,
    /// Where the next page is.
    pub(super) next: Option<ResourcePath>,
}

impl Redfish {
    /// All members, `most` at the most. A member that can't be read is left out and told of; that nothing answers is an
    /// error.
    pub(super) async fn list(
        &self,
        collection: &ResourcePath,
        most: usize,
        during: &'static str,
    ) -> Result<Listing, BmcError> {
        let deadline = Instant::now() + self.timing.parts;
        let mut listing = Listing::default();
        let mut held = 0;
        let mut pages = BTreeSet::from([collection.clone()]);
        let mut page = self.first_page(collection, during).await?;
        loop {
            for member in std::mem::take(&mut page.members) {
                if listing.members.len() >= most {
                    return Ok(listing);
                }
                if Instant::now() >= deadline {
                    listing
                        .problems
                        .push(format!("{collection}: reading it took too long, the rest is left out"));
                    return Ok(listing);
                }
                match self.whole(member, during).await {
                    Ok(member) => {
                        held += member.as_ref().map_or(0, tree_size);
                        if held > TREES_MAX {
                            listing
                                .problems
                                .push(format!("{collection}: it is too large, the rest is left out"));
                            return Ok(listing);
                        }
                        listing.members.extend(member);
                    }
                    Err(error) => self.note(&mut listing.problems, error)?,
                }
            }
            let Some(next) =
                page.next.take().filter(|next| pages.len() < PAGES_MAX && pages.insert(next.clone()))
            else {
                return Ok(listing);
            };
            if Instant::now() >= deadline {
                listing
                    .problems
                    .push(format!("{collection}: reading it took too long, the rest is left out"));
                return Ok(listing);
            }
            page = self.page(&next, during).await?;
        }
    }

    /// As `list`, of a collection that may be missing: then there are no members.
    pub(super) async fn list_optional(
        &self,
        collection: Option<ResourcePath>,
        most: usize,
        during: &'static str,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Value>, BmcError> {
        let Some(collection) = collection else { return Ok(Vec::new()) };
        match self.list(&collection, most, during).await {
            Ok(listing) => {
                problems.extend(listing.problems);
                Ok(listing.members)
            }
            Err(error) => {
                self.note(problems, error)?;
                Ok(Vec::new())
            }
        }
    }

    /// Makes a problem of an error that concerns one resource, and hands on one that concerns the BMC.
    pub(super) fn note(&self, problems: &mut Vec<String>, error: BmcError) -> Result<(), BmcError> {
        match error {
            BmcError::Refused { .. } | BmcError::Protocol { .. } => {
                if problems.len() < PROBLEMS_MAX {
                    problems.push(error.to_string());
                }
                Ok(())
            }
            error => Err(error),
        }
    }

    /// A member as a resource; `None` for one that is no longer there.
    pub(super) async fn whole(&self, member: Value, during: &'static str) -> Result<Option<Value>, BmcError> {
        // Links have their address and nothing else; entries of logs always have an id.
        if member.get("Id").is_some() || member.get("Name").is_some() {
            return Ok(Some(member));
        }
        match own_path(&member) {
            Some(path) => self.read_optional(&path, during).await,
            None => Ok(None),
        }
    }

    /// The first page of a collection, expanded if the service can: if it says so and can't, as it is.
    pub(super) async fn first_page(
        &self,
        collection: &ResourcePath,
        during: &'static str,
    ) -> Result<Page, BmcError> {
        let features = self.root().await?.protocol_features_supported.unwrap_or_default();
        if let Some(expanded) = features.expanded(collection, &self.quirks().await?) {
            match self.page(&expanded, during).await {
                Err(error) if is_passing(&error) => {
                    tracing::debug!(%error, "redfish collection could not be expanded");
                }
                page => return page,
            }
        }
        self.page(collection, during).await
    }

    /// One page of a collection.
    pub(super) async fn page(&self, path: &ResourcePath, during: &'static str) -> Result<Page, BmcError> {
        let mut page: Value = self.read(path, during).await?;
        let members = match page.get_mut("Members").map(Value::take) {
            Some(Value::Array(members)) => members,
            _ => Vec::new(),
        };
        let next = page.get("Members@odata.nextLink").and_then(Value::as_str);
        Ok(Page {
            members,
            total: page.get("Members@odata.count").and_then(Value::as_u64),
            next: next.and_then(ResourcePath::from_link),
        })
    }
}
