//! Passwords that are among the first that anybody tries, though they are long enough: made of words of the lists of leaked
//! passwords, of rows of keys, of counting, of repetition, or of the user's own name (NIST SP 800-63B, section 5.1.1.2).
//!
//! Judged by its parts, since no list of leaked passwords has many as long as ours have to be; guessers put the short ones
//! together. Pure. Deliberately not here: how long a password has to be (`password`).

use std::collections::BTreeSet;

/// Fewest letters that nobody would try first, or half of what there has to be together with digits and signs. A word is none
/// of them.
const OWN: usize = 5;

/// Fewest different characters.
const DIFFERENT: usize = 5;

/// The shortest run along a row of keys, an alphabet or the digits that is counted as one.
const RUN: usize = 4;

/// Words that leaked passwords are made of, most of all those of administrators, and of ours.
const WORDS: &[&str] = &[
    "access",
    "account",
    "admin",
    "administrator",
    "adobe123",
    "apple",
    "autumn",
    "azerty",
    "babygirl",
    "baseball",
    "basketball",
    "batman",
    "billet",
    "butterfly",
    "changeit",
    "changeme",
    "charlie",
    "cheese",
    "chelsea",
    "chocolate",
    "cisco",
    "computer",
    "dallas",
    "default",
    "dragon",
    "flower",
    "football",
    "forever",
    "freedom",
    "friend",
    "gandalf",
    "ginger",
    "google",
    "guest",
    "hannah",
    "harley",
    "hello",
    "hockey",
    "hunter",
    "iloveyou",
    "internet",
    "jennifer",
    "jessica",
    "jordan",
    "killer",
    "letmein",
    "liverpool",
    "login",
    "looking",
    "lovely",
    "loveme",
    "maggie",
    "manager",
    "master",
    "matrix",
    "merlin",
    "michael",
    "michelle",
    "monkey",
    "mustang",
    "naruto",
    "nicole",
    "ninja",
    "nothing",
    "oracle",
    "passphrase",
    "passwort",
    "password",
    "passwd",
    "pepper",
    "please",
    "pokemon",
    "princess",
    "provision",
    "purple",
    "qwertz",
    "raspberry",
    "ranger",
    "root",
    "samsung",
    "scooter",
    "secret",
    "server",
    "shadow",
    "silver",
    "soccer",
    "spring",
    "starwars",
    "strong",
    "summer",
    "sunshine",
    "superman",
    "support",
    "supervisor",
    "sysadmin",
    "system",
    "temporary",
    "tempora",
    "test",
    "testing",
    "thomas",
    "tigger",
    "toor",
    "trustno",
    "ubuntu",
    "user",
    "vmware",
    "welcome",
    "whatever",
    "windows",
    "winter",
    "wizard",
    "yankees",
    "zaq1zaq1",
];

/// What keys and counting run along.
const ROWS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
    "!@#$%^&*()",
];

/// What is wrong with a password that somebody would try among the first.
pub(crate) fn common(password: &str, user: &str) -> Option<&'static str> {
    let plain: Vec<char> = password.chars().flat_map(char::to_lowercase).map(unmasked).collect();
    let mut different = plain.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT {
        return Some("it is made of few different characters; use more");
    }
    if period(&plain).is_some_and(|period| period * 2 <= plain.len() && period < 2 * OWN) {
        return Some(
            "it says the same again and again; use several words that have nothing to do with each other",
        );
    }
    let (letters, parts) = own(password, user);
    if letters < OWN && letters + parts < 2 * OWN {
        return Some(
            "it is made of what is tried first (words of leaked passwords, rows of keys, counting, the user's name); use several words that have nothing to do with each other",
        );
    }
    None
}

/// How many letters, and how many digits and signs, are of no word, no row, no name and no year. Digits are read as letters,
/// and as what they are. A row or a year counts as one sign, and so does each digit or sign that did not follow the same
/// character before.
fn own(password: &str, user: &str) -> (usize, usize) {
    let lower: Vec<char> = password.chars().flat_map(char::to_lowercase).collect();
    let letters: Vec<char> = lower.iter().copied().map(unmasked).collect();
    let name = Some(user).filter(|name| name.len() >= 3);
    let (mut at, mut own, mut parts) = (0, 0, 0);
    let mut pairs = BTreeSet::new();
    while at < lower.len() {
        let words = WORDS.iter().copied().chain(name);
        let word = words.filter(|word| begins(&lower[at..], word) || begins(&letters[at..], word));
        let word = word.map(str::len).max();
        let row = run(&lower[at..]).into_iter().chain(year(&lower, at)).max();
        if let Some(length) = word.max(row) {
            parts += usize::from(word < row);
            at += length;
            continue;
        }
        let pair = (at.checked_sub(1).map(|before| lower[before]), lower[at]);
        if lower[at].is_alphabetic() {
            own += 1;
        } else if !lower[at].is_whitespace() && pairs.insert(pair) {
            parts += 1;
        }
        at += 1;
    }
    (own, parts)
}

