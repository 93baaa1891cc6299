//! The BMC's sensor data records: read when somebody first wants to know of sensors, events or parts, kept while the
//! repository says that it didn't change, and read again when it did.

use super::Ipmi;
use crate::driver::BmcError;
use bmc_proto::ipmi::chain::{Chain, FIRST};
use bmc_proto::ipmi::pieces::{Pieces, is_too_long};
use bmc_proto::ipmi::sdr::{
    FruLocator, GetDeviceSdrInfo, GetRepositoryInfo, GetSdr, HEADER, LONGEST, Record, ReserveSdr, Sensor,
    Source, length,
};
use bmc_proto::ipmi::{Answer, IpmiCommand};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How many records and bytes are read at the most: more than any machine has, little enough for ours.
const MOST_RECORDS: usize = 8192;
const MOST_BYTES: usize = 1 << 20;
/// One record may stand for fifteen sensors; a BMC has four units of 255.
const MOST_SENSORS: usize = 4096;
/// The piece that is tried first where a BMC can't return whole records.
const PIECE: usize = 32;
/// How often a reservation may be cancelled while the records are read.
const MOST_CANCELLATIONS: u32 = 16;
/// How long records are kept of a BMC that doesn't tell of changes.
const BLIND_TRUST: Duration = Duration::from_secs(600);
/// The record is gone: somebody erased it while we read.
const NOT_PRESENT: u8 = 0xCB;
const RESERVATION_CANCELLED: u8 = 0xC5;

/// The records that were read last. Empty costs next to nothing.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<Box<Kept>>>);

struct Kept {
    stamp: Stamp,
    read_at: Instant,
    records: Arc<Records>,
}

/// Those records that are of use.
#[derive(Default)]
pub(super) struct Records {
    pub(super) sensors: Vec<Sensor>,
    pub(super) units: Vec<FruLocator>,
}

/// What tells whether the records changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    Repository { records: u16, added: u32, erased: u32 },
    Device { sensors: u8, changed: Option<u32> },
}

impl Stamp {
    fn source(self) -> Source {
        match self {
            Self::Repository { .. } => Source::Repository,
            Self::Device { .. } => Source::Device,
        }
    }

    /// Whether it would change with the records: some BMCs always say 0, or "unspecified".
    fn tells(self) -> bool {
        match self {
            Self::Repository { added, .. } => !matches!(added, 0 | 0xFFFF_FFFF),
            Self::Device { changed, .. } => changed.is_some(),
        }
    }
}

/// An attempt to read a record.
enum Attempt {
    /// Its bytes, and the next record's id.
    Read(Vec<u8>, u16),
    /// The reservation was cancelled.
    Cancelled,
    /// The record is not there any more.
    Gone,
}

impl Ipmi {
    /// The records. Callers at the same time read them once.
    pub(super) async fn records(&self, during: &'static str) -> Result<Arc<Records>, BmcError> {
        let mut kept = self.records.0.lock().await;
        let stamp = self.stamp(during).await?;
        if let Some(kept) = kept.as_ref()
            && kept.stamp == stamp
            && (stamp.tells() || kept.read_at.elapsed() < BLIND_TRUST)
        {
            return Ok(Arc::clone(&kept.records));
        }
        let records = match stamp {
            Stamp::Repository { records: 0, .. } | Stamp::Device { sensors: 0, .. } => Arc::default(),
            _ => Arc::new(Reader::new(self, stamp.source(), during).all().await?),
        };
        *kept = Some(Box::new(Kept { stamp, read_at: Instant::now(), records: Arc::clone(&records) }));
        Ok(records)
    }

    /// Where the records are: in a repository, or in the device, where there is none or an empty one.
    async fn stamp(&self, during: &'static str) -> Result<Stamp, BmcError> {
        let repository = self.optional(GetRepositoryInfo, during).await?.map(|info| Stamp::Repository {
            records: info.records,
            added: info.added,
            erased: info.erased,
        });
        if let Some(stamp @ Stamp::Repository { records: 1.., .. }) = repository {
            return Ok(stamp);
        }
        let device = self.optional(GetDeviceSdrInfo, during).await?;
        let device = device.map(|info| Stamp::Device { sensors: info.sensors, changed: info.changed });
        device.or(repository).ok_or_else(|| {
            self.cannot("it has no sensor data records, so that nothing is known of its sensors")
        })
    }
}

/// Reads all records, one after the other.
struct Reader<'a> {
    ipmi: &'a Ipmi,
    source: Source,
    during: &'static str,
    /// 0: none is needed, or the BMC knows none.
    reservation: u16,
    cancellations: u32,
    /// The size of pieces; `None`: whole records.
    piece: Option<usize>,
}

impl<'a> Reader<'a> {
    fn new(ipmi: &'a Ipmi, source: Source, during: &'static str) -> Self {
        Self { ipmi, source, during, reservation: 0, cancellations: 0, piece: None }
    }

