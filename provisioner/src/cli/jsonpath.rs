//! `-o jsonpath=TEMPLATE`: text with paths in braces, as `kubectl` takes it. Pure.
//!
//! `{.items[*].name}` is a path, `{range .items[*]}…{end}` repeats, `{"\n"}` is text. A path is one of RFC 9535 behind a
//! `$` that need not be written; what it finds is printed with spaces between. A path that finds nothing prints nothing.
//! Not here: `kubectl`'s escape `\.` (RFC 9535 writes `['a.b']`) and its lenient templates without braces.

use serde_json::Value;
use serde_json_path::JsonPath;

/// How deep `{range}` may be nested.
const DEEPEST: usize = 8;

/// A template.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

/// A piece of a template.
#[derive(Debug, Clone)]
enum Part {
    /// Printed as it is.
    Text(String),
    /// What is found is printed.
    Find(Path),
    /// The parts are printed for each thing that is found.
    Range(Path, Vec<Part>),
}

/// A path.
#[derive(Debug, Clone)]
struct Path {
    /// From the root (`$`), not from where a range is.
    root: bool,
    path: JsonPath,
}

/// A piece of the text: outside of braces, or inside.
enum Token<'a> {
    Text(&'a str),
    Braces(&'a str),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        if !tokens.iter().any(|token| matches!(token, Token::Braces(_))) {
            return Err(format!(
                "`{text}` has no path in braces; write jsonpath={{.name}}, or of a list jsonpath={{.items[*].name}}"
            ));
        }
        let mut tokens = tokens.into_iter();
        let parts = parts(&mut tokens, 0)?;
        Ok(Self(parts))
    }

    /// What it makes of a value.
    pub(super) fn print(&self, value: &Value) -> String {
        let mut text = String::new();
        print(&self.0, value, value, &mut text);
        text
    }
}

fn print(parts: &[Part], root: &Value, here: &Value, text: &mut String) {
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Find(path) => {
                let words: Vec<_> = path.find(root, here).into_iter().map(word).collect();
                text.push_str(&words.join(" "));
            }
            Part::Range(path, parts) => {
                path.find(root, here).into_iter().for_each(|found| print(parts, root, found, text));
            }
        }
    }
}

impl Path {
    fn find<'a>(&self, root: &'a Value, here: &'a Value) -> Vec<&'a Value> {
        self.path.query(if self.root { root } else { here }).all()
    }
}

/// A value: a text as it is but for what a terminal would obey, everything else as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => {
            text.chars().map(|c| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c }).collect()
        }
        other => other.to_string(),
    }
}

/// Cuts a template at its braces; those within quotes count as text.
fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(open) = rest.find('{') {
        if open > 0 {
            tokens.push(Token::Text(&rest[..open]));
        }
        let inner = &rest[open + 1..];
        let close = closing(inner).ok_or_else(|| format!("`{rest}`: the `}}` is missing"))?;
        tokens.push(Token::Braces(inner[..close].trim()));
        rest = &inner[close + 1..];
    }
    if !rest.is_empty() {
        tokens.push(Token::Text(rest));
    }
    Ok(tokens)
}

/// Where the brace is closed.
fn closing(inner: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

/// The parts up to the end of the template, or of the range at this depth.
fn parts<'a>(tokens: &mut impl Iterator<Item = Token<'a>>, depth: usize) -> Result<Vec<Part>, String> {
    let mut found = Vec::new();
    while let Some(token) = tokens.next() {
        let inner = match token {
            Token::Text(text) => {
                found.push(Part::Text(text.to_owned()));
                continue;
            }
            Token::Braces(inner) => inner,
        };
        if inner == "end" {
            if depth == 0 {
                return Err("there is an {end} without a {range …} before it".to_owned());
            }
            return Ok(found);
        }
        if let Some(over) = inner.strip_prefix("range ") {
            if depth == DEEPEST {
                return Err(format!("more than {DEEPEST} ranges are within each other"));
            }
            let path = path(over)?;
            found.push(Part::Range(path, parts(tokens, depth + 1)?));
        } else if inner.starts_with(['"', '\'']) {
            found.push(Part::Text(literal(inner)?));
        } else {
            found.push(Part::Find(path(inner)?));
        }
    }
    if depth > 0 {
        return Err("the {end} of a {range …} is missing".to_owned());
    }
    Ok(found)
}

