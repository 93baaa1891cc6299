//! Serial over LAN of the simulated BMC: activation, its settings, and the way between the session and the machine's
//! serial port.
//!
//! - `settings`: the parameters and who may.
//!
//! The protocol is `bmc_proto::ipmi::sol::Port`. A BMC whose console nobody has costs a few dozen bytes; an active one
//! has a task.

mod settings;

use super::group::{Done, Group, Outbox, PayloadGroup, Request, answer, lock, refuse};
use crate::{Chassis, SerialOutput, SerialPort};
use bmc_proto::ipmi::command::payload::{
    ActivateSol, Activated, DeactivateSol, FIRST_INSTANCE, GetSolActivation, GetSolOwner, activation,
    completion,
};
use bmc_proto::ipmi::packet::payload;
use bmc_proto::ipmi::sol::{Packet, Port, PortEvent};
use bmc_proto::ipmi::{Answer, NetFn};
use settings::Settings;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

/// How often a serial port that takes nothing is looked at again.
const LOOK: Duration = Duration::from_millis(50);

/// Serial over LAN of one simulated BMC. Tests disturb it here.
pub struct Sol {
    me: Weak<Self>,
    chassis: Arc<dyn Chassis>,
    outbox: Outbox,
    state: Mutex<State>,
    /// Tells the task that there is a new time-out, or an end.
    wake: Notify,
}

#[derive(Default)]
struct State {
    settings: Settings,
    active: Option<Active>,
    faults: SolFaults,
}

/// An activated console.
struct Active {
    session: u32,
    port: Port,
    serial: Arc<dyn SerialPort>,
    born: Instant,
}

/// What goes wrong on request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SolFaults {
    /// So many of the next packets to the console are lost.
    pub lose: u32,
    /// So many of the next packets that were typed are refused as a whole.
    pub refuse: u32,
    /// No more than so many characters of a packet are taken.
    pub accept: Option<usize>,
}

impl Sol {
    pub(super) fn new(chassis: Arc<dyn Chassis>, outbox: Outbox) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            chassis,
            outbox,
            state: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// Whether somebody has the console.
    pub fn is_active(&self) -> bool {
        lock(&self.state).active.is_some()
    }

    /// Makes these things go wrong from now on.
    pub fn set_faults(&self, faults: SolFaults) {
        lock(&self.state).faults = faults;
    }

    /// Ends an active console and tells it so, as a BMC does whose settings somebody changes.
    pub fn deactivate(&self) {
        self.end(|_| true, true);
    }

    /// Loses some of what the machine says.
    pub fn overrun(&self) {
        self.turn(|active, _| active.port.lose(active.born.elapsed()));
    }

    /// Ends it where `which` says so of its session. False: there was nothing to end.
    fn end(&self, which: impl FnOnce(u32) -> bool, tell: bool) -> bool {
        let Some(mut active) = lock(&self.state).active.take_if(|active| which(active.session)) else {
            return false;
        };
        self.wake.notify_one();
        if tell {
            active.port.deactivate();
            while let Some(bytes) = active.port.poll_transmit() {
                self.outbox.send(active.session, payload::SOL, bytes);
            }
        }
        true
    }

    /// Does something with the active console and then what follows of it.
    fn turn(&self, act: impl FnOnce(&mut Active, &mut SolFaults)) {
        let mut state = lock(&self.state);
        let State { active, faults, .. } = &mut *state;
        let Some(active) = active else { return };
        act(active, faults);
        while let Some(event) = active.port.poll_event() {
            match event {
                PortEvent::Typed(bytes) => active.serial.type_in(&bytes),
                PortEvent::Break => active.serial.send_break(),
                // The port gathers meanwhile, and tells what it had no room for.
                PortEvent::Held(_) => {}
            }
        }
        let mut payloads = Vec::new();
        while let Some(bytes) = active.port.poll_transmit() {
            if faults.lose > 0 {
                faults.lose -= 1;
            } else {
                payloads.push(bytes);
            }
        }
        let session = active.session;
        drop(state);
        for bytes in payloads {
            self.outbox.send(session, payload::SOL, bytes);
        }
    }

    fn activate(&self, request: &Request<'_>) -> Done {
        let &[payload::SOL, FIRST_INSTANCE, auxiliary, _, _, _] = request.body else {
            return refuse(if request.body.len() == 6 {
                Answer::INVALID_FIELD
            } else {
                Answer::INVALID_LENGTH
            });
        };
        let protected = activation::ENCRYPTED | activation::AUTHENTICATED;
        let user = self.outbox.user(request.session);
        let mut state = lock(&self.state);
        let Some(serial) = self.chassis.serial().filter(|_| state.settings.enabled) else {
            return refuse(completion::DISABLED);
        };
        let locked_out = user.is_none_or(|user| state.settings.locks_out(user));
        if locked_out || request.privilege < state.settings.privilege {
            return refuse(Answer::INSUFFICIENT_PRIVILEGE);
        }
        // Its sessions are always both.
        if auxiliary & protected != protected {
            return refuse(completion::ONLY_ENCRYPTED);
        }
        if state.active.is_some() {
            return refuse(completion::ALREADY);
        }
        let mut port = Port::new(state.settings.port());
        port.set_available(serial.is_ready());
        let (inbound_size, outbound_size) = port.sizes();
        let output = serial.listen();
        let (session, born) = (request.session, Instant::now());
        state.active = Some(Active { session, port, serial, born });
        tokio::spawn(carry(self.me.clone(), session, born, output));
        let port = self.outbox.port();
        answer(Activated { inbound_size, outbound_size, port }.encode())
    }

