//! The end of a machine's serial cable that its BMC holds.

use bmc_mock::{SerialOutput, SerialPort};
use serde_json::json;
use std::sync::{Mutex, PoisonError, Weak};
use tokio::sync::broadcast;

use super::Console;
use super::qmp::Qmp;

/// A machine's serial port, with the monitor of the QEMU that runs, for what is no character.
pub(super) struct Serial {
    console: Console,
    monitor: Mutex<Weak<Qmp>>,
}

impl Serial {
    pub(super) fn new(console: Console) -> Self {
        Self { console, monitor: Mutex::default() }
    }

    /// From now on the machine is this QEMU.
    pub(super) fn connect(&self, monitor: Weak<Qmp>) {
        *self.monitor.lock().unwrap_or_else(PoisonError::into_inner) = monitor;
    }
}

impl SerialPort for Serial {
    fn listen(&self) -> broadcast::Receiver<SerialOutput> {
        self.console.listen()
    }

    fn is_ready(&self) -> bool {
        self.console.is_connected()
    }

    fn room(&self) -> usize {
        self.console.room()
    }

    fn type_in(&self, bytes: &[u8]) {
        self.console.type_in(bytes);
    }

    fn send_break(&self) {
        let Some(qmp) = self.monitor.lock().unwrap_or_else(PoisonError::into_inner).upgrade() else { return };
        tokio::spawn(async move {
            // The name of the character device, see `command`.
            if let Err(error) = qmp.execute("chardev-send-break", json!({ "id": "serial" })).await {
                tracing::warn!(error = format!("{error:#}"), "a break was not sent");
            }
        });
    }
}
