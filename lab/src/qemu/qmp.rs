//! The QEMU Machine Protocol (QEMU's docs/interop/qmp-spec): a pure reader of its lines, and a small client.

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// How long QEMU may take for a command. Its main loop can be held up by a slow disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// What QEMU says.
#[derive(Debug, PartialEq)]
enum Message {
    /// At the start.
    Greeting,
    /// The answer to a command; an error is a sentence.
    Answer { id: u64, result: Result<Value, String> },
    /// Something happened.
    Event(String),
}

impl Message {
    fn parse(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(rename = "QMP")]
            greeting: Option<Value>,
            event: Option<String>,
            id: Option<u64>,
            #[serde(rename = "return")]
            answer: Option<Value>,
            error: Option<Failure>,
        }
        #[derive(Deserialize)]
        struct Failure {
            desc: String,
        }
        let said: Written = serde_json::from_str(line).map_err(|error| format!("{error} in `{line}`"))?;
        match said {
            Written { greeting: Some(_), .. } => Ok(Self::Greeting),
            Written { event: Some(name), .. } => Ok(Self::Event(name)),
            Written { id: Some(id), answer: Some(value), .. } => Ok(Self::Answer { id, result: Ok(value) }),
            Written { id: Some(id), error: Some(error), .. } => {
                Ok(Self::Answer { id, result: Err(error.desc) })
            }
            Written { error: Some(error), .. } => Err(error.desc),
            _ => Err(format!("neither greeting, answer nor event: `{line}`")),
        }
    }
}

struct Order {
    id: u64,
    line: String,
    answer: oneshot::Sender<Result<Value, String>>,
}

/// A connection to QEMU's monitor.
pub(super) struct Qmp {
    orders: mpsc::Sender<Order>,
    next: AtomicU64,
}

impl Qmp {
    /// Greets QEMU. Names of events arrive in the receiver, which ends when QEMU does.
    pub(super) async fn new(stream: UnixStream) -> anyhow::Result<(Self, mpsc::Receiver<String>)> {
        let (orders, ordered) = mpsc::channel(16);
        let (events, happened) = mpsc::channel(64);
        let (read, write) = stream.into_split();
        tokio::spawn(converse(BufReader::new(read).lines(), write, ordered, events));
        let qmp = Self { orders, next: AtomicU64::new(1) };
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok((qmp, happened))
    }

    /// Runs a command.
    pub(super) async fn execute(&self, command: &str, arguments: Value) -> anyhow::Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = json!({ "execute": command, "arguments": arguments, "id": id }).to_string() + "\n";
        let (answer, answered) = oneshot::channel();
        let gone = || format!("QEMU ended during `{command}`");
        self.orders.send(Order { id, line, answer }).await.ok().with_context(gone)?;
        let answer = tokio::time::timeout(PATIENCE, answered).await;
        match answer.with_context(|| format!("QEMU does not answer to `{command}`"))?.with_context(gone)? {
            Ok(value) => Ok(value),
            Err(sentence) => bail!("QEMU refuses `{command}`: {sentence}"),
        }
    }
}

/// Carries lines both ways until QEMU or the last user is gone.
async fn converse(
    mut lines: Lines<BufReader<OwnedReadHalf>>,
    mut write: OwnedWriteHalf,
    mut orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<String>,
) {
    let mut waiting = HashMap::new();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                match Message::parse(&line) {
                    Ok(Message::Greeting) => {}
                    Ok(Message::Event(name)) => {
                        // Nobody may be listening any more; QEMU is then about to end.
                        let _nobody = events.send(name).await;
                    }
                    Ok(Message::Answer { id, result }) => {
                        if let Some(answer) = waiting.remove(&id) {
                            let _no_longer_awaited = oneshot::Sender::send(answer, result);
                        }
                    }
                    Err(problem) => tracing::warn!(problem, "QEMU said something odd on its monitor"),
                }
            }
            order = orders.recv() => {
                let Some(Order { id, line, answer }) = order else { return };
                waiting.insert(id, answer);
                if write.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_real_qemu_are_read() {
        let answer = |id, result| Message::Answer { id, result };
        let table = [
            (
                r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}"#,
                Message::Greeting,
            ),
            (r#"{"return": {}, "id": 3}"#, answer(3, Ok(json!({})))),
            (
                r#"{"id": 4, "error": {"class": "GenericError", "desc": "The bootindex 1 has already been used"}}"#,
                answer(4, Err("The bootindex 1 has already been used".into())),
            ),
            (
                r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#,
                Message::Event("RESET".into()),
            ),
        ];
        for (line, expected) in table {
            assert_eq!(Message::parse(line), Ok(expected), "{line}");
        }
        for line in
            ["", "{}", "[]", r#"{"return": {}}"#, r#"{"error": {"class": "x", "desc": "JSON parse error"}}"#]
        {
            assert!(Message::parse(line).is_err(), "{line}");
        }
    }

    #[tokio::test]
    async fn answers_find_their_askers_among_events() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (read, mut write) = theirs.into_split();
        let mut lines = BufReader::new(read).lines();
        let qemu = tokio::spawn(async move {
            write.write_all(b"{\"QMP\": {}}\n").await.unwrap();
            for reply in [r#""return": {}"#, r#""error": {"class": "GenericError", "desc": "no"}"#] {
                let asked: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
                let text = format!("{{\"event\": \"RESET\"}}\n{{\"id\": {}, {reply}}}\n", asked["id"]);
                write.write_all(text.as_bytes()).await.unwrap();
            }
        });
        let (qmp, mut events) = Qmp::new(ours).await.unwrap();
        let error = qmp.execute("quit", json!({})).await.unwrap_err().to_string();
        assert_eq!(error, "QEMU refuses `quit`: no");
        assert_eq!([events.recv().await, events.recv().await], [Some("RESET".into()), Some("RESET".into())]);
        qemu.await.unwrap();
        assert_eq!(events.recv().await, None);
        let error = qmp.execute("quit", json!({})).await.unwrap_err().to_string();
        assert_eq!(error, "QEMU ended during `quit`");
    }
}
