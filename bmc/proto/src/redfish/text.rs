//! Words of a BMC, made fit for a log line and a terminal.

/// Control characters become spaces, runs of white space one space, and what is longer than `max` characters is cut.
pub fn printable(text: &str, max: usize) -> String {
    let spaced: String =
        text.chars().map(|c| if c.is_control() || is_formatting(c) { ' ' } else { c }).collect();
    let plain = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.chars().count() <= max {
        return plain;
    }
    let mut cut: String = plain.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Characters that turn the direction of text or are invisible: they make a line look like another one.
fn is_formatting(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
