//! Words for commands that people are shown and may paste into a shell. Serial numbers are whatever a disk says.

use std::borrow::Cow;

/// A word that a POSIX shell takes for just this text: in single quotes if need be.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    /// What a shell makes of a word.
    fn read_by_a_shell(word: &str) -> String {
        let mut shell = Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        write!(shell.stdin.take().unwrap(), "printf %s {word}").unwrap();
        String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_shell_takes_it_for_the_text() {
        for (text, word) in [
            ("S3R14L", "S3R14L"),
            ("QEMU_0x5000:1.a/b-c", "QEMU_0x5000:1.a/b-c"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("x;y`z`\"", "'x;y`z`\"'"),
            ("it's", r"'it'\''s'"),
            ("ü\n", "'ü\n'"),
        ] {
            assert_eq!(shell_word(text), word);
            assert_eq!(read_by_a_shell(word), text);
        }
    }
}