/// A path as `kubectl` writes it: the `$` may be missing, `@` is where a range is.
fn path(text: &str) -> Result<Path, String> {
    let text = text.trim();
    let root = text.starts_with('$');
    let steps = text.strip_prefix(['$', '@']).unwrap_or(text);
    // The whole, as kubectl writes it.
    let steps = if steps == "." { "" } else { steps };
    let begins = steps.is_empty() || steps.starts_with(['.', '[']);
    let parsed = if begins { JsonPath::parse(&format!("${steps}")).ok() } else { None };
    parsed.map(|path| Path { root, path }).ok_or_else(|| {
        format!(
            "`{{{text}}}` is no path; write it like {{.name}}, {{.items[*].status.state}} or {{.items[?(@.name==\"m1\")].id}}, and a name with other characters than letters, digits and `_` as {{.spec.labels['my-key']}}"
        )
    })
}

/// A text in quotes, with `\n`, `\t`, `\\` and quotes.
fn literal(quoted: &str) -> Result<String, String> {
    let wrong = || format!("`{{{quoted}}}` is no text; write it like {{\"\\n\"}}");
    let quote = quoted.chars().next().ok_or_else(wrong)?;
    let inner = quoted[1..].strip_suffix(quote).ok_or_else(wrong)?;
    let (mut text, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                _ => return Err(wrong()),
            },
            c if c == quote => return Err(wrong()),
            c => text.push(c),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::Template;
    use serde_json::json;

    #[test]
    fn what_kubectl_takes() {
        let value = json!({ "items": [
            { "name": "m1", "spec": { "macs": ["a", "b"], "labels": { "my-key": "x" } }, "held": null, "size": 4 },
            { "name": "m2\u{1b}[2J", "spec": { "macs": [], "labels": {} }, "size": 5 },
        ] });
        for (template, want) in [
            ("{.items[*].name}", "m1 m2\u{fffd}[2J"),
            ("{$.items[0].name}", "m1"),
            ("{@.items[0].spec.macs}", "[\"a\",\"b\"]"),
            ("{.items[0].spec.macs[*]}", "a b"),
            ("{..size}", "4 5"),
            ("{.items[?(@.size==5)].size}", "5"),
            ("{.items[?(@.name==\"m1\")].spec.labels['my-key']}", "x"),
            ("{range .items[*]}{.size}={.spec.macs[0]}{\"\\n\"}{end}", "4=a\n5=\n"),
            ("{range .items[*]}{range .spec.macs[*]}{@}{$.items[0].size},{end}{end}", "a4,b4,"),
            ("a {.items[0].size}{\"}\\t\\\"\"}b", "a 4}\t\"b"),
            ("{.items[0].none}{.items[0].held}", "null"),
            ("{.items[-1:].size}", "5"),
        ] {
            let read = Template::read(template).unwrap_or_else(|said| panic!("{template}: {said}"));
            assert_eq!(read.print(&value), want, "{template}");
        }
        assert_eq!(Template::read("{.}").unwrap().print(&json!([1])), "[1]");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (template, says) in [
            ("", "write jsonpath={.name}"),
            (".name", "no path in braces"),
            ("{.name", "the `}` is missing"),
            ("{name}", "is no path"),
            ("{.a-b}", "['my-key']"),
            ("{.items[}", "is no path"),
            ("{end}", "without a {range"),
            ("{range .items[*]}{.a}", "the {end}"),
            ("{\"a}", "the `}` is missing"),
            ("{\"\\x\"}", "is no text"),
        ] {
            let said = Template::read(template).expect_err(template);
            assert!(said.contains(says), "{template}: {said}");
        }
    }
}
