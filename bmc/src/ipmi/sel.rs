//! The event log: reading it, emptying it, its clock.

use super::Ipmi;
use crate::capability::{BmcEvent, EventLog, EventLogInfo};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::chain::{Chain, FIRST};
use bmc_proto::ipmi::pieces::{Pieces, is_too_long};
use bmc_proto::ipmi::sel::{
    self, ClearSel, ERASING, ErasureProgress, GetSelAllocation, GetSelEntry, GetSelInfo, GetSelTime,
    GetSelUtcOffset, LENGTH, Record, ReserveSel, SelInfo, SetSelTime, describe, time,
};
use bmc_proto::ipmi::{Answer, IpmiCommand, Message};
use std::num::NonZeroU16;
use std::time::Duration;
use tokio::time::Instant;

const READING: &str = "reading the event log";
const CLEARING: &str = "clearing the event log";
const SETTING: &str = "setting the event log's clock";
/// For the whole log, however slow the BMC is.
const LIMIT: Duration = Duration::from_secs(120);
/// So many entries more than there were at first may come while we read.
const NEW_ONES: usize = 1024;
/// Entries of BMCs that can't return them whole are read in pieces of this size first.
const PIECE: usize = LENGTH / 2;
/// How far a clock that was set may be from what it was set to, besides the time that passed.
const CLOCK_TOLERANCE: i64 = 5;
/// How often a reservation may be cancelled before we give up.
const MOST_CANCELLATIONS: u32 = 8;
const RESERVATION_CANCELLED: u8 = 0xC5;
const NOT_PRESENT: u8 = 0xCB;

#[async_trait]
impl EventLog for Ipmi {
    async fn log_info(&self) -> Result<EventLogInfo, BmcError> {
        self.bounded(LIMIT, READING, self.read_log_info()).await
    }

    async fn events(&self) -> Result<Vec<BmcEvent>, BmcError> {
        self.bounded(LIMIT, READING, self.read_events()).await
    }

    async fn clear_events(&self) -> Result<(), BmcError> {
        let cleared = tokio::time::timeout(LIMIT, self.clear_log()).await;
        cleared.unwrap_or_else(|_| Err(self.errors.not_done(CLEARING, "that it is still erasing".into())))
    }

    async fn set_log_clock(&self, seconds: i64) -> Result<(), BmcError> {
        self.bounded(self.timing.call, SETTING, self.set_clock(seconds)).await
    }
}

impl Ipmi {
    async fn read_log_info(&self) -> Result<EventLogInfo, BmcError> {
        let info = self.log_state(READING).await?;
        let offset = self.utc_offset(READING).await?;
        let clock = self.optional(GetSelTime, READING).await?;
        // In entries, of 16 bytes; the allocation is more exact where the count of bytes ends at 0xFFFF.
        let allocation = self.optional(GetSelAllocation, READING).await?;
        let by_unit =
            allocation.filter(|room| room.units > 0 && room.unit_size >= 16).map(|room| u32::from(room.free));
        let by_bytes = (info.bytes_free != u16::MAX).then(|| u32::from(info.bytes_free) / 16);
        Ok(EventLogInfo {
            entries: info.entries.into(),
            free: by_unit.or(by_bytes),
            overflow: info.overflow,
            clock: clock.and_then(|clock| time::unix(clock, offset)),
        })
    }

    async fn log_state(&self, during: &'static str) -> Result<SelInfo, BmcError> {
        let answer = self.while_erasing(|| GetSelInfo.into(), during).await?;
        if answer.completion == Answer::INVALID_COMMAND {
            return Err(self.cannot("it has no event log"));
        }
        self.read::<GetSelInfo>(&answer, during)
    }

    /// Minutes that the log's clock is ahead of UTC; 0 where the BMC doesn't say.
    async fn utc_offset(&self, during: &'static str) -> Result<i16, BmcError> {
        let answer = self.answer(GetSelUtcOffset.into(), during).await?;
        let offset =
            (answer.completion == Answer::OK).then(|| GetSelUtcOffset::parse_success_response(&answer.data));
        Ok(offset.and_then(Result::ok).unwrap_or(0))
    }

