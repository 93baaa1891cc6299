//! The keys of a session: RAKP codes, session integrity key, and the protection of packets (sections 13.28 to 13.32).

use super::packet::{self, Plus};
use super::suite::CipherSuite;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What both sides know when RAKP 2 was received; the input of every code of the key exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The suite that was asked for and granted.
    pub suite: CipherSuite,
    /// Session id that the remote console chose (SIDm).
    pub console_id: u32,
    /// Session id that the managed system chose (SIDc).
    pub system_id: u32,
    /// The remote console's random number (Rm).
    pub console_random: [u8; 16],
    /// The managed system's random number (Rc).
    pub system_random: [u8; 16],
    /// The managed system's GUID as it was sent (GUIDc).
    pub system_guid: [u8; 16],
    /// The whole role byte of RAKP 1, with the look-up bit (Rolem).
    pub role: u8,
    /// User name (UNamem).
    pub username: Vec<u8>,
}

impl Exchange {
    /// The code by which the managed system proves in RAKP 2 that it knows the password (13.31).
    pub fn rakp2_code(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        self.suite.hmac(
            password,
            &[
                &self.console_id.to_le_bytes(),
                &self.system_id.to_le_bytes(),
                &self.console_random,
                &self.system_random,
                &self.system_guid,
                &self.name_part(),
                &self.username,
            ],
        )
    }

    /// The code by which the remote console proves in RAKP 3 that it knows the password (13.31).
    pub fn rakp3_code(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        self.suite.hmac(
            password,
            &[&self.system_random, &self.console_id.to_le_bytes(), &self.name_part(), &self.username],
        )
    }

    /// The session integrity key, SIK (13.31). `key` is Kg, or the password where the BMC has no Kg.
    pub fn session_key(&self, key: &[u8]) -> Zeroizing<Vec<u8>> {
        self.suite.hmac(key, &[&self.console_random, &self.system_random, &self.name_part(), &self.username])
    }

    /// The integrity value of RAKP 4 (13.28.1, 13.28.1b): the HMAC with the session integrity key, cut.
    pub fn rakp4_code(&self, session_key: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut code = self
            .suite
            .hmac(session_key, &[&self.console_random, &self.system_id.to_le_bytes(), &self.system_guid]);
        code.truncate(self.suite.integrity_len());
        code
    }

    fn name_part(&self) -> [u8; 2] {
        // User names are 16 bytes at most; both sides check it before they come here.
        [self.role, u8::try_from(self.username.len()).unwrap_or(u8::MAX)]
    }
}

/// Compares secrets in constant time.
pub fn same(expected: &[u8], got: &[u8]) -> bool {
    expected.ct_eq(got).into()
}

/// Signs and encrypts the packets of one session (both directions use the same keys).
pub struct Protection {
    suite: CipherSuite,
    integrity: Zeroizing<Vec<u8>>,
    encryption: Zeroizing<[u8; 16]>,
}

/// Why a packet inside a session was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not signed or not encrypted though that was negotiated: anybody could have sent it.
    #[error("it was not signed and encrypted as negotiated")]
    Unprotected,
    /// Its signature is wrong, or cut off.
    #[error("its signature is wrong")]
    WrongCode,
    /// Its sequence number was seen already, or is too old.
    #[error("its sequence number was used before")]
    Replayed,
    /// It decrypts to something without valid padding.
    #[error("its encryption is malformed")]
    Malformed,
    /// It is no valid RMCP+ or IPMI message.
    #[error("it is not a valid RMCP+ message")]
    NotIpmi,
    /// It belongs to no message or session of ours.
    #[error("it answers none of our messages")]
    Stray,
}

impl Protection {
    /// Derives K1 and K2 from the session integrity key (13.32).
    pub fn new(suite: CipherSuite, session_key: &[u8]) -> Self {
        let integrity = suite.hmac(session_key, &[&[1; 20]]);
        let k2 = suite.hmac(session_key, &[&[2; 20]]);
        let mut encryption = Zeroizing::new([0; 16]);
        encryption.copy_from_slice(&k2[..16]);
        Self { suite, integrity, encryption }
    }

    /// Makes the datagram of an encrypted and signed payload. `iv` must be unpredictable.
    pub fn seal(&self, payload_type: u8, id: u32, sequence: u32, payload: &[u8], iv: [u8; 16]) -> Vec<u8> {
        let body = self.encrypt(payload, iv);
        let mut datagram = packet::plus_header(
            payload_type | packet::ENCRYPTED | packet::AUTHENTICATED,
            id,
            sequence,
            body.len(),
        );
        datagram.extend_from_slice(&body);
        // The signed part, from the authentication type to the next-header byte, is a multiple of 4 long (13.6).
        let pad = (4 - (datagram.len() - packet::RMCP_LEN + 2) % 4) % 4;
        datagram.extend_from_slice(&[0xFF; 3][..pad]);
        datagram.extend_from_slice(&[pad as u8, packet::NEXT_HEADER]);
        let code = self.suite.hmac(&self.integrity, &[&datagram[packet::RMCP_LEN..]]);
        datagram.extend_from_slice(&code[..self.suite.integrity_len()]);
        datagram
    }

    /// Checks and decrypts a packet of this session. Its sequence number is the caller's to check, after this.
    pub fn open(&self, plus: &Plus<'_>) -> Result<Zeroizing<Vec<u8>>, Rejection> {
        if !plus.authenticated || !plus.encrypted {
            return Err(Rejection::Unprotected);
        }
        let signed_len = plus.whole.len().saturating_sub(self.suite.integrity_len());
        let (signed, code) = plus.whole.split_at(signed_len);
        // The signature must come after the payload and the two trailer bytes, or it would sign less than we read.
        if signed.len() < packet::PLUS_LEN + plus.payload.len() + 2 {
            return Err(Rejection::WrongCode);
        }
        let expected = self.suite.hmac(&self.integrity, &[signed]);
        if !same(&expected[..self.suite.integrity_len()], code) {
            return Err(Rejection::WrongCode);
        }
        self.decrypt(plus.payload).ok_or(Rejection::Malformed)
    }

    /// AES-CBC-128 as in 13.29: the IV, then the data, padding 1, 2, 3, … and the padding's length.
    fn encrypt(&self, payload: &[u8], iv: [u8; 16]) -> Vec<u8> {
        let mut plain = Zeroizing::new(payload.to_vec());
        let pad = (16 - (plain.len() + 1) % 16) % 16;
        plain.extend(1..=pad as u8);
        plain.push(pad as u8);
        let mut body = iv.to_vec();
        body.extend(
            cbc::Encryptor::<aes::Aes128>::new((&*self.encryption).into(), &iv.into())
                .encrypt_padded_vec_mut::<NoPadding>(&plain),
        );
        body
    }

    fn decrypt(&self, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (iv, encrypted) = body.split_at_checked(16)?;
        if encrypted.is_empty() {
            return None;
        }
        let iv: [u8; 16] = iv.try_into().ok()?;
        let plain = cbc::Decryptor::<aes::Aes128>::new((&*self.encryption).into(), &iv.into())
            .decrypt_padded_vec_mut::<NoPadding>(encrypted)
            .ok()?;
        let mut plain = Zeroizing::new(plain);
        let pad = usize::from(*plain.last()?);
        let length = plain.len().checked_sub(pad + 1)?;
        plain.truncate(length);
        Some(plain)
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
