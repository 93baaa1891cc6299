//! A machine's serial port as a TCP port, which is how `ipmi_sim` takes one.

use bmc_mock::{SerialOutput, SerialPort};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a port that takes nothing is looked at again.
const LOOK: Duration = Duration::from_millis(20);

/// Offers it on the loopback interface until told to stop, to one after the other. Gives where.
pub(super) async fn offer(
    serial: Arc<dyn SerialPort>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tasks.spawn(stop.run_until_cancelled_owned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Err(error) = carry(&*serial, stream).await {
                tracing::debug!(%error, "a serial line was cut");
            }
        }
    }));
    Ok(address)
}

/// Carries both ways until the other side hangs up.
async fn carry(serial: &dyn SerialPort, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut write) = stream.split();
    // Before anything is typed, or its echo would be missed.
    let mut output = serial.listen();
    let said = async {
        loop {
            match output.recv().await {
                Ok(SerialOutput::Bytes(bytes)) => write.write_all(&bytes).await?,
                // TCP has no break, and what was missed is missed.
                Ok(SerialOutput::Break) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    };
    let typed = async {
        let mut buffer = [0; 256];
        loop {
            while serial.is_ready() && serial.room() < buffer.len() {
                tokio::time::sleep(LOOK).await;
            }
            let length = read.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            if serial.is_ready() {
                serial.type_in(&buffer[..length]);
            }
        }
    };
    tokio::select! {
        ended = said => ended,
        ended = typed => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bmc_mock::{Chassis, MemoryChassis};

    #[tokio::test]
    async fn both_ways_and_one_after_the_other() {
        let chassis = MemoryChassis::new();
        chassis.set_power(true).await.unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let address = offer(chassis.serial().unwrap(), &tasks, stop.clone()).await.unwrap();
        for name in ["root", "guest"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("{name}\r").as_bytes()).await.unwrap();
            let mut heard = vec![0; name.len() + "\r\nlogin: ".len()];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, format!("{name}\r\nlogin: ").as_bytes());
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
