//! A machine's serial port: QEMU connects here, everything goes into a log, and whoever watches (`billet-lab console`,
//! the machine's BMC) gets it too and may type. It outlives power cycles, as a serial cable does.

use anyhow::Context;
use bmc_mock::SerialOutput;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc};

use crate::layout::MachineFiles;

/// Chunks that a slow watcher may be behind before it misses some.
const BACKLOG: usize = 1024;
/// What is typed at once at the most.
const PIECE: usize = 256;

/// A serial cable with both its ends. Clones are the same cable.
#[derive(Clone)]
pub(crate) struct Console {
    output: broadcast::Sender<SerialOutput>,
    input: mpsc::Sender<Vec<u8>>,
    /// Whether a QEMU is at the other end.
    connected: Arc<AtomicBool>,
}

impl Console {
    /// Opens the log and both sockets, and starts carrying.
    pub(crate) fn open(files: &MachineFiles) -> anyhow::Result<Self> {
        let serial = listen(&files.serial())?;
        let watchers = listen(&files.console())?;
        let log = files.console_log();
        let log = File::create(&log).with_context(|| format!("can't write the log {}", log.display()))?;
        let (output, _) = broadcast::channel(BACKLOG);
        let (input, typed) = mpsc::channel(64);
        let console = Self { output, input, connected: Arc::default() };
        tokio::spawn(carry_machine(serial, log, typed, console.output.clone(), console.connected.clone()));
        let own = console.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = watchers.accept().await {
                own.attach(stream);
            }
        });
        Ok(console)
    }

    /// Hears what the machine says from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<SerialOutput> {
        self.output.subscribe()
    }

    /// Whether a machine that is on is at the other end.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// How many bytes may be typed now.
    pub(super) fn room(&self) -> usize {
        if self.input.capacity() > 0 { PIECE } else { 0 }
    }

    /// Types. Without room it is lost, as on a real line.
    pub(super) fn type_in(&self, bytes: &[u8]) {
        _ = self.input.try_send(bytes.to_vec());
    }

    /// Lets somebody watch and type until they hang up.
    fn attach(&self, stream: UnixStream) {
        let mut output = self.output.subscribe();
        let console = self.clone();
        let (mut read, mut write) = stream.into_split();
        tokio::spawn(async move {
            let mut buffer = [0; 256];
            loop {
                tokio::select! {
                    said = output.recv() => match said {
                        Ok(SerialOutput::Bytes(bytes)) => if write.write_all(&bytes).await.is_err() { return },
                        Ok(SerialOutput::Break) => {}
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                    typed = read.read(&mut buffer) => match typed {
                        Ok(0) | Err(_) => return,
                        Ok(length) => console.type_in(&buffer[..length]),
                    },
                }
            }
        });
    }
}

fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    UnixListener::bind(path).with_context(|| format!("can't listen on {}", path.display()))
}

/// Serves one QEMU after the other.
async fn carry_machine(
    listener: UnixListener,
    mut log: File,
    mut typed: mpsc::Receiver<Vec<u8>>,
    output: broadcast::Sender<SerialOutput>,
    connected: Arc<AtomicBool>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        while typed.try_recv().is_ok() {} // What was typed while it was off.
        connected.store(true, Ordering::Relaxed);
        carry_boot(stream, &mut log, &mut typed, &output).await;
        connected.store(false, Ordering::Relaxed);
    }
}

/// Serves one QEMU until it ends.
async fn carry_boot(
    mut stream: UnixStream,
    log: &mut File,
    typed: &mut mpsc::Receiver<Vec<u8>>,
    output: &broadcast::Sender<SerialOutput>,
) {
    let (mut read, mut write) = stream.split();
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            said = read.read(&mut buffer) => {
                let Ok(length @ 1..) = said else { return };
                let bytes = &buffer[..length];
                // Into the page cache, which doesn't block for long.
                if let Err(error) = log.write_all(bytes) {
                    tracing::warn!(%error, "a piece of a console log was lost");
                }
                let _nobody_watches = output.send(SerialOutput::Bytes(bytes.into()));
            }
            Some(bytes) = typed.recv() => {
                if write.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
