//! The stranger's serial over LAN, with a machine's serial line that this test plays.

use super::super::console::{hasty, hasty_with, heard, lossy, next, patient};
use super::*;
use crate::capability::{ConsoleEvent, SerialConsole};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The line, which ipmi_sim connects to when it starts.
async fn start() -> Option<(Sim, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut sim = Sim::start_with(&format!("sol \"tcp:127.0.0.1:{port}\" 115200 history=8000"))?;
    sim.ready().await;
    let accepted = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await;
    Some((sim, accepted.expect("it did not connect").unwrap().0))
}

/// Reads this much of what was typed.
async fn typed(line: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut all = vec![0; length];
    tokio::time::timeout(Duration::from_secs(60), line.read_exact(&mut all))
        .await
        .expect("too little")
        .unwrap();
    all
}

/// Many bytes, each line another.
fn lines(count: usize) -> String {
    (0..count).map(|number| format!("this is line {number}\r\n")).collect()
}

#[tokio::test]
async fn a_stranger_carries_the_console() {
    let Some((sim, mut line)) = start().await else { return };
    let bmc = hasty(sim.port, Cipher::Suite3);
    for _ in 0..2 {
        let mut reader = bmc.read_console(false).await.unwrap();
        line.write_all(b"login: ").await.unwrap();
        assert_eq!(heard(&mut reader, "login: ").await, "login: ");
        // ipmi_sim remembers the last number of the time before, and must not take the first keys for a repetition.
        bmc.type_console(b"root\r").await.unwrap();
        assert_eq!(typed(&mut line, 5).await, b"root\r");
        let said = lines(300);
        let (written, heard) =
            tokio::join!(line.write_all(said.as_bytes()), heard(&mut reader, "line 299\r\n"));
        written.unwrap();
        assert_eq!(heard, said);
        let keys = lines(200);
        let (done, got) = tokio::join!(bmc.type_console(keys.as_bytes()), typed(&mut line, keys.len()));
        done.unwrap();
        assert_eq!(got, keys.as_bytes());

        let other = driver(sim.port, Cipher::Suite3);
        let error = other.read_console(false).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("take the console over"), "{error}");
        drop(reader);
        bmc.close().await;
    }
    let mut reader = bmc.read_console(false).await.unwrap();
    let other = driver(sim.port, Cipher::Suite3);
    let mut taker = other.read_console(true).await.unwrap();
    let ConsoleEvent::Closed(why) = next(&mut reader).await else { panic!() };
    assert!(why.contains("somebody else"), "{why}");
    line.write_all(b"to the taker").await.unwrap();
    heard(&mut taker, "to the taker").await;
}

#[tokio::test]
async fn a_stranger_behind_a_lossy_network_is_heard_and_typed_at() {
    let Some((sim, mut line)) = start().await else { return };
    let (port, relay, lost) = lossy(sim.port).await;
    let bmc = hasty_with(port, Cipher::Suite3, patient);
    // On a busy machine ipmi_sim may rest for seconds; that is no end of a session.
    bmc.console.set_pace(|pace| pace.retry.sendings = 200);
    let mut reader = bmc.read_console(false).await.unwrap();
    let keys = lines(200);
    let (mut said, mut written) = line.split();
    let talk = async {
        // ipmi_sim counts its repetitions over all that it gathers, and after five forgets it without a word: so what
        // is heard need not be all, but it is in order, and nothing twice.
        let (mut next, mut all) = (0, String::new());
        while all.matches('\n').count() < 20 {
            written.write_all(format!("{next:0>120}\r\n").as_bytes()).await.unwrap();
            next += 1;
            let event = tokio::time::timeout(Duration::from_secs(8), reader.events.recv()).await;
            match event {
                Ok(Ok(ConsoleEvent::Output(bytes))) => all += std::str::from_utf8(&bytes).unwrap(),
                Ok(Ok(ConsoleEvent::Interrupted(why))) => assert!(why.contains("lost here"), "{why}"),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
            assert!(next < 200, "hardly anything is heard");
        }
        // The last line may be heard in part.
        let whole = &all[..=all.rfind('\n').unwrap()];
        let numbers: Vec<u32> = whole.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    };
    let (got, done, ()) = tokio::join!(typed(&mut said, keys.len()), bmc.type_console(keys.as_bytes()), talk);
    done.unwrap();
    assert!(got == keys.as_bytes());
    assert!(lost.load(Ordering::Relaxed) > 10);
    relay.abort();
}

#[tokio::test]
async fn a_stranger_without_a_serial_line_says_so() {
    let Some(mut sim) = Sim::start() else { return };
    sim.ready().await;
    let error = driver(sim.port, Cipher::Suite3).read_console(false).await.map(drop).unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
}