    async fn all(mut self) -> Result<Records, BmcError> {
        let mut records = Records::default();
        let mut chain = Chain::new(MOST_RECORDS);
        let mut next = Some(FIRST);
        let mut total = 0;
        while let Some(id) = next {
            let Some((bytes, following)) = self.record(id).await? else { break };
            total += bytes.len();
            if total > MOST_BYTES {
                return Err(
                    self.broken(format!("its sensor data records are longer than {MOST_BYTES} bytes"))
                );
            }
            if records.sensors.len() > MOST_SENSORS {
                return Err(
                    self.broken(format!("its sensor data records tell of more than {MOST_SENSORS} sensors"))
                );
            }
            match Record::parse(&bytes) {
                Some(Record::Sensor(sensor)) => records.sensors.extend(sensor.expand()),
                Some(Record::Fru(locator)) => records.units.push(locator),
                Some(Record::Controller(_) | Record::Other { .. }) => {}
                None => {
                    tracing::debug!(address = %self.ipmi.errors.address, id, "a sensor data record is too short")
                }
            }
            next = chain.follow(following).map_err(|error| self.broken(error.to_string()))?;
        }
        Ok(records)
    }

    fn broken(&self, what: String) -> BmcError {
        self.ipmi.errors.protocol(self.during, what)
    }

    /// A record and the next one's id. `None`: it isn't there any more.
    async fn record(&mut self, id: u16) -> Result<Option<(Vec<u8>, u16)>, BmcError> {
        loop {
            match self.attempt(id).await? {
                Attempt::Read(bytes, next) => return Ok(Some((bytes, next))),
                Attempt::Gone => return Ok(None),
                Attempt::Cancelled if self.cancellations == MOST_CANCELLATIONS => {
                    return Err(self.broken(format!(
                        "it cancelled {MOST_CANCELLATIONS} reservations; somebody else changes its records, or reads \
                         them too"
                    )));
                }
                Attempt::Cancelled => {
                    self.cancellations += 1;
                    self.reserve().await?;
                }
            }
        }
    }

    async fn reserve(&mut self) -> Result<(), BmcError> {
        self.reservation = self.ipmi.optional(ReserveSdr(self.source), self.during).await?.unwrap_or(0);
        Ok(())
    }

    async fn attempt(&mut self, id: u16) -> Result<Attempt, BmcError> {
        let Some(piece) = self.piece else { return self.attempt_whole(id).await };
        if self.reservation == 0 {
            self.reserve().await?;
        }
        let mut pieces = Pieces::new(HEADER, piece.max(HEADER), 1);
        let mut next = None;
        while let Some((offset, wanted)) = pieces.ask() {
            // 255 bytes behind the header are at most 260; nothing of use is that far behind.
            let (Ok(offset), Ok(wanted)) = (u8::try_from(offset), u8::try_from(wanted)) else { break };
            let answer = self.get(id, offset, wanted).await?;
            match answer.completion {
                Answer::OK => {}
                RESERVATION_CANCELLED => return Ok(Attempt::Cancelled),
                NOT_PRESENT if offset == 0 => return Ok(Attempt::Gone),
                code if is_too_long(code) && pieces.halve() => {
                    self.piece = Some(pieces.piece());
                    continue;
                }
                _ => return Err(self.ipmi.errors.refused(&answer, self.during)),
            }
            let part = self.part(&answer)?;
            next.get_or_insert(part.1);
            if !pieces.take(&part.0) {
                break;
            }
            if let Some(length) = length(pieces.bytes()) {
                pieces.set_total(length);
            }
        }
        let next = next.ok_or_else(|| self.ipmi.errors.malformed(self.during))?;
        Ok(Attempt::Read(pieces.into_bytes(), next))
    }

    /// All of a record at once, as most BMCs can; from the first that can't on, pieces.
    async fn attempt_whole(&mut self, id: u16) -> Result<Attempt, BmcError> {
        let answer = self.get(id, 0, 0xFF).await?;
        match answer.completion {
            Answer::OK => {}
            RESERVATION_CANCELLED => return Ok(Attempt::Cancelled),
            NOT_PRESENT => return Ok(Attempt::Gone),
            code if is_too_long(code) => {
                self.piece = Some(PIECE);
                return Box::pin(self.attempt(id)).await;
            }
            _ => return Err(self.ipmi.errors.refused(&answer, self.during)),
        }
        let (mut bytes, next) = self.part(&answer)?;
        if length(&bytes).is_some_and(|length| length <= bytes.len()) {
            bytes.truncate(LONGEST);
            return Ok(Attempt::Read(bytes, next));
        }
        // It returned less than all, and didn't say so.
        self.piece = Some(PIECE);
        Box::pin(self.attempt(id)).await
    }

    async fn get(&self, id: u16, offset: u8, length: u8) -> Result<Answer, BmcError> {
        let get = GetSdr { source: self.source, reservation: self.reservation, id, offset, length };
        self.ipmi.answer(get.into(), self.during).await
    }

    fn part(&self, answer: &Answer) -> Result<(Vec<u8>, u16), BmcError> {
        let part = GetSdr::parse_success_response(&answer.data);
        part.map(|part| (part.bytes, part.next)).map_err(|_| self.ipmi.errors.malformed(self.during))
    }
}
