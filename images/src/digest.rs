//! Digests of whole files, as people write them: `sha256:` or `sha512:` and hexadecimal digits.
//!
//! What manifests say of their chunks is another matter: there it is SHA-256 without a name.

use sha2::{Digest, Sha256, Sha512};
use std::fmt;

/// A way to make a digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Hexadecimal digits of a digest.
    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The one whose digests look like `hex`.
    fn of(hex: &str) -> Option<Self> {
        let fits = |way: &Self| hex.len() == way.digits() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        Self::ALL.into_iter().find(fits)
    }
}

/// The digest of a file. Its text is `sha256:` with 64, or `sha512:` with 128 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    algorithm: Algorithm,
    hex: String,
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// Why a text is no digest; each says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestForm {
    /// Only the digits.
    #[error("the algorithm is missing; write {algorithm}:{hex}")]
    Bare {
        /// What has so many digits.
        algorithm: &'static str,
        /// The digits.
        hex: String,
    },
    /// Not as many digits as the algorithm has, or none at all.
    #[error("after `{algorithm}:` there must be {digits} hexadecimal digits")]
    Digits {
        /// What was named.
        algorithm: &'static str,
        /// How many it has.
        digits: usize,
    },
    /// The digits of the other algorithm.
    #[error("these are as many digits as a digest by {looks_like} has; write {looks_like}: before them")]
    Other {
        /// What has so many digits.
        looks_like: &'static str,
    },
    /// Another algorithm.
    #[error(
        "`{found}` is not supported; use sha256:, see `sha256sum FILE`, or sha512:, see `sha512sum FILE`"
    )]
    Algorithm {
        /// What was named.
        found: String,
    },
    /// Something else.
    #[error(
        "`{found}` is not a digest; write sha256: and the output of `sha256sum FILE`, or sha512: and that of `sha512sum FILE`"
    )]
    Form {
        /// What was given.
        found: String,
    },
}

impl FileDigest {
    /// Reads a digest; capital letters are made small.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, DigestForm> {
        if let Some(bare) = Algorithm::of(text) {
            return Err(DigestForm::Bare { algorithm: bare.name(), hex: text.to_owned() });
        }
        let short = |text: &str| text.chars().take(200).collect();
        let Some((name, hex)) = text.split_once(':') else {
            return Err(DigestForm::Form { found: short(text) });
        };
        let Some(algorithm) = Algorithm::ALL.into_iter().find(|way| way.name() == name) else {
            return Err(DigestForm::Algorithm { found: short(name) });
        };
        match Algorithm::of(hex) {
            Some(right) if right == algorithm => Ok(Self { algorithm, hex: hex.to_ascii_lowercase() }),
            Some(other) => Err(DigestForm::Other { looks_like: other.name() }),
            None => Err(DigestForm::Digits { algorithm: algorithm.name(), digits: algorithm.digits() }),
        }
    }

    /// What makes a digest of the same kind.
    #[must_use]
    pub fn hasher(&self) -> FileHasher {
        match self.algorithm {
            Algorithm::Sha256 => FileHasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => FileHasher::Sha512(Sha512::new()),
        }
    }
}

/// Makes the digest of a file piece by piece. It can be written to.
pub enum FileHasher {
    /// SHA-256 (FIPS 180-4).
    Sha256(Sha256),
    /// SHA-512 (FIPS 180-4).
    Sha512(Sha512),
}

impl FileHasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(self) -> FileDigest {
        match self {
            Self::Sha256(hash) => {
                FileDigest { algorithm: Algorithm::Sha256, hex: hex::encode(hash.finalize()) }
            }
            Self::Sha512(hash) => {
                FileDigest { algorithm: Algorithm::Sha512, hex: hex::encode(hash.finalize()) }
            }
        }
    }
}

impl std::io::Write for FileHasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_vectors() {
        // FIPS 180-2, appendices B.1 and C.1.
        let short = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let long = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        for text in [short, long] {
            let digest = FileDigest::parse(text).unwrap();
            let mut hasher = digest.hasher();
            hasher.update(b"ab");
            hasher.update(b"c");
            assert_eq!(hasher.finish(), digest);
            assert_eq!(digest.to_string(), text);
            let (name, hex) = text.split_once(':').unwrap();
            assert_eq!(FileDigest::parse(&format!("{name}:{}", hex.to_uppercase())), Ok(digest));
        }
    }

    #[test]
    fn what_is_none_is_told_with_the_mend() {
        let (short, long) = ("ab".repeat(32), "AB".repeat(64));
        let cases = [
            (short.clone(), "write sha256:abab"),
            (long.clone(), "write sha512:ABAB"),
            (format!("sha256:{}", &short[1..]), "after `sha256:` there must be 64 hexadecimal digits"),
            (format!("sha512:{}", &long[1..]), "after `sha512:` there must be 128 hexadecimal digits"),
            (format!("sha256:{}", short.replace('a', "g")), "64 hexadecimal"),
            (format!("sha256:{long}"), "write sha512: before"),
            (format!("sha512:{short}"), "write sha256: before"),
            (format!("SHA256:{short}"), "`SHA256` is not supported; use sha256:"),
            ("md5:d41d8cd98f00b204e9800998ecf8427e".into(), "`md5` is not supported; use sha256:"),
            ("latest".into(), "`latest` is not a digest; write sha256:"),
            (String::new(), "is not a digest"),
        ];
        for (text, expected) in cases {
            let said = FileDigest::parse(&text).unwrap_err().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
