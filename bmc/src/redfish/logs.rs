//! The logs of system, manager and chassis. One of them is the hardware's event log.
//!
//! Of a log of thousands of entries only the pages that are asked for are read.

use super::Redfish;
use super::client::or_look;
use super::listing::{Page, TREES_MAX};
use super::sensors::link;
use crate::capability::{BmcEvent, EventLog, EventLogInfo, LogDescription, Logs};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::redfish::logs::{
    LogRecord, LogService, clear_action, is_emptied, is_newest_first, last_pages, log_record, pick_event_log,
};
use bmc_proto::redfish::{Action, ResourcePath, date_time, own_path, timestamp, tree_size, word_of};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use tokio::time::Instant;

const LISTING: &str = "list the logs";
const READING: &str = "read a log";
const CLEARING: &str = "empty a log";
const CLOCK: &str = "set the BMC's clock";
/// The most logs of system, manager or chassis.
const LOGS_MAX: usize = 32;
/// The most entries that are read of a log.
const ENTRIES_MAX: usize = 8192;
/// The most pages.
const PAGES_MAX: usize = 512;
/// How many entries are compared to see that a log was emptied.
const COMPARED: usize = 64;
/// By how many seconds a clock may differ from what was written: it goes on, and writing takes its time.
const CLOCK_SLACK: i64 = 60;

/// A log.
struct Log {
    /// Unique at this BMC.
    id: String,
    service: LogService,
    path: ResourcePath,
    entries: Option<ResourcePath>,
    clear: Option<Action>,
}

impl Redfish {
    /// All logs, those of the system first.
    async fn find_logs(&self) -> Result<Vec<Log>, BmcError> {
        let mut owners = vec![("system".to_owned(), Some(self.system().await?.raw))];
        if let Some(path) = self.manager_path().await? {
            owners.push(("manager".into(), self.read_optional(&path, LISTING).await?));
        }
        for (index, path) in self.chassis_paths().await?.iter().enumerate() {
            let name = if index == 0 { "chassis".to_owned() } else { format!("chassis{}", index + 1) };
            owners.push((name, self.read_optional(path, LISTING).await?));
        }
        let (mut logs, mut seen) = (Vec::new(), BTreeSet::new());
        for (owner, resource) in owners {
            let services = resource.as_ref().and_then(|resource| link(resource, "LogServices"));
            // The same collection may hang under two.
            let Some(services) = services.filter(|path| seen.insert(path.clone())) else { continue };
            let mut problems = Vec::new();
            for service in self.list_optional(Some(services), LOGS_MAX, LISTING, &mut problems).await? {
                if let Some(log) = self.log_of(&owner, &service)?.filter(|log| seen.insert(log.path.clone()))
                {
                    logs.push(log);
                }
            }
        }
        Ok(logs)
    }

    fn log_of(&self, owner: &str, resource: &Value) -> Result<Option<Log>, BmcError> {
        let service: LogService = self.model(resource, LISTING)?;
        let Some(path) = own_path(resource) else { return Ok(None) };
        let id = word_of(service.id.as_deref()).unwrap_or_else(|| {
            path.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
        });
        let entries = link(resource, "Entries");
        Ok(Some(Log { id: format!("{owner}/{id}"), service, path, entries, clear: clear_action(resource) }))
    }

    async fn find_log(&self, id: &str) -> Result<Log, BmcError> {
        let mut logs = self.find_logs().await?;
        if let Some(index) = logs.iter().position(|log| log.id == id) {
            return Ok(logs.swap_remove(index));
        }
        let known: Vec<&str> = logs.iter().map(|log| log.id.as_str()).collect();
        Err(self.cannot(format!("it has no log `{id}`, only {}", known.join(", "))))
    }

    async fn hardware_log(&self) -> Result<Log, BmcError> {
        let mut logs = self.find_logs().await?;
        match pick_event_log(logs.iter().map(|log| &log.service)) {
            Some(index) => Ok(logs.swap_remove(index)),
            None => Err(self.cannot("it has no log")),
        }
    }

    /// How many entries a log has.
    async fn count(&self, log: &Log) -> Result<Option<u64>, BmcError> {
        let Some(entries) = &log.entries else { return Ok(None) };
        let page = self.page(entries, READING).await?;
        let here = u64::try_from(page.members.len()).ok().filter(|_| page.next.is_none());
        Ok(page.total.or(here))
    }