    /// Asks until the log is not being erased any more.
    async fn while_erasing(
        &self,
        message: impl Fn() -> Message,
        during: &'static str,
    ) -> Result<Answer, BmcError> {
        loop {
            let answer = self.answer(message(), during).await?;
            if answer.completion != ERASING {
                return Ok(answer);
            }
            tokio::time::sleep(self.timing.poll).await;
        }
    }

    async fn read_events(&self) -> Result<Vec<BmcEvent>, BmcError> {
        let records = self.read_log().await?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let offset = self.utc_offset(READING).await?;
        // Without them events have numbers instead of names, and are events all the same.
        let sensors = match self.records(READING).await {
            Ok(records) => Some(records),
            Err(BmcError::Unsupported { .. } | BmcError::Refused { .. } | BmcError::Protocol { .. }) => None,
            Err(error) => return Err(error),
        };
        let sensors = sensors.as_ref().map_or(&[][..], |records| &records.sensors);
        Ok(records.iter().map(|record| tell(record, sensors, offset)).collect())
    }

    /// All entries, in the BMC's order, which is that of their age.
    async fn read_log(&self) -> Result<Vec<Record>, BmcError> {
        let entries = usize::from(self.log_state(READING).await?.entries);
        if entries == 0 {
            return Ok(Vec::new());
        }
        let mut reader = Reader { ipmi: self, reservation: 0, cancellations: 0, piece: None };
        let mut records = Vec::new();
        let mut chain = Chain::new(entries + NEW_ONES);
        let mut next = Some(FIRST);
        while let Some(id) = next {
            // Somebody emptied it meanwhile: what was read is still true.
            let Some((record, following)) = reader.entry(id).await? else { break };
            records.push(record);
            next = chain.follow(following).map_err(|error| {
                self.errors.protocol(READING, format!("{error}; clear its event log, or restart the BMC"))
            })?;
        }
        Ok(records)
    }

    /// Erases, waits for the end of it, and looks.
    async fn clear_log(&self) -> Result<(), BmcError> {
        let before = self.log_state(CLEARING).await?.entries;
        if before == 0 {
            return Ok(());
        }
        let began = self.optional(GetSelTime, CLEARING).await?;
        self.erase().await?;
        let left = self.read_log().await?;
        // Some BMCs write about the erasure into the empty log, and new events may come at any time.
        let is_new = |record: &Record| {
            record.is_log_cleared()
                || record.timestamp().zip(began).is_some_and(|(timestamp, began)| timestamp >= began)
        };
        match left.iter().filter(|record| !is_new(record)).count() {
            0 => Ok(()),
            old => Err(self.errors.not_done(CLEARING, format!("{old} of {before} entries"))),
        }
    }

    async fn erase(&self) -> Result<(), BmcError> {
        let mut cancellations = 0;
        let mut reservation = self.reserve_log().await?;
        let mut command = ClearSel::initiate(reservation);
        loop {
            let answer = self.answer(command.into(), CLEARING).await?;
            if answer.completion == RESERVATION_CANCELLED && cancellations < MOST_CANCELLATIONS {
                cancellations += 1;
                reservation = self.reserve_log().await?;
                command = ClearSel::initiate(reservation);
                continue;
            }
            if answer.completion != ERASING
                && self.read::<ClearSel>(&answer, CLEARING)? == ErasureProgress::Completed
            {
                return Ok(());
            }
            tokio::time::sleep(self.timing.poll).await;
            command = ClearSel::get_status(reservation);
        }
    }

    /// `None`: the BMC does without.
    async fn reserve_log(&self) -> Result<Option<NonZeroU16>, BmcError> {
        let answer = self.while_erasing(|| ReserveSel.into(), CLEARING).await?;
        match answer.completion {
            // A reservation of 0 is "none is needed".
            Answer::OK => Ok(ReserveSel::parse_success_response(&answer.data).ok()),
            Answer::INVALID_COMMAND => Ok(None),
            _ => Err(self.errors.refused(&answer, CLEARING)),
        }
    }

