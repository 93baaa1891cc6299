//! The terminal itself: raw input for consoles, a line that is not shown, and keys as they come.
//!
//! Whatever is changed here is restored when its guard is dropped: at the end, on an error and in a panic. Signals are
//! the caller's: it has to wait for them and to return.

use nix::sys::termios::{self, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::{AsFd, OwnedFd},
};
use tokio::sync::mpsc;

/// How many pieces of input wait for the program at the most.
const WAITING: usize = 16;

/// What is typed, or comes through a pipe. It ends with the input.
pub(super) struct Keyboard {
    /// The bytes as they come.
    pub(super) bytes: mpsc::Receiver<Vec<u8>>,
    /// Whether a person types, and the terminal gives each key at once.
    pub(super) raw: bool,
    /// Restores the terminal.
    pub(super) _mode: Option<Mode>,
}

/// A terminal in another mode than before.
#[derive(Debug)]
pub(super) struct Mode {
    terminal: OwnedFd,
    before: Termios,
}

impl Mode {
    /// Raw: each key comes at once, none means anything to the terminal, and output is left as it is.
    fn raw(terminal: impl AsFd) -> io::Result<Self> {
        Self::enter(terminal, termios::cfmakeraw)
    }

    /// Keys come at once and are not shown; output is as usual.
    fn hidden(terminal: impl AsFd) -> io::Result<Self> {
        Self::enter(terminal, |settings| {
            settings.local_flags &= !(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
            settings.input_flags |= InputFlags::ICRNL;
            settings.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
            settings.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        })
    }

    fn enter(terminal: impl AsFd, change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = termios::tcgetattr(&terminal)?;
        let mut settings = before.clone();
        change(&mut settings);
        termios::tcsetattr(&terminal, SetArg::TCSADRAIN, &settings)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        // Nothing can be done when the terminal is gone.
        let _ = termios::tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

/// Standard input as it comes; a terminal is put into raw mode for it.
///
/// It is read in a thread of its own that ends with the process: a read of a terminal can't be called off.
pub(super) fn keyboard() -> io::Result<Keyboard> {
    let mode = if io::stdin().is_terminal() { Some(Mode::raw(io::stdin())?) } else { None };
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (send, bytes) = mpsc::channel(WAITING);
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(length @ 1..) if send.blocking_send(buffer[..length].to_vec()).is_ok() => {}
                _ => return,
            }
        }
    })?;
    Ok(Keyboard { bytes, raw: mode.is_some(), _mode: mode })
}

/// A line from the terminal that is not shown while it is typed. Ctrl-C gives `ErrorKind::Interrupted`.
pub(super) fn hidden_line() -> io::Result<String> {
    let _mode = Mode::hidden(io::stdin())?;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let line = line(input);
    // What ended the line was not shown either.
    drop(io::stderr().write_all(b"\n"));
    line
}

/// Reads up to the end of a line, with backspace and the like.
fn line(mut input: impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        match byte[0] {
            b'\n' | b'\r' => break,
            // Ctrl-C.
            3 => return Err(io::ErrorKind::Interrupted.into()),
            // Ctrl-D ends it when there is something, else there is no input.
            4 if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            4 => break,
            // Backspace takes a whole character away; Ctrl-U everything.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            0x15 => line.clear(),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::{Mode, line};
    use nix::{
        pty::openpty,
        sys::termios::{LocalFlags, OutputFlags, Termios, tcgetattr},
    };
    use std::{io, panic};

    /// What matters of a terminal's settings.
    fn flags(settings: &Termios) -> (bool, bool, bool, bool) {
        let local = settings.local_flags;
        (
            local.contains(LocalFlags::ECHO),
            local.contains(LocalFlags::ICANON),
            local.contains(LocalFlags::ISIG),
            settings.output_flags.contains(OutputFlags::OPOST),
        )
    }

    #[test]
    fn a_terminal_is_restored_also_after_a_panic() {
        let pty = openpty(None, None).unwrap();
        let now = || flags(&tcgetattr(&pty.slave).unwrap());
        let before = now();
        assert_eq!(before, (true, true, true, true));
        let mode = Mode::raw(&pty.slave).unwrap();
        assert_eq!(now(), (false, false, false, false));
        drop(mode);
        assert_eq!(now(), before);
        let mode = Mode::hidden(&pty.slave).unwrap();
        assert_eq!(now(), (false, false, false, true));
        drop(mode);
        assert_eq!(now(), before);
        let slave = pty.slave.try_clone().unwrap();
        let panicked = std::thread::spawn(move || {
            let _mode = Mode::raw(slave).unwrap();
            panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        assert_eq!(now(), before);
    }

    #[test]
    fn what_is_no_terminal_has_no_modes() {
        assert!(Mode::raw(std::fs::File::open("/dev/null").unwrap()).is_err());
    }

    #[test]
    fn a_hidden_line_can_be_edited() {
        for (typed, want) in [
            ("secret\n", "secret"),
            ("secret\r", "secret"),
            ("secrex\x7ft\n", "secret"),
            ("\x7fä\x08b\n", "b"),
            ("wrong\x15right\n", "right"),
            ("end\x04", "end"),
            ("cut off", "cut off"),
        ] {
            assert_eq!(line(typed.as_bytes()).unwrap(), want, "{typed:?}");
        }
        assert_eq!(line(&b"a\x03"[..]).unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(line(&b"\x04"[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(line(&b"\xff\n"[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
