//! Escapes in what is typed on a console, as ssh and ipmitool have them. Pure.

/// What was meant by what was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// To be typed on the machine.
    Bytes(Vec<u8>),
    /// A break.
    Break,
    /// To be told of the escapes.
    Help,
    /// To leave; nothing follows.
    Leave,
}

/// Where in a line the typing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At its start: the escape character means something.
    Start,
    /// Elsewhere.
    Middle,
    /// Behind an escape character.
    Escaped,
}

/// Looks for escapes.
#[derive(Debug)]
pub(super) struct Escape {
    character: Option<u8>,
    state: State,
}

impl Escape {
    /// Without a character there are no escapes.
    pub(super) fn new(character: Option<u8>) -> Self {
        Self { character, state: State::Start }
    }

    /// The character that begins one.
    pub(super) fn character(&self) -> Option<u8> {
        self.character
    }

    /// What is meant by the bytes that were typed next.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Meant> {
        let mut meant = Vec::new();
        let mut plain = Vec::new();
        for &byte in bytes {
            let escape = Some(byte) == self.character;
            match (self.state, byte) {
                (State::Start, _) if escape => {
                    self.state = State::Escaped;
                    continue;
                }
                (State::Escaped, b'.' | b'B' | b'?') => {
                    if !plain.is_empty() {
                        meant.push(Meant::Bytes(std::mem::take(&mut plain)));
                    }
                    meant.push(match byte {
                        b'.' => Meant::Leave,
                        b'B' => Meant::Break,
                        _ => Meant::Help,
                    });
                    self.state = State::Start;
                    if byte == b'.' {
                        return meant;
                    }
                    continue;
                }
                // It was none after all; twice it stands for itself.
                (State::Escaped, _) if !escape => plain.extend(self.character),
                _ => {}
            }
            plain.push(byte);
            self.state = if matches!(byte, b'\r' | b'\n') { State::Start } else { State::Middle };
        }
        if !plain.is_empty() {
            meant.push(Meant::Bytes(plain));
        }
        meant
    }
}

#[cfg(test)]
mod tests {
    use super::{Escape, Meant};

    fn bytes(text: &str) -> Meant {
        Meant::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn escapes_mean_something_at_the_start_of_a_line_only() {
        let table: Vec<(&str, Vec<Meant>)> = vec![
            ("", vec![]),
            ("ls\r", vec![bytes("ls\r")]),
            ("~.", vec![Meant::Leave]),
            ("~.rest", vec![Meant::Leave]),
            ("ls\r~.", vec![bytes("ls\r"), Meant::Leave]),
            ("ls\n~B~?x", vec![bytes("ls\n"), Meant::Break, Meant::Help, bytes("x")]),
            ("~B~.", vec![Meant::Break, Meant::Leave]),
            ("~~.", vec![bytes("~.")]),
            ("~~", vec![bytes("~")]),
            ("~~~.", vec![bytes("~~.")]),
            ("~x", vec![bytes("~x")]),
            ("~\r~.", vec![bytes("~\r"), Meant::Leave]),
            ("a~.", vec![bytes("a~.")]),
            ("cd ~\r~b", vec![bytes("cd ~\r~b")]),
            ("~", vec![]),
        ];
        for (typed, want) in table {
            assert_eq!(Escape::new(Some(b'~')).read(typed.as_bytes()), want, "{typed:?}");
        }
    }

    #[test]
    fn it_makes_no_difference_how_the_bytes_come() {
        for typed in ["ls\r~Bx\r~~y~.\r~?~.z", "~x\r~\n~.", "a~b\r~~~.\r\n~."] {
            let at_once = Escape::new(Some(b'~')).read(typed.as_bytes());
            let mut escape = Escape::new(Some(b'~'));
            let mut singly: Vec<Meant> = Vec::new();
            for byte in typed.as_bytes() {
                for meant in escape.read(&[*byte]) {
                    match (singly.last_mut(), meant) {
                        (Some(Meant::Bytes(before)), Meant::Bytes(more)) => before.extend(more),
                        (Some(Meant::Leave), _) => {}
                        (_, meant) => singly.push(meant),
                    }
                }
            }
            assert_eq!(singly, at_once, "{typed:?}");
        }
    }

    #[test]
    fn another_character_or_none() {
        assert_eq!(Escape::new(Some(29)).read(b"~.\r\x1d."), [bytes("~.\r"), Meant::Leave]);
        assert_eq!(Escape::new(None).read(b"~.\r~B"), [bytes("~.\r~B")]);
    }
}