    /// The newest entries of a log, the oldest first.
    async fn newest(&self, log: &Log, newest: usize) -> Result<Vec<LogRecord>, BmcError> {
        let newest = newest.min(ENTRIES_MAX);
        let Some(entries) = log.entries.as_ref().filter(|_| newest > 0) else { return Ok(Vec::new()) };
        let page = self.first_page(entries, READING).await?;
        let ends = self.ends(&page).await?;
        let mut records = match is_newest_first(&ends) {
            Some(true) => {
                let mut records = self.follow(page, newest).await?;
                records.truncate(newest);
                records.reverse();
                records
            }
            _ => self.at_the_end(page, newest).await?,
        };
        records.drain(..records.len().saturating_sub(newest));
        Ok(records)
    }

    /// The first and the last entry of a page: they tell in which order it is.
    async fn ends(&self, page: &Page) -> Result<Vec<LogRecord>, BmcError> {
        let mut ends = Vec::new();
        let last = page.members.last().filter(|_| page.members.len() > 1);
        for member in page.members.first().into_iter().chain(last) {
            let entry = self.whole(member.clone(), READING).await?;
            ends.extend(entry.as_ref().and_then(log_record));
        }
        Ok(ends)
    }

    /// The entries of the last pages of a log that has the oldest first: skipping to them where the BMC's own link to
    /// the next page shows how, else over all pages.
    async fn at_the_end(&self, page: Page, newest: usize) -> Result<Vec<LogRecord>, BmcError> {
        let jump = page
            .next
            .as_ref()
            .zip(page.total)
            .and_then(|(next, total)| last_pages(next, total, u64::try_from(newest).ok()?));
        if let Some(jump) = jump {
            let first = page.members.first().cloned();
            match self.page(&jump, READING).await {
                // One that doesn't heed where to begin answers the first page again.
                Ok(last) if !last.members.is_empty() && last.members.first() != first.as_ref() => {
                    return self.follow(last, newest).await;
                }
                Ok(_) | Err(BmcError::Refused { .. } | BmcError::Protocol { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let (members, skipped) = self.tail(page, newest).await?;
        tracing::debug!(skipped, "redfish log was read over all its pages");
        self.records(members).await
    }

    /// The last members over all pages, not yet read where they are links.
    async fn tail(&self, mut page: Page, newest: usize) -> Result<(Vec<Value>, usize), BmcError> {
        let (mut members, mut pages, mut skipped) = (VecDeque::new(), BTreeSet::new(), 0);
        let (deadline, mut held) = (Instant::now() + self.timing.collection, 0);
        loop {
            for member in page.members.drain(..) {
                let size = tree_size(&member);
                held += size;
                members.push_back((size, member));
                if let Some((size, _)) = (members.len() > newest).then(|| members.pop_front()).flatten() {
                    held -= size;
                    skipped += 1;
                }
            }
            self.fits(held)?;
            let Some(next) =
                page.next.take().filter(|next| pages.len() < PAGES_MAX && pages.insert(next.clone()))
            else {
                return Ok((members.into_iter().map(|(_, member)| member).collect(), skipped));
            };
            self.in_time(deadline, &next, READING)?;
            page = self.page(&next, READING).await?;
        }
    }

    /// Whether so much of a log may be held.
    fn fits(&self, held: usize) -> Result<(), BmcError> {
        if held <= TREES_MAX {
            return Ok(());
        }
        Err(self.transport()?.broken(READING, "the log is too large".into()))
    }

    /// Entries from this page on, as they come, until there are enough.
    async fn follow(&self, mut page: Page, enough: usize) -> Result<Vec<LogRecord>, BmcError> {
        let (mut members, mut pages) = (Vec::new(), BTreeSet::new());
        let (deadline, mut held) = (Instant::now() + self.timing.collection, 0);
        loop {
            held += page.members.iter().map(tree_size).sum::<usize>();
            self.fits(held)?;
            members.append(&mut page.members);
            if members.len() >= enough {
                members.truncate(enough);
                break;
            }
            let Some(next) =
                page.next.take().filter(|next| pages.len() < PAGES_MAX && pages.insert(next.clone()))
            else {
                break;
            };
            self.in_time(deadline, &next, READING)?;
            page = self.page(&next, READING).await?;
        }
        self.records(members).await
    }

    async fn records(&self, members: Vec<Value>) -> Result<Vec<LogRecord>, BmcError> {
        let mut records = Vec::new();
        for member in members {
            match self.whole(member, READING).await {
                Ok(entry) => records.extend(entry.as_ref().and_then(log_record)),
                // One entry that can't be read hides no other.
                Err(error @ (BmcError::Refused { .. } | BmcError::Protocol { .. })) => {
                    tracing::debug!(%error, "redfish log entry is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    /// The manager, and what its clock says.
    async fn manager_clock(&self) -> Result<(ResourcePath, Option<i64>), BmcError> {
        let Some(path) = self.manager_path().await? else {
            return Err(self.cannot("it has no manager, and so no clock"));
        };
        let manager: Value = self.read(&path, "read the BMC's clock").await?;
        let clock = manager.get("DateTime").and_then(Value::as_str).and_then(timestamp);
        Ok((path, clock))
    }

    async fn empty_log(&self, log: &Log) -> Result<(), BmcError> {
        let Some(clear) = &log.clear else {
            return Err(self.cannot(format!("its log `{}` can't be emptied", log.id)));
        };
        let before = self.newest(log, COMPARED).await?;
        if before.is_empty() {
            return Ok(());
        }
        or_look(self.post(&clear.target, json!({}), CLEARING).await)?;
        self.await_that(self.timing.settle, CLEARING, || async {
            let after = self.newest(log, COMPARED).await?;
            Ok(if is_emptied(&before, &after) { Ok(()) } else { Err("entries from before".into()) })
        })
        .await
    }
}

#[async_trait]
impl Logs for Redfish {
    async fn logs(&self) -> Result<Vec<LogDescription>, BmcError> {
        let mut told = Vec::new();
        for log in self.find_logs().await? {
            let entries = match self.count(&log).await {
                Ok(count) => count,
                Err(BmcError::Refused { .. } | BmcError::Protocol { .. }) => None,
                Err(error) => return Err(error),
            };
            told.push(LogDescription {
                name: word_of(log.service.name.as_deref()).unwrap_or_else(|| log.id.clone()),
                entries,
                clearable: log.clear.is_some(),
                id: log.id,
            });
        }
        Ok(told)
    }

    async fn log(&self, id: &str, newest: usize) -> Result<Vec<BmcEvent>, BmcError> {
        let log = self.find_log(id).await?;
        let records = self.newest(&log, newest).await?;
        Ok(records.into_iter().map(told).collect())
    }

    async fn clear_log(&self, id: &str) -> Result<(), BmcError> {
        let log = self.find_log(id).await?;
        self.empty_log(&log).await
    }
}

fn told(record: LogRecord) -> BmcEvent {
    BmcEvent {
        id: record.id,
        at: record.at,
        sensor: record.sensor,
        kind: record.kind,
        message: record.message,
        asserted: record.asserted,
        raw: String::new(),
    }
}

#[async_trait]
impl EventLog for Redfish {
    async fn log_info(&self) -> Result<EventLogInfo, BmcError> {
        let log = self.hardware_log().await?;
        let entries = self.count(&log).await?.unwrap_or(0);
        let free = log
            .service
            .max_number_of_records
            .filter(|most| *most > 0)
            .map(|most| most.saturating_sub(entries));
        let clock = match log.service.date_time.as_deref().and_then(timestamp) {
            Some(clock) => Some(clock),
            None => self.manager_clock().await?.1,
        };
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(EventLogInfo {
            entries: number(entries),
            free: free.map(number),
            overflow: free == Some(0),
            clock,
        })
    }

    async fn events(&self) -> Result<Vec<BmcEvent>, BmcError> {
        let log = self.hardware_log().await?;
        let records = self.newest(&log, ENTRIES_MAX).await?;
        Ok(records.into_iter().map(told).collect())
    }

    async fn clear_events(&self) -> Result<(), BmcError> {
        let log = self.hardware_log().await?;
        self.empty_log(&log).await
    }

    async fn set_log_clock(&self, seconds: i64) -> Result<(), BmcError> {
        let Some(text) = date_time(seconds) else {
            return Err(self.cannot(format!("{seconds} is no time that a clock can be set to")));
        };
        let (path, _) = self.manager_clock().await?;
        self.patch_and_look(&path, json!({ "DateTime": text }), CLOCK).await?;
        self.await_that(self.timing.settle, CLOCK, || async {
            Ok(match self.manager_clock().await?.1 {
                Some(found) if (found - seconds).abs() <= CLOCK_SLACK => Ok(()),
                Some(found) => Err(date_time(found).unwrap_or_else(|| "another time".into())),
                None => Err("no time".into()),
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests;
