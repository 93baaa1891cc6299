//! A machine's serial port, as its BMC sees it, and one that is only memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Pieces of output that a slow listener may be behind before it misses some.
const BEHIND: usize = 256;
/// Bytes that [`SerialDevice::typed`] remembers.
const REMEMBERED: usize = 64 * 1024;
/// What the device in memory says when its machine is switched on.
const BANNER: &[u8] = b"\r\nSimulated machine, all is well\r\n\r\n";
/// What it asks again and again.
const PROMPT: &[u8] = b"login: ";

/// A machine's serial port. Calls return at once.
pub trait SerialPort: Send + Sync + 'static {
    /// Hears what the machine says from now on.
    fn listen(&self) -> broadcast::Receiver<SerialOutput>;
    /// Whether there is a machine that is on at the other end.
    fn is_ready(&self) -> bool;
    /// How many bytes may be typed now.
    fn room(&self) -> usize;
    /// Types. What is beyond the room is lost.
    fn type_in(&self, bytes: &[u8]);
    /// Sends a break to the machine.
    fn send_break(&self);
}

/// What a machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SerialOutput {
    /// Characters.
    Bytes(Arc<[u8]>),
    /// A break.
    Break,
}

/// A serial port that is only memory: it greets when its machine is switched on, echoes what is typed behind a
/// `login: `, and says `[break]` to a break.
#[derive(Debug)]
pub struct SerialDevice {
    output: broadcast::Sender<SerialOutput>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    on: bool,
    room: usize,
    typed: Vec<u8>,
    breaks: u32,
    echo: bool,
}

impl SerialDevice {
    /// The port of a machine that is on, or off.
    pub fn new(on: bool) -> Self {
        let state = State { on, room: usize::MAX, typed: Vec::new(), breaks: 0, echo: true };
        Self { output: broadcast::channel(BEHIND).0, state: Mutex::new(state) }
    }

    /// The machine is switched on or off.
    pub fn set_power(&self, on: bool) {
        let was = std::mem::replace(&mut self.state().on, on);
        if on && !was {
            self.boot();
        }
    }

    /// The machine starts.
    pub(crate) fn boot(&self) {
        self.say(BANNER);
        self.say(PROMPT);
    }

    /// The machine says this, on or off.
    pub fn say(&self, bytes: &[u8]) {
        let _nobody_listens = self.output.send(SerialOutput::Bytes(bytes.into()));
    }

    /// The machine sends a break.
    pub fn say_break(&self) {
        let _nobody_listens = self.output.send(SerialOutput::Break);
    }

    /// Takes no more than so many bytes from now on.
    pub fn set_room(&self, room: usize) {
        self.state().room = room;
    }

    /// Whether it echoes.
    pub fn set_echo(&self, echo: bool) {
        self.state().echo = echo;
    }

    /// The last that was typed, 64 KiB at the most.
    pub fn typed(&self) -> Vec<u8> {
        self.state().typed.clone()
    }

    /// How many breaks it got.
    pub fn breaks(&self) -> u32 {
        self.state().breaks
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SerialPort for SerialDevice {
    fn listen(&self) -> broadcast::Receiver<SerialOutput> {
        self.output.subscribe()
    }

    fn is_ready(&self) -> bool {
        self.state().on
    }

    fn room(&self) -> usize {
        self.state().room
    }

    fn type_in(&self, bytes: &[u8]) {
        let echo = {
            let mut state = self.state();
            let taken = &bytes[..bytes.len().min(state.room)];
            // A machine that is off hears nothing.
            if !state.on {
                return;
            }
            if state.room != usize::MAX {
                state.room -= taken.len();
            }
            state.typed.extend_from_slice(taken);
            let excess = state.typed.len().saturating_sub(REMEMBERED);
            state.typed.drain(..excess);
            if state.echo { echo(taken) } else { Vec::new() }
        };
        if !echo.is_empty() {
            self.say(&echo);
        }
    }

    fn send_break(&self) {
        self.state().breaks += 1;
        self.say(b"[break]");
    }
}

fn echo(typed: &[u8]) -> Vec<u8> {
    let mut echo = Vec::with_capacity(typed.len());
    for byte in typed {
        match byte {
            b'\r' | b'\n' => {
                echo.extend_from_slice(b"\r\n");
                echo.extend_from_slice(PROMPT);
            }
            byte => echo.push(*byte),
        }
    }
    echo
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(receiver: &mut broadcast::Receiver<SerialOutput>) -> Vec<u8> {
        let mut all = vec![];
        while let Ok(SerialOutput::Bytes(bytes)) = receiver.try_recv() {
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[test]
    fn it_greets_and_echoes() {
        let device = SerialDevice::new(false);
        let mut listener = device.listen();
        device.type_in(b"lost");
        device.set_power(true);
        device.set_power(true);
        assert_eq!(said(&mut listener), [BANNER, PROMPT].concat());
        device.type_in(b"root\r");
        assert_eq!(said(&mut listener), b"root\r\nlogin: ");
        device.set_room(2);
        device.type_in(b"abc");
        assert_eq!((device.typed(), device.room()), (b"root\rab".to_vec(), 0));
    }
}