    fn deactivate_by(&self, request: &Request<'_>) -> Done {
        match request.body {
            [payload::SOL, FIRST_INSTANCE, ..] if lock(&self.state).active.is_none() => {
                refuse(completion::ALREADY)
            }
            [payload::SOL, FIRST_INSTANCE, ..] => {
                // The answer tells whoever asks; ipmitool takes a packet before it for the answer (`sol looptest`).
                if !self.end(|owner| owner == request.session, false) {
                    self.end(|_| true, true);
                }
                answer([])
            }
            _ => refuse(Answer::INVALID_FIELD),
        }
    }

    fn status(&self, body: &[u8]) -> Done {
        match body {
            [payload::SOL] => answer([1, u8::from(self.is_active()), 0]),
            [_] => answer([0, 0, 0]),
            _ => refuse(Answer::INVALID_LENGTH),
        }
    }

    fn owner(&self, body: &[u8]) -> Done {
        let &[payload::SOL, FIRST_INSTANCE] = body else { return refuse(Answer::INVALID_FIELD) };
        let session = lock(&self.state).active.as_ref().map_or(0, |active| active.session);
        // Behind it, the number of the serial port and seven reserved bytes (table 24-6).
        answer([&session.to_le_bytes()[..], &[1, 0, 0, 0, 0, 0, 0, 0]].concat())
    }
}

/// Carries what the machine says, and time, until the console is another's or nobody's.
async fn carry(sol: Weak<Sol>, session: u32, born: Instant, mut output: broadcast::Receiver<SerialOutput>) {
    let mut open = true;
    loop {
        let Some(sol) = sol.upgrade() else { return };
        let timeout = {
            let state = lock(&sol.state);
            let Some(active) = &state.active else { return };
            if (active.session, active.born) != (session, born) {
                return;
            }
            let port = active.port.poll_timeout().map(|at| born + at);
            let look = active.port.is_refusing().then(|| Instant::now() + LOOK);
            port.into_iter().chain(look).min()
        };
        tokio::select! {
            () = sol.wake.notified() => {}
            () = sleep_until(timeout) => sol.turn(|active, _| {
                active.port.set_available(active.serial.is_ready());
                if active.port.is_refusing() {
                    active.port.set_room(active.serial.room());
                }
                active.port.handle_timeout(active.born.elapsed());
            }),
            said = output.recv(), if open => sol.turn(|active, _| {
                let now = active.born.elapsed();
                match said {
                    Ok(SerialOutput::Bytes(bytes)) => _ = active.port.write(&bytes, now),
                    Ok(SerialOutput::Break) => active.port.send_break(now),
                    Err(broadcast::error::RecvError::Lagged(_)) => active.port.lose(now),
                    Err(broadcast::error::RecvError::Closed) => open = false,
                }
            }),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl PayloadGroup for Sol {
    fn handle(&self, session: u32, bytes: &[u8]) {
        self.turn(|active, faults| {
            if active.session != session {
                return;
            }
            let numbered = Packet::decode(bytes).is_some_and(|packet| packet.sequence != 0);
            let mut room = active.serial.room();
            if numbered && faults.refuse > 0 {
                faults.refuse -= 1;
                room = 0;
            }
            active.port.set_available(active.serial.is_ready());
            active.port.set_room(faults.accept.map_or(room, |most| room.min(most)));
            active.port.handle(bytes, active.born.elapsed());
        });
        self.wake.notify_one();
    }

    fn session_closed(&self, session: u32) {
        self.end(|own| own == session, false);
        lock(&self.state).settings.session_closed(session);
    }
}

impl Group for Sol {
    fn execute(&self, request: &Request<'_>) -> Option<Done> {
        let command = match request.netfn {
            NetFn::App => request.command,
            NetFn::Transport => return lock(&self.state).settings.execute(request, self.outbox.port()),
            _ => return None,
        };
        match command {
            ActivateSol::COMMAND => Some(self.activate(request)),
            DeactivateSol::COMMAND => Some(self.deactivate_by(request)),
            GetSolActivation::COMMAND => Some(self.status(request.body)),
            GetSolOwner::COMMAND => Some(self.owner(request.body)),
            _ => lock(&self.state).settings.payloads(request),
        }
    }
}
