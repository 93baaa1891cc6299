//! Reading a label selector as `kubectl -l` takes it: `a=b,c!=d,e in (x,y),f notin (z),g,!h`. Pure; each error says what
//! would be right.

use provisioner_api::{LabelExpression, LabelOperator};
use provisioner_lifecycle::labels_satisfy;
use std::collections::BTreeMap;

/// A selector: labels with their values, and what else labels have to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    /// `key=value`.
    pub(crate) equal: BTreeMap<String, String>,
    /// The rest.
    pub(crate) expressions: Vec<LabelExpression>,
}

impl Selector {
    /// All of several selectors at once.
    ///
    /// # Errors
    /// When two of them want another value of the same label.
    pub(crate) fn all(selectors: Vec<Self>) -> Result<Self, String> {
        let mut whole = Self::default();
        for one in selectors {
            for (key, value) in one.equal {
                whole.want(key, value)?;
            }
            whole.expressions.extend(one.expressions);
        }
        Ok(whole)
    }

    /// Whether these labels are as it wants them.
    pub(crate) fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        labels_satisfy(labels, &self.equal, &self.expressions)
    }

    /// The keys of labels without which nothing fits.
    pub(crate) fn needed(&self) -> impl Iterator<Item = &str> {
        let needs =
            |one: &&LabelExpression| matches!(one.operator, LabelOperator::In | LabelOperator::Exists);
        let others = self.expressions.iter().filter(needs).map(|one| one.key.as_str());
        self.equal.keys().map(String::as_str).chain(others)
    }

    fn want(&mut self, key: String, value: String) -> Result<(), String> {
        match self.equal.get(&key) {
            Some(other) if *other != value => Err(format!(
                "no label `{key}` is both `{other}` and `{value}`; write `{key} in ({other},{value})`"
            )),
            _ => {
                self.equal.insert(key, value);
                Ok(())
            }
        }
    }
}

/// Reads a selector.
pub(crate) fn selector(text: &str) -> Result<Selector, String> {
    let mut selector = Selector::default();
    for part in parts(text)? {
        let (key, operator, values) = requirement(part)?;
        if operator == LabelOperator::In && !part.trim_end().ends_with(')') {
            // One value by `=`: `requirement` gave exactly it.
            selector.want(key, values.into_iter().next().unwrap_or_default())?;
        } else {
            selector.expressions.push(LabelExpression { key, operator, values });
        }
    }
    Ok(selector)
}

/// The requirements: what stands between commas that are in no parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut from, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if inside => return Err(format!("`{text}`: there is a `(` within parentheses")),
            '(' => inside = true,
            ')' if !inside => return Err(format!("`{text}`: there is no `(` before the `)`")),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("`{text}`: the `)` is missing"));
    }
    parts.push(&text[from..]);
    Ok(parts)
}

fn requirement(part: &str) -> Result<(String, LabelOperator, Vec<String>), String> {
    let text = part.trim();
    if let Some(list) = text.strip_suffix(')') {
        return among(text, list);
    }
    if let Some((left, right)) = text.split_once("!=") {
        return Ok((key(text, left)?, LabelOperator::NotIn, vec![value(text, right)?]));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok((key(text, left)?, LabelOperator::In, vec![value(text, right)?]));
    }
    if let Some(left) = text.strip_prefix('!') {
        return Ok((key(text, left)?, LabelOperator::DoesNotExist, Vec::new()));
    }
    Ok((key(text, text)?, LabelOperator::Exists, Vec::new()))
}

/// `key in (a,b` and `key notin (a,b`.
fn among(text: &str, list: &str) -> Result<(String, LabelOperator, Vec<String>), String> {
    let (left, list) = list.split_once('(').ok_or_else(|| wrong(text))?;
    let mut words = left.split_whitespace();
    let (name, operator) = match (words.next(), words.next(), words.next()) {
        (Some(name), Some("in"), None) => (name, LabelOperator::In),
        (Some(name), Some("notin"), None) => (name, LabelOperator::NotIn),
        _ => return Err(wrong(text)),
    };
    let values = list.split(',').map(|one| value(text, one)).collect::<Result<_, _>>()?;
    Ok((key(text, name)?, operator, values))
}

fn key(text: &str, name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() || !plain(name) { Err(wrong(text)) } else { Ok(name.to_owned()) }
}

fn value(text: &str, value: &str) -> Result<String, String> {
    let value = value.trim();
    if plain(value) { Ok(value.to_owned()) } else { Err(wrong(text)) }
}

fn plain(part: &str) -> bool {
    part.len() <= 63 && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is no requirement on a label; write a=b, a!=b, a in (x,y), a notin (x,y), a or !a, keys and values of up to 63 letters, digits, `.`, `_`, `-`, `/`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was understood, written again.
    fn read(text: &str) -> Result<String, String> {
        let Selector { equal, expressions } = selector(text)?;
        let equal = equal.iter().map(|(key, value)| format!("{key}={value}"));
        Ok(equal.chain(expressions.iter().map(ToString::to_string)).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn what_kubectl_takes() {
        for (text, same) in [
            ("a=b,c!=d,e in (x,y),f notin (z),g,!h", "a=b,c!=d,e in (x,y),f!=z,g,!h"),
            ("a==b", "a=b"),
            (" a = b , c ", "a=b,c"),
            ("a=", "a="),
            ("e in(x)", "e=x"),
            ("example.org/rack in ( r1 , r2 )", "example.org/rack in (r1,r2)"),
            ("a=b,a=b", "a=b"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(same), "{text}");
        }
        let one = selector("e in (x)").unwrap();
        assert!(one.equal.is_empty() && one.expressions[0].operator == LabelOperator::In);
    }

    #[test]
    fn labels_fit_or_not_and_some_keys_are_needed() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned()), ("g".to_owned(), String::new())]);
        for (text, fits, needed) in [
            ("a=b", true, "a"),
            ("a=c", false, "a"),
            ("a!=c,!h", true, ""),
            ("g,e in (x,y)", false, "g e"),
            ("e notin (x)", true, ""),
        ] {
            let selector = selector(text).unwrap();
            assert_eq!(selector.fits(&labels), fits, "{text}");
            assert_eq!(selector.needed().collect::<Vec<_>>().join(" "), needed, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("", "write a=b"),
            ("a,,b", "write a=b"),
            ("a b", "write a=b"),
            ("a=b c", "write a=b"),
            ("=b", "write a=b"),
            ("!", "write a=b"),
            ("a in x", "write a=b"),
            ("a in (x", "the `)` is missing"),
            ("a in x)", "no `(` before"),
            ("a in ((x)", "`(` within"),
            ("a at (x)", "write a=b"),
            ("in (x)", "write a=b"),
            ("a=b,a=c", "a in (b,c)"),
            ("a>1", "write a=b"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(says), "{text}: {said}");
        }
        let twice = Selector::all(vec![selector("a=b").unwrap(), selector("a=c").unwrap()]);
        assert!(twice.unwrap_err().contains("both"));
    }
}