    async fn set_clock(&self, seconds: i64) -> Result<(), BmcError> {
        let offset = self.utc_offset(SETTING).await?;
        let Some(wanted) = time::from_unix(seconds, offset) else {
            return Err(self.cannot("its clock knows only the years 1987 to 2106"));
        };
        let began = Instant::now();
        if self.unless(SetSelTime(wanted), &[Answer::INVALID_COMMAND], SETTING).await?.is_none() {
            return Err(self
                .cannot("its event log's clock can't be set; it may take its time from NTP or the system"));
        }
        let found = i64::from(self.call(GetSelTime, SETTING).await?);
        let passed = i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX);
        let ahead = found - i64::from(wanted);
        if (-CLOCK_TOLERANCE..=passed.saturating_add(CLOCK_TOLERANCE)).contains(&ahead) {
            return Ok(());
        }
        Err(self.errors.not_done(SETTING, format!("a time {ahead} s off")))
    }
}

/// Reads entries.
struct Reader<'a> {
    ipmi: &'a Ipmi,
    reservation: u16,
    cancellations: u32,
    /// The size of pieces; `None`: whole entries.
    piece: Option<usize>,
}

impl Reader<'_> {
    /// An entry and the next one's id. `None`: it isn't there any more.
    async fn entry(&mut self, id: u16) -> Result<Option<(Record, u16)>, BmcError> {
        let mut pieces = Pieces::new(LENGTH, self.piece.unwrap_or(LENGTH), 1);
        let mut next = None;
        while let Some((offset, wanted)) = pieces.ask() {
            // At most 16, both.
            let (offset, length) = (offset as u8, if self.piece.is_none() { 0xFF } else { wanted as u8 });
            let reservation = self.reservation;
            let get = GetSelEntry { reservation, id, offset, length };
            let answer = self.ipmi.while_erasing(|| get.into(), READING).await?;
            match answer.completion {
                Answer::OK => {}
                NOT_PRESENT => return Ok(None),
                RESERVATION_CANCELLED if self.cancellations < MOST_CANCELLATIONS => {
                    self.cancellations += 1;
                    self.reserve().await?;
                    // What was read before may be another entry's.
                    pieces = Pieces::new(LENGTH, self.piece.unwrap_or(PIECE), 1);
                    continue;
                }
                code if is_too_long(code) && self.piece.is_none() => {
                    self.reserve().await?;
                    self.piece = Some(PIECE);
                    pieces = Pieces::new(LENGTH, PIECE, 1);
                    continue;
                }
                code if is_too_long(code) && pieces.halve() => {
                    self.piece = Some(pieces.piece());
                    continue;
                }
                _ => return Err(self.ipmi.errors.refused(&answer, READING)),
            }
            let part = self.ipmi.read::<GetSelEntry>(&answer, READING)?;
            next.get_or_insert(part.next);
            if !pieces.take(&part.bytes) {
                return Err(self.ipmi.errors.malformed(READING));
            }
            if offset == 0 && self.piece.is_none() && part.bytes.len() < LENGTH {
                // It returned less than all, and didn't say so.
                self.reserve().await?;
                self.piece = Some(PIECE);
            }
        }
        let bytes = pieces.into_bytes().try_into().map_err(|_| self.ipmi.errors.malformed(READING))?;
        let next = next.ok_or_else(|| self.ipmi.errors.malformed(READING))?;
        Ok(Some((Record::parse(&bytes), next)))
    }

    /// Reading on within an entry takes one.
    async fn reserve(&mut self) -> Result<(), BmcError> {
        self.reservation = self.ipmi.reserve_log().await?.map_or(0, NonZeroU16::get);
        Ok(())
    }
}

fn tell(record: &Record, sensors: &[bmc_proto::ipmi::sdr::Sensor], offset: i16) -> BmcEvent {
    let sel::Description { at, sensor, kind, message, asserted } = describe(record, sensors, offset);
    BmcEvent {
        id: record.id.to_string(),
        at,
        sensor,
        kind,
        message,
        asserted,
        raw: hex::encode(record.encode()),
    }
}
