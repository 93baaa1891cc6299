//! Versions of firmware, compared by their numbers.

/// A range of versions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Firmware {
    /// All.
    Any,
    /// Those before this one.
    Before(&'static str),
    /// This one.
    Only(&'static str),
}

impl Firmware {
    /// Whether a version is in the range. One that isn't told is in no range but `Any`.
    pub(crate) fn covers(self, version: Option<&str>) -> bool {
        let numbers = version.map(numbers).filter(|numbers| !numbers.is_empty());
        match (self, numbers) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Before(end), Some(version)) => version < self::numbers(end),
            (Self::Only(one), Some(version)) => version == self::numbers(one),
        }
    }
}

/// The numbers of a version, at most eight. It is the word with a dot in it, because names go before it (`iLO 5 v2.72`
/// is not 5.2.72) and dates after it (`AFBT30O 3.60 2022-12-28` is 3.60); else the last with a digit.
fn numbers(version: &str) -> Vec<u64> {
    let dotted = |word: &&str| {
        let mut parts = word.trim_start_matches(|c: char| c.is_ascii_alphabetic()).split('.');
        let number =
            |part: Option<&str>| part.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        number(parts.next()) && number(parts.next())
    };
    let last = version.split_whitespace().find(dotted).or_else(|| {
        version.split_whitespace().rev().find(|word| word.contains(|c: char| c.is_ascii_digit()))
    });
    let mut numbers: Vec<u64> = last
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .take(8)
        .collect();
    // 2.70 and 2.70.0 are the same.
    while numbers.last() == Some(&0) && numbers.len() > 1 {
        numbers.pop();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let table = [
            (Firmware::Before("2.70"), "iLO 5 v2.65", true),
            (Firmware::Before("2.70"), "iLO 5 v2.72", false),
            (Firmware::Before("2.70"), "2.70.0", false),
            (Firmware::Before("3.70"), "AFBT30O 3.60 2022-12-28", true),
            (Firmware::Only("9.10"), "QGX340J 9.10 2024-05-15", true),
            (Firmware::Only("9.10"), "QGX340J 9.11 2024-05-15", false),
            (Firmware::Only("3.10"), "3.10 build 7.7", true),
            (Firmware::Before("7"), "version 7", false),
            (Firmware::Before("10.0"), "9.99", true),
            (Firmware::Before("6.10.30.00"), "6.10.80.00", false),
            (Firmware::Before("6.10.30.00"), "6.9.99.99", true),
            (Firmware::Before("7"), "7.00.00.171", false),
            (Firmware::Before("1.0"), "", false),
            (Firmware::Before("1.0"), "unknown", false),
            (Firmware::Any, "", true),
        ];
        for (range, version, covered) in table {
            assert_eq!(range.covers(Some(version)), covered, "{range:?} {version}");
        }
        assert!(Firmware::Any.covers(None) && !Firmware::Before("1").covers(None));
    }
}