/// The length of a year that stands by itself: digits on neither side.
fn year(text: &[char], at: usize) -> Option<usize> {
    const LENGTH: usize = 4;
    let digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
    let alone = !at.checked_sub(1).is_some_and(digit) && !digit(at + LENGTH);
    let century = text.get(at..at + 2).is_some_and(|two| two == ['1', '9'] || two == ['2', '0']);
    (alone && century && digit(at + 2) && digit(at + 3)).then_some(LENGTH)
}

fn begins(text: &[char], word: &str) -> bool {
    let mut text = text.iter();
    word.chars().all(|letter| text.next() == Some(&letter))
}

/// How far it goes along a row from the first character on, forwards or backwards.
fn run(text: &[char]) -> Option<usize> {
    let along = |row: &mut dyn Iterator<Item = char>| {
        let mut row = row.skip_while(|letter| Some(letter) != text.first());
        text.iter().take_while(|letter| row.next().as_ref() == Some(*letter)).count()
    };
    let rows = ROWS.iter().flat_map(|row| [along(&mut row.chars()), along(&mut row.chars().rev())]);
    let same = text.iter().take_while(|letter| Some(*letter) == text.first()).count();
    rows.chain([same]).max().filter(|length| *length >= RUN)
}

/// A letter for the digit or sign that often stands for it.
fn unmasked(letter: char) -> char {
    match letter {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// After how many characters it begins anew.
fn period(text: &[char]) -> Option<usize> {
    (1..text.len()).find(|period| text.iter().skip(*period).eq(text.iter().take(text.len() - period)))
}

#[cfg(test)]
mod tests {
    use super::common;

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in [
            "passwordpassword",
            "Password1234!",
            "P@ssw0rd12345",
            "qwertyuiop12",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc",
            "123456789012",
            "098765432109",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "letmeinletmein",
            "Welcome2026!!!",
            "administrator",
            "Admin-123456",
            "changeme2026",
            "abcdefghijkl",
            "correct-correct-",
            "iloveyou1234567",
            "superman-batman",
            "summerwinter26",
            "billet-admin-1",
            "annemarie2026!",
            "ZYXWVUTSRQPO",
            "password1212121212",
            "password19841231",
            "Password!@#$%^&*()",
            "Summer2024Winter2025!",
            "abcPassword123!",
            "password 2024-12-25",
        ] {
            assert!(common(password, "annemarie").is_some(), "{password}");
        }
    }

    /// Generated passwords as `openssl rand` prints them, of digits, and of signs.
    #[test]
    fn what_is_random_is_taken() {
        use sha2::{Digest, Sha256};
        let base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (alphabet, length) in
            [("0123456789abcdef", 16), (base64, 16), ("0123456789", 16), ("0123456789!#%&()*+,-./:;<=>?", 14)]
        {
            let alphabet: Vec<char> = alphabet.chars().collect();
            for number in 0..2000_u32 {
                let random = Sha256::digest(number.to_be_bytes());
                let pairs = random.chunks(2).map(|two| usize::from(two[0]) * 256 + usize::from(two[1]));
                let password: String =
                    pairs.take(length).map(|pair| alphabet[pair % alphabet.len()]).collect();
                let different: std::collections::BTreeSet<_> = password.chars().collect();
                // Of sixteen digits, one password in a thousand has four different ones; that is little.
                let told = common(&password, "ann");
                assert!(told.is_none() || different.len() < super::DIFFERENT, "{password}: {told:?}");
            }
        }
    }

    #[test]
    fn what_nobody_would_think_of_first_is_taken() {
        for password in [
            "correct horse battery",
            "correct horse battery staple",
            "vK4#tm9Lq2xZ",
            "password of my aunt Gerda",
            "Zwölf Boxkämpfer jagen",
            "8f3kq0z7wbxd",
            "дом на берегу реки",
            "lawn-otter-cliff",
        ] {
            assert_eq!(common(password, "ann"), None, "{password}");
        }
    }
}
