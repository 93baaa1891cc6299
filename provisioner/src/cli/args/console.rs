//! What a serial console is watched with.

use clap::{ArgAction, Args};

/// How a console is watched.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConsoleOptions {
    /// Only watch; nothing that is typed is sent
    #[arg(long)]
    pub(in crate::cli) no_input: bool,
    /// How much of the record is printed first: a number of bytes, or all
    #[arg(long, value_name = "BYTES", value_parser = backlog)]
    pub(in crate::cli) backlog: Option<Backlog>,
    /// Go on with what comes, until left; `--follow=false` prints the record and ends
    #[arg(
        long,
        value_name = "true|false",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true"
    )]
    pub(in crate::cli) follow: bool,
    /// The character that begins an escape at the start of a line, such as ~ or ^]; none for no escapes
    #[arg(long, value_name = "CHAR", default_value = "~", value_parser = escape)]
    pub(in crate::cli) escape: EscapeCharacter,
}

/// How much of a console's record is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Backlog {
    /// The last bytes of it.
    Last(u64),
    /// All that there is.
    All,
}

/// The character of escapes; none: there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct EscapeCharacter(pub(in crate::cli) Option<u8>);

/// Reads how much of a record is wanted.
fn backlog(text: &str) -> Result<Backlog, String> {
    if text == "all" {
        return Ok(Backlog::All);
    }
    text.parse().map(Backlog::Last).map_err(|_| "use a number of bytes, or all".to_owned())
}

/// Reads an escape character: `~`, `^]`, `none`.
fn escape(text: &str) -> Result<EscapeCharacter, String> {
    match *text.as_bytes() {
        [byte] if byte.is_ascii_graphic() => Ok(EscapeCharacter(Some(byte))),
        // As terminals write control characters: `^A` is 1, `^]` is 29.
        [b'^', byte @ b'@'..=b'_'] => Ok(EscapeCharacter(Some(byte & 0x1f))),
        [b'^', byte @ b'a'..=b'z'] => Ok(EscapeCharacter(Some(byte & 0x1f))),
        _ if text == "none" => Ok(EscapeCharacter(None)),
        _ => Err("use one character such as ~, a control character such as ^], or none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Backlog, EscapeCharacter, backlog, escape};

    #[test]
    fn escape_characters() {
        for (text, want) in [
            ("~", Some(b'~')),
            ("^", Some(b'^')),
            ("^]", Some(29)),
            ("^a", Some(1)),
            ("^A", Some(1)),
            ("none", None),
        ] {
            assert_eq!(escape(text), Ok(EscapeCharacter(want)), "{text}");
        }
        for text in ["", "~~", "^1", "ä", " ", "off"] {
            assert!(escape(text).is_err(), "{text}");
        }
    }

    #[test]
    fn backlogs() {
        assert_eq!(backlog("0"), Ok(Backlog::Last(0)));
        assert_eq!(backlog("all"), Ok(Backlog::All));
        assert!(backlog("-1").is_err() && backlog("1k").is_err());
    }
}
