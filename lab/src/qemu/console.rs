//! A machine's serial port: QEMU connects here, everything goes into a log, and whoever watches gets it too and may
//! type. It outlives power cycles, as a serial cable does.

use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc};

use crate::layout::MachineFiles;

/// Chunks that a slow watcher may be behind before it misses some.
const BACKLOG: usize = 1024;

/// A serial cable with both its ends. Clones are the same cable.
#[derive(Clone)]
pub(crate) struct Console {
    output: broadcast::Sender<Arc<[u8]>>,
    input: mpsc::Sender<Vec<u8>>,
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
        let console = Self { output, input };
        tokio::spawn(carry_machine(serial, log, typed, console.output.clone()));
        let own = console.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = watchers.accept().await {
                own.attach(stream);
            }
        });
        Ok(console)
    }

    /// Lets somebody watch and type until they hang up.
    fn attach(&self, stream: UnixStream) {
        let mut output = self.output.subscribe();
        let input = self.input.clone();
        let (mut read, mut write) = stream.into_split();
        tokio::spawn(async move {
            let mut buffer = [0; 256];
            loop {
                tokio::select! {
                    said = output.recv() => match said {
                        Ok(bytes) => if write.write_all(&bytes).await.is_err() { return },
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                    typed = read.read(&mut buffer) => match typed {
                        Ok(0) | Err(_) => return,
                        // Typing at a machine that doesn't read is lost, as on a real line.
                        Ok(length) => _ = input.try_send(buffer[..length].to_vec()),
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
    output: broadcast::Sender<Arc<[u8]>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        while typed.try_recv().is_ok() {} // What was typed while it was off.
        carry_boot(stream, &mut log, &mut typed, &output).await;
    }
}

/// Serves one QEMU until it ends.
async fn carry_boot(
    mut stream: UnixStream,
    log: &mut File,
    typed: &mut mpsc::Receiver<Vec<u8>>,
    output: &broadcast::Sender<Arc<[u8]>>,
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
                let _nobody_watches = output.send(bytes.into());
            }
            Some(bytes) = typed.recv() => {
                if write.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
