//! The simulated BMC's DCMI: power meter, asset tag, the BMC's name.

use super::group::{Done, Request, answer, lock, refuse};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::dcmi::{
    CHUNK, Capabilities, GROUP, GetCapabilities, GetPowerReading, MAX_ASSET_TAG, MAX_NAME, PowerReading, Text,
};
use std::sync::Mutex;

/// What the machine draws, in watts, while it is on and while it is off.
const WATTS: (u16, u16) = (180, 12);

/// The state behind DCMI.
pub(super) struct Dcmi(Mutex<State>);

struct State {
    has: DcmiParts,
    watts: (u16, u16),
    /// Least, most, sum and number of the readings up to now.
    statistics: Option<(u16, u16, u64, u64)>,
    tag: Box<[u8]>,
    name: Box<[u8]>,
}

/// What a simulated BMC has of DCMI. With neither it does not know DCMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DcmiParts {
    /// A power meter.
    pub meter: bool,
    /// Texts: asset tag and name.
    pub texts: bool,
}

impl Dcmi {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            has: DcmiParts { meter: true, texts: true },
            watts: WATTS,
            statistics: None,
            tag: Box::default(),
            name: Box::from(*b"BMC"),
        }))
    }

    pub(super) fn set_parts(&self, has: DcmiParts) {
        lock(&self.0).has = has;
    }

    pub(super) fn set_watts(&self, on: u16, off: u16) {
        lock(&self.0).watts = (on, off);
    }

    pub(super) fn asset_tag(&self) -> Vec<u8> {
        lock(&self.0).tag.to_vec()
    }

    /// Commands of the group extension network function.
    pub(super) fn execute(&self, request: &Request<'_>) -> Done {
        let Some((&GROUP, body)) = request.body.split_first() else { return refuse(Answer::INVALID_COMMAND) };
        let mut state = lock(&self.0);
        let [tag, name] = [Text::AssetTag, Text::ControllerName];
        let (meter, texts) = (state.has.meter, state.has.texts);
        match request.command {
            _ if !meter && !texts => refuse(Answer::INVALID_COMMAND),
            GetCapabilities::COMMAND => capabilities(body, meter),
            GetPowerReading::COMMAND if meter => state.read_meter(body, request),
            command if texts && command == tag.get_command() => piece(&state.tag, body),
            command if texts && command == name.get_command() => piece(&state.name, body),
            command if !texts || command != tag.set_command() && command != name.set_command() => {
                refuse(Answer::INVALID_COMMAND)
            }
            command if command == tag.set_command() => write(&mut state.tag, body, MAX_ASSET_TAG),
            // The zero at the end is written with it.
            _ => write(&mut state.name, body, MAX_NAME + 1),
        }
    }
}

impl State {
    fn read_meter(&mut self, body: &[u8], request: &Request<'_>) -> Done {
        match *body {
            [GetPowerReading::SYSTEM, _, _] => {}
            // Enhanced statistics are not here.
            [_, _, _] => return refuse(Answer::INVALID_FIELD),
            _ => return refuse(Answer::INVALID_LENGTH),
        }
        let now = if request.power { self.watts.0 } else { self.watts.1 };
        let (least, most, sum, count) = self.statistics.unwrap_or((now, now, 0, 0));
        let (least, most) = (least.min(now), most.max(now));
        let (sum, count) = (sum.saturating_add(now.into()), count.saturating_add(1));
        self.statistics = Some((least, most, sum, count));
        let reading = PowerReading {
            now,
            minimum: least,
            maximum: most,
            average: u16::try_from(sum / count).unwrap_or(now),
            at: request.unix,
            period: request.now,
            active: true,
        };
        answer(reading.encode())
    }
}

fn capabilities(body: &[u8], meter: bool) -> Done {
    match *body {
        [GetCapabilities::SUPPORTED] => answer(Capabilities { version: (1, 5), power: meter }.encode()),
        [_] => refuse(Answer::OUT_OF_RANGE),
        _ => refuse(Answer::INVALID_LENGTH),
    }
}

fn piece(text: &[u8], body: &[u8]) -> Done {
    let &[offset, count] = body else { return refuse(Answer::INVALID_LENGTH) };
    if count > CHUNK {
        return refuse(Answer::OUT_OF_RANGE);
    }
    let total = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let Some(rest) = text.get(usize::from(offset)..) else { return refuse(Answer::OUT_OF_RANGE) };
    let piece = &rest[..rest.len().min(usize::from(count))];
    answer([&[GROUP, total][..], piece].concat())
}

/// Writes a piece; the text ends with it (6.4.3).
fn write(text: &mut Box<[u8]>, body: &[u8], most: usize) -> Done {
    let Some((&[offset, count], piece)) = body.split_first_chunk() else {
        return refuse(Answer::INVALID_LENGTH);
    };
    if usize::from(count) != piece.len() {
        return refuse(Answer::INVALID_LENGTH);
    }
    let Some(before) = text.get(..usize::from(offset)) else { return refuse(Answer::OUT_OF_RANGE) };
    let whole = [before, piece].concat();
    if count > CHUNK || whole.len() > most {
        return refuse(Answer::OUT_OF_RANGE);
    }
    *text = whole.into();
    answer([GROUP, u8::try_from(text.len()).unwrap_or(u8::MAX)])
}
