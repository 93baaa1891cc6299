//! One connection through the relay: two directions, and what is done at a COMMIT.

use super::frame::{self, Frame};
use super::statements::Statements;
use super::{AtCommit, State};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// The codes that stand in the place of a protocol version at the start.
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// Relays until either side ends, or a COMMIT breaks it. Returning breaks it: both sockets are dropped.
pub(super) async fn relay(
    client: TcpStream,
    server: SocketAddr,
    state: &watch::Sender<State>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut from_client = BufReader::new(from_client);
    let mut to_server = BufWriter::new(to_server);
    let more = start(&mut from_client, &mut to_client, &mut to_server).await?;
    if !more {
        return Ok(());
    }
    let swallow = AtomicU64::new(u64::MAX);
    let answers = answers(BufReader::new(from_server), BufWriter::new(to_client), &swallow);
    let questions = Questions { from: from_client, to: to_server, state, swallow: &swallow };
    tokio::select! {
        result = questions.pass_on() => result,
        result = answers => result,
    }
}

/// The start: TLS is declined, what comes then passed on. Says whether messages follow.
async fn start(
    from: &mut BufReader<OwnedReadHalf>,
    to_client: &mut OwnedWriteHalf,
    to_server: &mut BufWriter<OwnedWriteHalf>,
) -> io::Result<bool> {
    loop {
        let frame = frame::read_start(from).await?;
        let code = frame.body().first_chunk().map(|code| u32::from_be_bytes(*code));
        if matches!(code, Some(TLS | GSS)) {
            to_client.write_all(b"N").await?;
            continue;
        }
        to_server.write_all(frame.bytes()).await?;
        to_server.flush().await?;
        return Ok(code != Some(CANCEL));
    }
}

/// The direction from client to server.
struct Questions<'a> {
    from: BufReader<OwnedReadHalf>,
    to: BufWriter<OwnedWriteHalf>,
    state: &'a watch::Sender<State>,
    /// After how many ReadyForQuery the server's answers are swallowed, and the next one breaks the connection.
    swallow: &'a AtomicU64,
}

impl Questions<'_> {
    async fn pass_on(mut self) -> io::Result<()> {
        let mut statements = Statements::default();
        // How many ReadyForQuery the server owes: one for the start.
        let mut asked = 1;
        while let Some(frame) = frame::read(&mut self.from).await? {
            let meaning = statements.see(&frame);
            if meaning.commit {
                match self.at_commit() {
                    AtCommit::Pass => {}
                    AtCommit::DropBefore => return Ok(()),
                    AtCommit::DropAfter => self.swallow.store(asked, Ordering::SeqCst),
                    AtCommit::Hold => self.hold().await?,
                }
            }
            asked += u64::from(meaning.asks);
            pass(&frame, &self.from, &mut self.to).await?;
        }
        Ok(())
    }

    /// What to do at a COMMIT that has come just now.
    fn at_commit(&self) -> AtCommit {
        let mut act = AtCommit::Pass;
        self.state.send_modify(|state| {
            state.commits += 1;
            act = state.once.pop_front().unwrap_or(state.always);
        });
        act
    }

    async fn hold(&mut self) -> io::Result<()> {
        self.to.flush().await?;
        let mut watched = self.state.subscribe();
        let held = Held::new(self.state);
        // It only fails when the sender is gone, and we have it.
        let _ = watched.wait_for(|state| state.releases > held.releases).await;
        Ok(())
    }
}

/// A COMMIT that is held; counted until it is released or its connection breaks.
struct Held<'a> {
    state: &'a watch::Sender<State>,
    /// How many releases there were when it began.
    releases: u64,
}

impl<'a> Held<'a> {
    fn new(state: &'a watch::Sender<State>) -> Self {
        let mut releases = 0;
        state.send_modify(|state| {
            state.held += 1;
            releases = state.releases;
        });
        Self { state, releases }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.held -= 1);
    }
}

/// The direction from server to client.
async fn answers(
    mut from: BufReader<OwnedReadHalf>,
    mut to: BufWriter<OwnedWriteHalf>,
    swallow: &AtomicU64,
) -> io::Result<()> {
    let mut answered = 0;
    while let Some(frame) = frame::read(&mut from).await? {
        let ready = frame.kind() == b'Z';
        if answered >= swallow.load(Ordering::SeqCst) {
            // The answer to the COMMIT; at its end the server has executed it.
            if ready {
                return Ok(());
            }
            continue;
        }
        answered += u64::from(ready);
        pass(&frame, &from, &mut to).await?;
    }
    Ok(())
}

/// Writes a message, and sends what is written unless more has come already.
async fn pass(
    frame: &Frame,
    from: &BufReader<OwnedReadHalf>,
    to: &mut BufWriter<OwnedWriteHalf>,
) -> io::Result<()> {
    to.write_all(frame.bytes()).await?;
    if from.buffer().is_empty() { to.flush().await } else { Ok(()) }
}
