//! `billet top`: the picture of `view/top`, again and again on a terminal (`live`), once elsewhere.
//!
//! The terminal is drawn with a few sequences of ECMA-48 (another screen, home, erase to the end), which all terminals of
//! today know, and is put back in order at the end, whatever ends it. No key but q and Ctrl-C means anything.

mod live;

use super::{Session, context};
use crate::cli::{
    args::Output,
    error::CliError,
    signals::Signals,
    terminal::Keyboard,
    ui::Ui,
    view::{self, Fleet, Size},
};
use live::Live;
use provisioner_client::{Client, ClientError, InstanceFilter, MachineFilter};
use serde_json::json;

/// Another screen, without a cursor; and the way back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Shows it.
pub(super) async fn run(session: &mut Session<'_>) -> Result<(), CliError> {
    let client = session.client.clone();
    let drawn = session.ui.is_for_people() && session.ui.screen && session.environment.person;
    if drawn {
        return on_screen(session, &client).await;
    }
    let first = look(&client).await?;
    if !matches!(session.ui.output, Output::Table | Output::Wide) {
        let Fleet { machines, instances, works } = &first;
        return session.ui.data(&json!({ "machines": machines, "instances": instances, "works": works }));
    }
    let size = Size { columns: usize::MAX, rows: None };
    let lines = view::top(&first, None, size, &context());
    lines.iter().try_for_each(|line| session.ui.line(line))
}

/// Shows it on a terminal.
async fn on_screen(session: &mut Session<'_>, client: &Client) -> Result<(), CliError> {
    let first = Live::begin(client).await?;
    let mut signals = Signals::new()?;
    let mut keyboard = (session.environment.keyboard)().map_err(|source| CliError::File {
        what: "read",
        path: "standard input".into(),
        source,
    })?;
    session.ui.raw(ENTER)?;
    let end = tokio::select! {
        error = signals.next() => Err(error),
        end = draw(session.ui, first, &mut keyboard) => end,
    };
    session.ui.raw(LEAVE)?;
    end
}

/// Draws until somebody leaves.
async fn draw(ui: &mut Ui, mut live: Live, keyboard: &mut Keyboard) -> Result<(), CliError> {
    loop {
        let lines = view::top(&live.fleet, live.trouble(), size(), &context());
        ui.raw(frame(&lines).as_bytes())?;
        tokio::select! {
            news = live.next() => news?,
            () = left(keyboard) => return Ok(()),
        }
    }
}

/// Waits until q or Ctrl-C is typed, or the terminal is gone.
async fn left(keyboard: &mut Keyboard) {
    const CTRL_C: u8 = 3;
    while let Some(bytes) = keyboard.bytes.recv().await {
        if bytes.iter().any(|byte| [b'q', b'Q', CTRL_C].contains(byte)) {
            return;
        }
    }
}

/// What a terminal in raw mode is sent: each line over the one that was there, and nothing below.
fn frame(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("{line}\x1b[K")).collect();
    format!("\x1b[H{}\x1b[J", lines.join("\r\n"))
}

/// The terminal's size.
fn size() -> Size {
    match terminal_size::terminal_size() {
        Some((width, height)) => Size { columns: width.0.into(), rows: Some(height.0.into()) },
        None => Size { columns: 80, rows: Some(24) },
    }
}

async fn look(client: &Client) -> Result<Fleet, ClientError> {
    let (machines, instances) = (MachineFilter::default(), InstanceFilter::default());
    let (machines, instances, works) =
        tokio::try_join!(client.machines(&machines), client.instances_of(&instances), client.works())?;
    Ok(Fleet { machines, instances, works })
}

#[cfg(test)]
mod tests {
    use super::{frame, left};
    use crate::cli::terminal::Keyboard;

    #[test]
    fn a_frame_is_drawn_over_the_last() {
        assert_eq!(frame(&["a".into(), "b".into()]), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
    }

    #[tokio::test]
    async fn only_q_and_ctrl_c_leave() {
        for last in [b"q", b"\x03"] {
            let (send, bytes) = tokio::sync::mpsc::channel(8);
            let mut keyboard = Keyboard { bytes, raw: true, _mode: None };
            send.send(b"xyz".to_vec()).await.unwrap();
            send.send(last.to_vec()).await.unwrap();
            send.send(b"more".to_vec()).await.unwrap();
            left(&mut keyboard).await;
            assert_eq!(keyboard.bytes.recv().await.unwrap(), b"more");
        }
    }
}
