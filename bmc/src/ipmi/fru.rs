//! Parts: the unit that every BMC has, number 0, and those that its records name.

use super::Ipmi;
use crate::capability::{Fru, FruArea, FruField, Inventory};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::fru::{self, Area, AreaKind, FruInfo, GetFruInfo, HEADER, ReadFru};
use bmc_proto::ipmi::pieces::{Pieces, is_too_long};
use bmc_proto::ipmi::sdr::{BMC, FruLocator};
use bmc_proto::ipmi::{Answer, IpmiCommand, completion_text};
use std::collections::BTreeSet;
use std::time::Duration;

const READING: &str = "reading its inventory of parts";
/// For all units together.
const LIMIT: Duration = Duration::from_secs(120);
/// The piece that is tried first; many BMCs can't return more.
const PIECE: usize = 32;
/// What the first unit is called where no record names it, as ipmitool calls it.
const BUILTIN: &str = "Builtin FRU Device";

#[async_trait]
impl Inventory for Ipmi {
    async fn units(&self) -> Result<Vec<Fru>, BmcError> {
        self.bounded(LIMIT, READING, self.read_units()).await
    }
}

impl Ipmi {
    async fn read_units(&self) -> Result<Vec<Fru>, BmcError> {
        let answer = self.answer(GetFruInfo(0).into(), READING).await?;
        if answer.completion == Answer::INVALID_COMMAND {
            return Err(self.cannot("it has no inventory of parts (FRU)"));
        }
        // Without records only the first unit is known.
        let records = match self.records(READING).await {
            Ok(records) => Some(records),
            Err(BmcError::Unsupported { .. } | BmcError::Refused { .. } | BmcError::Protocol { .. }) => None,
            Err(error) => return Err(error),
        };
        let located = records.as_ref().map_or(&[][..], |records| &records.units);
        let mut units = Vec::new();
        for (id, name) in names(located) {
            units.push(self.read_unit(id, name).await?);
        }
        Ok(units)
    }

    async fn read_unit(&self, id: u8, name: String) -> Result<Fru, BmcError> {
        let mut unit = Fru { id, name, ..Fru::default() };
        let answer = self.answer(GetFruInfo(id).into(), READING).await?;
        let info = match answer.completion {
            Answer::OK => GetFruInfo::parse_success_response(&answer.data).ok(),
            Answer::INSUFFICIENT_PRIVILEGE => return Err(self.errors.refused(&answer, READING)),
            code => {
                unit.problems.push(format!("it can't be read: {}", completion_text(code)));
                return Ok(unit);
            }
        };
        let Some(info) = info.filter(|info| usize::from(info.size) >= HEADER) else {
            unit.problems.push("it has no data".into());
            return Ok(unit);
        };
        let mut reader = Reader { ipmi: self, id, info, piece: PIECE };
        let header = match reader.read(0, HEADER, |_| None).await? {
            Ok(header) => header,
            Err(problem) => {
                unit.problems.push(problem);
                return Ok(unit);
            }
        };
        for (kind, offset) in fru::areas(&header, &mut unit.problems) {
            if let Some(area) = reader.area(kind, offset, &mut unit.problems).await? {
                unit.areas.push(tell(area));
            }
        }
        Ok(unit)
    }
}

/// The units to read: number 0 first, then the logical ones that the BMC itself keeps, in the order of their records.
fn names(located: &[FruLocator]) -> Vec<(u8, String)> {
    let mine = |unit: &&FruLocator| unit.logical && unit.address == BMC && unit.lun == 0 && unit.channel == 0;
    let mut seen = BTreeSet::from([0]);
    let builtin = located.iter().filter(mine).find(|unit| unit.id == 0 && !unit.name.is_empty());
    let mut units = vec![(0, builtin.map_or_else(|| BUILTIN.to_owned(), |unit| unit.name.clone()))];
    units.extend(located.iter().filter(mine).filter(|unit| seen.insert(unit.id)).map(|unit| {
        let name = if unit.name.is_empty() { format!("FRU {}", unit.id) } else { unit.name.clone() };
        (unit.id, name)
    }));
    units
}

/// Reads one unit.
struct Reader<'a> {
    ipmi: &'a Ipmi,
    id: u8,
    info: FruInfo,
    /// The size of pieces that the BMC can return, as far as is known.
    piece: usize,
}

impl Reader<'_> {
    async fn area(
        &mut self,
        kind: AreaKind,
        offset: usize,
        problems: &mut Vec<String>,
    ) -> Result<Option<Area>, BmcError> {
        if offset + HEADER > usize::from(self.info.size) {
            problems.push(fru::missing(kind));
            return Ok(None);
        }
        match self.read(offset, HEADER, fru::area_length).await? {
            Ok(bytes) if fru::area_length(&bytes).is_some() => {
                Ok(Some(fru::parse_area(kind, &bytes, problems)))
            }
            Ok(_) => {
                problems.push(fru::missing(kind));
                Ok(None)
            }
            Err(problem) => {
                problems.push(format!("the {} area: {problem}", kind.name()));
                Ok(None)
            }
        }
    }

    /// Reads from here on, at first so much; `longer` tells from the first bytes how long it is. What there is when the
    /// BMC has no more; or what was wrong, in words.
    async fn read(
        &mut self,
        start: usize,
        length: usize,
        longer: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Result<Vec<u8>, String>, BmcError> {
        let unit = if self.info.words { 2 } else { 1 };
        let room = usize::from(self.info.size).saturating_sub(start);
        let mut pieces = Pieces::new(length.min(room), self.piece, unit);
        while let Some((offset, wanted)) = pieces.ask() {
            // Offsets are within the unit's 16-bit size; pieces are small.
            let offset = ((start + offset) / unit) as u16;
            let read = ReadFru { id: self.id, offset, count: (wanted / unit) as u8 };
            let answer = self.ipmi.answer(read.into(), READING).await?;
            match answer.completion {
                Answer::OK => {}
                Answer::INSUFFICIENT_PRIVILEGE => return Err(self.ipmi.errors.refused(&answer, READING)),
                code if is_too_long(code) && pieces.halve() => {
                    self.piece = pieces.piece();
                    continue;
                }
                // What is behind its end is left out.
                _ if !pieces.bytes().is_empty() => break,
                code => return Ok(Err(format!("it can't be read: {}", completion_text(code)))),
            }
            let came = ReadFru::parse_success_response(&answer.data).unwrap_or_default();
            if !pieces.take(&came) {
                break;
            }
            if pieces.bytes().len() >= 2
                && let Some(total) = longer(pieces.bytes())
            {
                pieces.set_total(total.min(room));
            }
        }
        Ok(Ok(pieces.into_bytes()))
    }
}

fn tell(area: Area) -> FruArea {
    let fields = area.fields.into_iter().map(|field| FruField { name: field.name, value: field.value });
    FruArea { kind: area.kind.name(), fields: fields.collect() }
}
