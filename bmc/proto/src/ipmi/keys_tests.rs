//! Golden codes and keys, and the sealing of packets.
//!
//! Suite 3: a login of ipmitool 1.8.19 at OpenIPMI's ipmi_sim, captured from the wire; K1 and K2 as ipmitool
//! prints them. Suite 17: the same numbers put through Python's hmac and openssl's AES.

use super::*;
use crate::ipmi::packet::{Packet, parse, payload};
use proptest::prelude::*;

const PASSWORD: &[u8] = b"secret";

struct Golden {
    suite: CipherSuite,
    rakp2: &'static str,
    rakp3: &'static str,
    session_key: &'static str,
    rakp4: &'static str,
    k1: &'static str,
    k2: &'static str,
    /// Set Session Privilege Level, sealed for session 2 with sequence number 3.
    packet: &'static str,
}

const GOLDEN: [Golden; 2] = [
    Golden {
        suite: CipherSuite::Three,
        rakp2: "9799507bbb8a685b0f8449d3b2302d4df7b25e57",
        rakp3: "55083c171dff994cc37ae103d290d3e62372bfee",
        session_key: "6da37c776b41cc1acf571173a00b420e3f11431d",
        rakp4: "4d50a6148cbcc7261671fc28",
        k1: "a0bc648db9cc53d7c20a24789bb398a5191a18e3",
        k2: "7f2de6760b0a7d0eb8e173ece61f69da",
        packet: "0600ff0706c002000000030000002000741b5aca823748d98784cb3e33873abb\
                 28d8a67f3763724e277c5cbd3b567ac4ffff0207545cf3e8e6bd40c33c956758",
    },
    Golden {
        suite: CipherSuite::Seventeen,
        rakp2: "c9dea79645ab145bda99620e4c1721a90735dc57eea6add75af64f1e2c1a3a06",
        rakp3: "77e2bd5b5cd9a05427a58093c013b976c3db99bd012613d6103ec911a6e70863",
        session_key: "ce70f33c8851c14f6551fa67bffed04d8a57cdbe6dca1c1794fb97030f7f8647",
        rakp4: "6e5a1cf3ca3bc9196f4b436808c2f2ed",
        k1: "f8bd467af2e02fbb09dbc740d89cb24108f28089af2e81f70cd749198b45e86b",
        k2: "6e86da261a89da33c4874073b7a8a7e6",
        packet: "0600ff0706c002000000030000002000741b5aca823748d98784cb3e33873abb\
                 7636c67dd24087911e78b28dc73978e0ffff0207d1624fb545750b2d14f24313a6116a6a",
    },
];

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn exchange(suite: CipherSuite) -> Exchange {
    Exchange {
        suite,
        console_id: 0xA0A2_A3A4,
        system_id: 2,
        console_random: bytes("02fbc53f8bcc7bf9cc990474cf1198b1"),
        system_random: bytes("05ed934bc709e2fdeb28a0df4bcc9b16"),
        system_guid: bytes("a123456789abcdefa123456789000002"),
        role: 0x14,
        username: b"admin".to_vec(),
    }
}

#[test]
fn codes_and_keys_are_golden() {
    for golden in GOLDEN {
        let exchange = exchange(golden.suite);
        assert_eq!(hex::encode(&*exchange.rakp2_code(PASSWORD)), golden.rakp2);
        assert_eq!(hex::encode(&*exchange.rakp3_code(PASSWORD)), golden.rakp3);
        let session_key = exchange.session_key(PASSWORD);
        assert_eq!(hex::encode(&*session_key), golden.session_key);
        assert_eq!(hex::encode(&*exchange.rakp4_code(&session_key)), golden.rakp4);
        let protection = Protection::new(golden.suite, &session_key);
        assert_eq!(hex::encode(&*protection.integrity), golden.k1);
        assert_eq!(hex::encode(*protection.encryption), golden.k2);
    }
}

#[test]
fn the_bmc_key_changes_the_session_key_only() {
    let exchange = exchange(CipherSuite::Seventeen);
    assert_ne!(exchange.session_key(b"kg"), exchange.session_key(PASSWORD));
    // Padding with zeros to 20 bytes, as the specification writes it, makes no difference to an HMAC.
    let mut padded = PASSWORD.to_vec();
    padded.resize(20, 0);
    assert_eq!(exchange.session_key(&padded), exchange.session_key(PASSWORD));
}

#[test]
fn packets_are_golden() {
    let message: [u8; 8] = bytes("2018c881043b043c");
    let iv = bytes("741b5aca823748d98784cb3e33873abb");
    for golden in GOLDEN {
        let protection = Protection::new(golden.suite, &hex::decode(golden.session_key).unwrap());
        let sealed = protection.seal(payload::IPMI, 2, 3, &message, iv);
        assert_eq!(hex::encode(&sealed), golden.packet);
        let Some(Packet::Plus(plus)) = parse(&sealed) else { panic!("not RMCP+") };
        assert_eq!((plus.session_id, plus.sequence), (2, 3));
        assert_eq!(protection.open(&plus).as_deref(), Ok(&message.to_vec()));
    }
}

/// What ipmi_sim answered to it.
#[test]
fn an_answer_of_a_stranger_is_opened() {
    let protection = Protection::new(CipherSuite::Three, &hex::decode(GOLDEN[0].session_key).unwrap());
    let datagram: [u8; 64] = bytes(
        "0600ff0706c0a4a3a2a00100000020000cfff149da34521578c44c53e083f850\
         79c87985aa17b19e23bd78e88dc3fa64ffff0207480922d0944558d12dce011a",
    );
    let Some(Packet::Plus(plus)) = parse(&datagram) else { panic!("not RMCP+") };
    assert_eq!(hex::encode(&*protection.open(&plus).unwrap()), "811c6320043b00049d");
}

