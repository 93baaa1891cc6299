//! Aligning text: tables with a title row, and pages of `Name: value` lines. Whatever comes in is made harmless.

use crate::cli::text::clean;
use std::fmt::Write;

/// Space between columns.
const GAP: usize = 2;

/// A table: columns as wide as their widest cell, `-` for an empty one.
pub(super) fn table<const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(
        rows.into_iter()
            .map(|row| row.map(|cell| if cell.is_empty() { "-".to_owned() } else { clean(&cell) })),
    );
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let mut padded = String::new();
        for (cell, width) in line.iter().zip(widths) {
            // Writing to a String can't fail.
            let _ = write!(padded, "{cell:<0$}", width + GAP);
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

/// A page: lines of `Name: value` and blocks with a title.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

/// Where the values of a page begin.
const VALUES: usize = 14;

impl Page {
    /// A line, unless the value is empty.
    pub(super) fn line(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        let value = clean(value.as_ref());
        if !value.is_empty() {
            // A long name moves its value on.
            let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
            // Writing to a String can't fail.
            let _ = writeln!(self.text, "{name:<VALUES$}{value}");
        }
        self
    }

    /// A block below the lines, such as a table, unless it is empty.
    pub(super) fn block(&mut self, title: &str, block: &str) -> &mut Self {
        if !block.is_empty() {
            let _ = writeln!(self.text, "\n{}", clean(title));
            for line in block.lines() {
                let _ = writeln!(self.text, "  {line}");
            }
        }
        self
    }

    /// The page.
    pub(super) fn end(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, table};

    #[test]
    fn tables_are_aligned() {
        let rows = [["m1", "available", ""], ["machine-2", "on", "x\x1b"]];
        let text = table(["NAME", "STATE", "Z"], rows.map(|row| row.map(str::to_owned)));
        assert_eq!(
            text,
            "NAME       STATE      Z\nm1         available  -\nmachine-2  on         x\u{fffd}\n"
        );
    }

    #[test]
    fn pages_leave_out_what_is_not_known() {
        let mut page = Page::default();
        page.line("Name", "m1")
            .line("Address", "")
            .line("", "more")
            .block("Steps", "a\nb\n")
            .block("None", "");
        assert_eq!(page.end(), "Name:         m1\n              more\n\nSteps\n  a\n  b\n");
    }

    #[test]
    fn a_long_name_does_not_touch_its_value() {
        let mut page = Page::default();
        page.line("Twelve chars", "a").line("Kernel and initrd", "5 MiB");
        assert_eq!(page.end(), "Twelve chars: a\nKernel and initrd: 5 MiB\n");
    }
}
