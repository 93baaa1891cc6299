//! `billet machine console`, `billet bmc console`: a serial console in this terminal.
//!
//! - `line`: the way to the console, through the service or straight to a BMC;
//! - `escape`, `typed`: what is typed (pure).
//!
//! Keys are read all the time, so that the escape works also while the console hangs.

mod escape;
mod line;
mod typed;

pub(super) use line::Line;

use crate::cli::{
    args::{Backlog, ConsoleOptions},
    environment::Environment,
    error::CliError,
    signals::Signals,
    terminal::Keyboard,
    ui::Ui,
};
use escape::{Escape, Meant};
use line::Heard;
use std::{pin::Pin, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use typed::{Piece, Queue};

/// How many pieces of output wait to be printed at the most.
const WAITING: usize = 256;

/// So much that was typed may wait to be sent before a pipe is no longer read, in bytes.
const TYPED_LIMIT: usize = 64 * 1024;

/// How long what was typed may still take when the console is left.
const LAST: Duration = Duration::from_secs(2);

/// Something that is being sent.
type Sending = Pin<Box<dyn Future<Output = Result<(), CliError>>>>;

/// Shows a console until it is left.
pub(super) async fn run(
    environment: &Environment,
    ui: &mut Ui,
    line: Line,
    options: &ConsoleOptions,
) -> Result<(), CliError> {
    check(&line, options)?;
    let mut signals = Signals::new()?;
    let (send, heard) = mpsc::channel(WAITING);
    // A signal may end the whole command: then it lets go of the console by being dropped.
    let listener =
        AbortOnDropHandle::new(tokio::spawn(line.clone().listen(options.backlog, options.follow, send)));
    let mut screen = Screen {
        ui,
        line,
        heard,
        keyboard: None,
        escape: Escape::new(options.escape.0),
        queue: Queue::default(),
        sending: None,
    };
    let open = (!options.no_input && options.follow).then_some(environment);
    let result = screen.run(open, options, &mut signals).await;
    listener.abort();
    // It lets go of the console before the BMC's session is ended.
    drop(listener.await);
    result
}

/// What a BMC has no record for can't be asked of it.
fn check(line: &Line, options: &ConsoleOptions) -> Result<(), CliError> {
    let recorded = matches!(line, Line::Service { .. });
    if recorded || options.follow && matches!(options.backlog, None | Some(Backlog::Last(0))) {
        return Ok(());
    }
    Err(CliError::Input(
        "only the service records consoles: leave out --backlog and --follow=false with -H, or name the machine"
            .to_owned(),
    ))
}

/// A console that is shown.
struct Screen<'a> {
    ui: &'a mut Ui,
    line: Line,
    heard: mpsc::Receiver<Heard>,
    keyboard: Option<Keyboard>,
    escape: Escape,
    queue: Queue,
    sending: Option<Sending>,
}

impl Screen<'_> {
    /// Prints and types until it is over. The keyboard is opened when the console is connected.
    async fn run(
        &mut self,
        mut open: Option<&Environment>,
        options: &ConsoleOptions,
        signals: &mut Signals,
    ) -> Result<(), CliError> {
        loop {
            if self.sending.is_none() {
                self.sending =
                    self.queue.next().map(|piece| -> Sending { Box::pin(self.line.clone().send(piece)) });
            }
            let raw = self.raw();
            let room = raw || self.queue.len() < TYPED_LIMIT;
            tokio::select! {
                error = signals.next() => return Err(error),
                sent = wait(&mut self.sending) => {
                    self.sending = None;
                    if let Err(error) = sent {
                        let why = error.sentence().unwrap_or_default();
                        self.remark(&format!("what was typed may be lost: {why}"));
                    }
                }
                typed = keys(&mut self.keyboard), if room => match typed {
                    Some(bytes) => if self.typed(&bytes) {
                        self.finish().await;
                        self.remark("left");
                        return Ok(());
                    },
                    // The terminal is gone.
                    None if raw => return Ok(()),
                    // A pipe's end does not end the watching.
                    None => self.keyboard = None,
                },
                heard = self.heard.recv() => match heard {
                    Some(Heard::Ready) => if let Some(environment) = open.take() {
                        self.open(environment, options)?;
                    },
                    Some(Heard::Output(bytes)) => self.ui.raw(&bytes)?,
                    Some(Heard::Remark(text)) => self.remark(&text),
                    Some(Heard::End(end)) => {
                        self.finish().await;
                        return end;
                    }
                    None => return Err(CliError::Console("nothing is heard of it any more".to_owned())),
                },
            }
        }
    }

    /// Opens the keyboard.
    fn open(&mut self, environment: &Environment, options: &ConsoleOptions) -> Result<(), CliError> {
        let keyboard = (environment.keyboard)().map_err(|source| CliError::File {
            what: "read",
            path: "standard input".into(),
            source,
        })?;
        if !keyboard.raw {
            // Nobody means an escape in a file.
            self.escape = Escape::new(None);
        }
        self.keyboard = Some(keyboard);
        let name = self.line.name();
        if self.raw() && options.escape.0.is_some() {
            let escape = shown(options.escape.0);
            self.remark(&format!(
                "the console of {name}; {escape}. at the start of a line leaves, {escape}? helps"
            ));
        }
        Ok(())
    }

    /// Takes what was typed. True: to leave was meant.
    fn typed(&mut self, bytes: &[u8]) -> bool {
        for meant in self.escape.read(bytes) {
            match meant {
                Meant::Bytes(bytes) => self.queue.push(Piece::Bytes(bytes)),
                Meant::Break => self.queue.push(Piece::Break),
                Meant::Help => {
                    let escape = shown(self.escape.character());
                    self.remark(&format!(
                        "{escape}. leaves, {escape}B sends a break, {escape}{escape} types {escape} itself, {escape}? is this help"
                    ));
                }
                Meant::Leave => return true,
            }
        }
        false
    }

    /// Sends what was typed last, for a moment.
    async fn finish(&mut self) {
        let all = async {
            loop {
                if let Some(sending) = self.sending.take() {
                    sending.await?;
                }
                match self.queue.next() {
                    Some(piece) => self.sending = Some(Box::pin(self.line.clone().send(piece))),
                    None => return Ok::<(), CliError>(()),
                }
            }
        };
        if !matches!(timeout(LAST, all).await, Ok(Ok(()))) {
            self.remark("what was typed last may not have arrived");
        }
    }

    /// Says something beside the console.
    fn remark(&mut self, text: &str) {
        if self.raw() { self.ui.aside(text) } else { self.ui.note(text) }
    }

    /// Whether the terminal is in raw mode.
    fn raw(&self) -> bool {
        self.keyboard.as_ref().is_some_and(|keyboard| keyboard.raw)
    }
}

/// Waits for what is being sent; for ever if there is nothing.
async fn wait(sending: &mut Option<Sending>) -> Result<(), CliError> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Waits for what is typed; for ever without a keyboard.
async fn keys(keyboard: &mut Option<Keyboard>) -> Option<Vec<u8>> {
    match keyboard {
        Some(keyboard) => keyboard.bytes.recv().await,
        None => std::future::pending().await,
    }
}

/// An escape character as one reads it: `~`, `^]`.
fn shown(character: Option<u8>) -> String {
    match character {
        Some(byte @ ..0x20) => format!("^{}", char::from(byte | 0x40)),
        Some(byte) => char::from(byte).to_string(),
        None => String::new(),
    }
}
