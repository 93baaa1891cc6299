//! The span of a deed at a BMC: a part of the step that asked for it, or, as an operator's wish, a trace of its own. Looks at
//! the power, of which ten thousand machines have ten thousand a minute, have none.

use super::{
    Telemetry,
    job::{step_id, trace},
    span::{Kind, Span, SpanId, TraceId, Value},
};
use crate::{clock, store::MachineRecord, text::word};
use jiff::Timestamp;
use provisioner_lifecycle::Effect;

/// A deed that was begun.
pub(crate) struct Deed<'a> {
    telemetry: &'a Telemetry,
    record: &'a MachineRecord,
    effect: Effect,
    from: Timestamp,
}

impl<'a> Deed<'a> {
    /// It begins now.
    pub(crate) fn begin(telemetry: &'a Telemetry, record: &'a MachineRecord, effect: Effect) -> Self {
        Self { telemetry, record, effect, from: clock::now() }
    }

    /// It is over.
    pub(crate) fn end(self, failed: bool) {
        let Self { telemetry, record, effect, from } = self;
        telemetry.tell(|| span(record, effect, from, clock::now(), failed));
    }
}

fn span(record: &MachineRecord, effect: Effect, from: Timestamp, until: Timestamp, failed: bool) -> Span {
    let (name, wished) = match effect {
        Effect::Power { on: true, wish } => ("bmc power-on", wish.is_some()),
        Effect::Power { on: false, wish } => ("bmc power-off", wish.is_some()),
        Effect::ShutDown => ("bmc shut-down", false),
        Effect::BootNetwork => ("bmc boot-network", false),
        Effect::BootDisk => ("bmc boot-disk", false),
    };
    let job = record.machine.running_job().filter(|_| !wished);
    let of = job.and_then(|job| Some((trace(job), step_id(job, job.current()?))));
    let mut attributes: Vec<(_, Value)> = vec![
        ("billet.machine.id", record.id().to_string().into()),
        ("billet.machine.name", record.name.clone().into()),
    ];
    if let Some(bmc) = &record.spec.bmc {
        attributes.push(("billet.bmc.protocol", word(&bmc.protocol).into()));
    }
    Span {
        trace: of.map_or_else(TraceId::random, |(trace, _)| trace),
        id: SpanId::random(),
        parent: of.map(|(_, step)| step),
        name: name.into(),
        kind: Kind::Client,
        from,
        until: until.max(from),
        attributes,
        failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use provisioner_api::{JobKind, StepPhase};
    use provisioner_lifecycle::StepName;

    #[test]
    fn a_deed_is_a_part_of_the_step_that_asks_for_it_and_a_wish_is_not() {
        let mut record = samples::machine(1);
        let step = samples::step(StepName::PowerOn, 1, StepPhase::Intent);
        record.machine.job = Some(samples::job(7, JobKind::Deploy, vec![step.clone()]));
        let job = record.machine.job.clone().unwrap();
        let of_step =
            |wish| span(&record, Effect::Power { on: true, wish }, samples::NOW, samples::NOW, true);
        let deed = of_step(None);
        assert_eq!((deed.trace, deed.parent), (trace(&job), Some(step_id(&job, &step))));
        assert!(deed.failed && deed.name == "bmc power-on" && deed.kind == Kind::Client);
        let wished = of_step(Some(3));
        assert!(wished.trace != deed.trace && wished.parent.is_none());
    }
}
