//! The simulated BMC's inventory of field replaceable units (section 34): read, and written.

use super::group::{Done, Request, answer, lock, refuse};
use bmc_proto::ipmi::fru::{BoardArea, ChassisArea, Contents, GetFruInfo, ProductArea, ReadFru, WRITE};
use bmc_proto::ipmi::{Answer, NetFn};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

const OUT_OF_RANGE: u8 = 0xC9;
const TOO_MANY_BYTES: u8 = 0xCA;
const NOT_PRESENT: u8 = 0xCB;
/// The size of a unit's memory: that of a usual EEPROM.
const SIZE: usize = 512;

/// The data of all units, by their numbers; many BMCs share them until one writes.
pub type Units = BTreeMap<u8, Vec<u8>>;

/// The inventory of one BMC.
pub struct FruData(Mutex<State>);

/// What an inventory does other than most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FruQuirks {
    /// No more bytes than these at once; more are refused.
    pub at_once: Option<u8>,
    /// It is read by words: offsets and counts are in words.
    pub words: bool,
}

struct State {
    units: Arc<Units>,
    quirks: FruQuirks,
}

/// A server and one of its power supplies; the same for everybody.
pub(super) fn server() -> Arc<Units> {
    static SERVER: LazyLock<Arc<Units>> = LazyLock::new(|| {
        let server = Contents {
            chassis: Some(ChassisArea {
                kind: 0x17,
                part_number: "BLT-CH-1".into(),
                serial: "CH0000001".into(),
                extra: Vec::new(),
            }),
            board: Some(BoardArea {
                made: 14_200_000,
                manufacturer: "Billet".into(),
                name: "Simulated Board".into(),
                serial: "BD0000001".into(),
                part_number: "BLT-BD-1".into(),
                extra: Vec::new(),
            }),
            product: Some(ProductArea {
                manufacturer: "Billet".into(),
                name: "Simulated Server".into(),
                part_number: "BLT-1".into(),
                version: "1.0".into(),
                serial: "SN0000001".into(),
                asset_tag: "none yet".into(),
                extra: Vec::new(),
            }),
        };
        let supply = Contents {
            product: Some(ProductArea {
                manufacturer: "Billet".into(),
                name: "Simulated PSU 800 W".into(),
                part_number: "BLT-PS-1".into(),
                serial: "PS0000001".into(),
                ..ProductArea::default()
            }),
            ..Contents::default()
        };
        Arc::new(BTreeMap::from([(0, server.encode()), (1, supply.encode())]))
    });
    Arc::clone(&SERVER)
}

impl FruData {
    pub(super) fn new(units: Arc<Units>) -> Self {
        Self(Mutex::new(State { units, quirks: FruQuirks::default() }))
    }

    /// Replaces a unit's data. `None`: it is gone.
    pub fn set(&self, id: u8, data: Option<Vec<u8>>) {
        let mut state = lock(&self.0);
        let units = Arc::make_mut(&mut state.units);
        match data {
            Some(data) => units.insert(id, data),
            None => units.remove(&id),
        };
    }

    /// A unit's data.
    pub fn get(&self, id: u8) -> Option<Vec<u8>> {
        lock(&self.0).units.get(&id).cloned()
    }

    /// Behaves so from now on.
    pub fn set_quirks(&self, quirks: FruQuirks) {
        lock(&self.0).quirks = quirks;
    }

    pub(super) fn execute(&self, request: &Request<'_>) -> Option<Done> {
        if request.netfn != NetFn::Storage {
            return None;
        }
        let mut state = lock(&self.0);
        Some(match request.command {
            GetFruInfo::COMMAND => state.info(request.body),
            ReadFru::COMMAND => state.read(request.body),
            WRITE => state.write(request.body),
            _ => return None,
        })
    }
}

impl State {
    fn unit(&self) -> usize {
        if self.quirks.words { 2 } else { 1 }
    }

    fn info(&self, body: &[u8]) -> Done {
        let &[id] = body else { return refuse(Answer::INVALID_LENGTH) };
        let Some(data) = self.units.get(&id) else { return refuse(NOT_PRESENT) };
        let size = u16::try_from(data.len().max(SIZE)).unwrap_or(u16::MAX);
        let [low, high] = size.to_le_bytes();
        answer([low, high, u8::from(self.quirks.words)])
    }

    fn read(&self, body: &[u8]) -> Done {
        let &[id, low, high, count] = body else { return refuse(Answer::INVALID_LENGTH) };
        let Some(data) = self.units.get(&id) else { return refuse(NOT_PRESENT) };
        let offset = usize::from(u16::from_le_bytes([low, high])) * self.unit();
        let wanted = usize::from(count) * self.unit();
        let size = data.len().max(SIZE);
        if offset >= size || count == 0 {
            return refuse(OUT_OF_RANGE);
        }
        if self.quirks.at_once.is_some_and(|most| wanted > usize::from(most)) {
            return refuse(TOO_MANY_BYTES);
        }
        let wanted = wanted.min(size - offset);
        // What nobody wrote is all ones.
        let bytes = (offset..offset + wanted).map(|at| data.get(at).copied().unwrap_or(0xFF));
        let count = u8::try_from(wanted / self.unit()).unwrap_or(u8::MAX);
        answer([count].into_iter().chain(bytes).collect::<Vec<u8>>())
    }

    fn write(&mut self, body: &[u8]) -> Done {
        let &[id, low, high, ref written @ ..] = body else { return refuse(Answer::INVALID_LENGTH) };
        let offset = usize::from(u16::from_le_bytes([low, high])) * self.unit();
        let unit = self.unit();
        let Some(data) = Arc::make_mut(&mut self.units).get_mut(&id) else { return refuse(NOT_PRESENT) };
        if offset + written.len() > data.len().max(SIZE) {
            return refuse(OUT_OF_RANGE);
        }
        if data.len() < offset + written.len() {
            data.resize(offset + written.len(), 0xFF);
        }
        data[offset..offset + written.len()].copy_from_slice(written);
        answer([u8::try_from(written.len() / unit).unwrap_or(u8::MAX)])
    }
}