fn protection(suite: CipherSuite) -> Protection {
    Protection::new(suite, b"some session key")
}

#[test]
fn the_negotiated_bits_are_demanded() {
    let protection = protection(CipherSuite::Seventeen);
    let sealed = protection.seal(payload::IPMI, 2, 3, b"hello", [0; 16]);
    for mask in [0x00, 0x40, 0x80] {
        let mut weakened = sealed.clone();
        weakened[5] &= mask;
        let Some(Packet::Plus(plus)) = parse(&weakened) else { panic!("not RMCP+") };
        assert_eq!(protection.open(&plus), Err(Rejection::Unprotected), "{mask:#x}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(
        message in proptest::collection::vec(any::<u8>(), 0..80), id: u32, sequence: u32, iv: [u8; 16], strong: bool
    ) {
        let suite = if strong { CipherSuite::Seventeen } else { CipherSuite::Three };
        let sealed = protection(suite).seal(payload::IPMI, id, sequence, &message, iv);
        let Some(Packet::Plus(plus)) = parse(&sealed) else { panic!("not RMCP+") };
        prop_assert_eq!((plus.session_id, plus.sequence), (id, sequence));
        let opened = protection(suite).open(&plus).map(|opened| opened.to_vec());
        prop_assert_eq!(opened, Ok(message));
        // The signed part's length is a multiple of four (13.6).
        prop_assert_eq!((sealed.len() - 4 - suite.integrity_len()) % 4, 0);
    }

    #[test]
    fn a_changed_packet_is_not_opened(at in 4usize..80, flip in 1u8.., cut in 0usize..40) {
        let protection = protection(CipherSuite::Seventeen);
        let mut sealed = protection.seal(payload::IPMI, 2, 3, b"hello, BMC", [7; 16]);
        let at = 4 + (at - 4) % (sealed.len() - 4);
        sealed[at] ^= flip;
        sealed.truncate(sealed.len() - cut);
        if let Some(Packet::Plus(plus)) = parse(&sealed) {
            prop_assert!(protection.open(&plus).is_err());
        }
    }

    /// Also with a right signature, whatever decrypts must not panic.
    #[test]
    fn signed_nonsense_is_an_error_or_data(body in proptest::collection::vec(any::<u8>(), 0..70)) {
        let protection = protection(CipherSuite::Three);
        let mut datagram = packet::plus_header(0xC0, 2, 3, body.len());
        datagram.extend(&body);
        datagram.extend([0, packet::NEXT_HEADER]);
        let code = CipherSuite::Three.hmac(&protection.integrity, &[&datagram[4..]]);
        datagram.extend(&code[..12]);
        let Some(Packet::Plus(plus)) = parse(&datagram) else { panic!("not RMCP+") };
        let opened = protection.open(&plus);
        prop_assert!(opened.is_ok() || opened == Err(Rejection::Malformed));
    }
}

/// Seals with any padding, rightly signed.
fn seal_oddly(suite: CipherSuite, plain: &[u8], trailer: &[u8]) -> Vec<u8> {
    let protection = protection(suite);
    let iv = [3; 16];
    let mut body = iv.to_vec();
    body.extend(
        cbc::Encryptor::<aes::Aes128>::new((&*protection.encryption).into(), &iv.into())
            .encrypt_padded_vec_mut::<NoPadding>(plain),
    );
    let mut datagram = packet::plus_header(0xC0, 2, 3, body.len());
    datagram.extend(&body);
    datagram.extend(trailer);
    let code = suite.hmac(&protection.integrity, &[&datagram[4..]]);
    datagram.extend(&code[..suite.integrity_len()]);
    datagram
}

/// BMCs pad otherwise than the specification: a whole block where none is needed (OpenBMC's `crypt_algo.cpp`), other
/// bytes than 1, 2, 3, …; and before the signature to other lengths (ipmitool's `icts`), with other bytes than 0xFF.
#[test]
fn odd_padding_is_taken() {
    let whole_block: Vec<u8> = (0..15).chain(1..=16).chain([16]).collect();
    let zeros: Vec<u8> = (0..15).chain([0; 16]).chain([16]).collect();
    let trailers: [&[u8]; 6] = [
        &[0xFF, 0xFF, 2, 7],
        &[0, 7],
        &[0xFF, 1, 7],
        &[0, 0, 2, 7],
        &[0xFF, 0xFF, 0xFF, 0xFF, 4, 7],
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 6, 7],
    ];
    for suite in CipherSuite::ALL {
        for plain in [&whole_block, &zeros] {
            for trailer in trailers {
                let datagram = seal_oddly(suite, plain, trailer);
                let Some(Packet::Plus(plus)) = parse(&datagram) else { panic!("not RMCP+") };
                let opened = protection(suite).open(&plus);
                assert_eq!(opened.as_deref(), Ok(&(0..15).collect()), "{trailer:?}");
            }
        }
    }
}

#[test]
fn padding_that_is_longer_than_the_packet_is_malformed() {
    for length in [16, 17, 255] {
        let mut plain = vec![0; 15];
        plain.push(length);
        let datagram = seal_oddly(CipherSuite::Three, &plain, &[0xFF, 0xFF, 2, 7]);
        let Some(Packet::Plus(plus)) = parse(&datagram) else { panic!("not RMCP+") };
        assert_eq!(protection(CipherSuite::Three).open(&plus), Err(Rejection::Malformed), "{length}");
    }
}
