//! New passwords for BMCs. Pure: randomness is an argument.

use bmc::PasswordPolicy;
use zeroize::Zeroizing;

/// As long as a password is made where the BMC takes it: 119 bits of 62 characters. IPMI 2.0 takes 20 at the most.
const LENGTH: u8 = 20;

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";

/// Makes a password that the policy allows: as long as we like it, or as it may be; of every kind of character, whether
/// asked for or not. Marks are used only where that many kinds are wanted: many a BMC's form or shell trips over one.
pub(super) fn new<E>(
    policy: &PasswordPolicy,
    mut random: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Zeroizing<String>, E> {
    let length = usize::from(LENGTH.max(policy.shortest).min(policy.longest));
    let mut kinds = vec![LOWER, UPPER, DIGITS];
    if policy.kinds > 3 && !policy.marks.is_empty() {
        kinds.push(policy.marks.as_bytes());
    }
    let all: Vec<u8> = kinds.concat();
    loop {
        let mut password = Zeroizing::new(String::with_capacity(length));
        while password.len() < length {
            password.push(char::from(pick(&all, &mut random)?));
        }
        let has = |kind: &&[u8]| password.bytes().any(|byte| kind.contains(&byte));
        // One that is shorter than there are kinds can't hold them all.
        if length < kinds.len() || kinds.iter().all(has) {
            return Ok(password);
        }
    }
}

/// One of these bytes, each as likely as the others: a random byte beyond the last whole round is thrown away.
fn pick<E>(of: &[u8], random: &mut impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<u8, E> {
    let round = 256 - 256 % of.len();
    loop {
        let mut byte = [0];
        random(&mut byte)?;
        if usize::from(byte[0]) < round {
            return Ok(of[usize::from(byte[0]) % of.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// A generator that is good enough to tell characters apart.
    fn random(seed: u64) -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
        let mut state = seed;
        move |bytes| {
            for byte in bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            Ok(())
        }
    }

    fn kinds(password: &str) -> usize {
        let tests: [fn(&char) -> bool; 4] = [
            char::is_ascii_lowercase,
            char::is_ascii_uppercase,
            char::is_ascii_digit,
            char::is_ascii_punctuation,
        ];
        tests.iter().filter(|test| password.chars().any(|c| test(&c))).count()
    }

    proptest! {
        #[test]
        fn every_policy_is_kept(seed: u64, shortest in 0u8..40, more in 0u8..40, wanted in 0u8..=4) {
            let longest = (shortest + more).max(4);
            let policy = PasswordPolicy { shortest, longest, kinds: wanted, marks: "-_." };
            let Ok(password) = new(&policy, random(seed));
            let length = password.len();
            prop_assert!((usize::from(shortest)..=usize::from(longest)).contains(&length), "{length}");
            prop_assert!(length >= 16 || length == usize::from(longest), "{length}");
            prop_assert!(kinds(&password) >= usize::from(wanted.max(3)), "{}", *password);
            let marks = |c: char| c.is_ascii_alphanumeric() || (wanted > 3 && "-_.".contains(c));
            prop_assert!(password.chars().all(marks), "{}", *password);
        }
    }

    #[test]
    fn no_character_is_likelier_than_another() {
        // Every byte once: what is beyond the last whole round of 10 is thrown away, or 0 to 5 would come once more.
        let mut bytes = (0..=255u8).collect::<Vec<_>>().into_iter();
        let mut counts = [0; 10];
        let mut random = |byte: &mut [u8]| -> Result<(), ()> {
            byte[0] = bytes.next().ok_or(())?;
            Ok(())
        };
        while let Ok(digit) = pick(DIGITS, &mut random) {
            counts[usize::from(digit - b'0')] += 1;
        }
        assert_eq!(counts, [25; 10]);
    }

    #[test]
    fn two_are_never_the_same() {
        let policy = PasswordPolicy { shortest: 8, longest: 16, kinds: 3, marks: "" };
        let Ok(one) = new(&policy, random(1));
        let Ok(two) = new(&policy, random(2));
        assert_ne!(one, two);
        assert_eq!(one.len(), 16);
    }
}
