//! Text as BMCs store it: BCD plus, packed 6-bit ASCII, Latin-1, UTF-16 (section 43.15; FRU information storage
//! definition 1.3, section 13). What comes out can be printed without harm to a terminal.
//!
//! Deliberately not here: how long a string may be in a record or an area; that is the record's matter.

/// Nibbles of BCD plus (43.15).
const BCD_PLUS: &[u8; 16] = b"0123456789 -.:,_";

/// The text without control characters, marks that turn or hide text, and white space around it.
pub fn printable(text: &str) -> String {
    let kept: String = text.chars().filter(|char| is_printable(*char)).collect();
    kept.trim().to_owned()
}

/// Whether a character shows itself and does nothing else.
pub fn is_printable(char: char) -> bool {
    let hidden = matches!(u32::from(char),
        0xAD | 0x61C | 0x115F..=0x1160 | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
        | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE000..=0xF8FF | 0xE0000..);
    !char.is_control() && !hidden
}

/// BCD plus: two characters a byte, the upper nibble first.
pub fn bcd_plus(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    nibbles.map(|nibble| char::from(BCD_PLUS[usize::from(nibble)])).collect()
}

/// Packed 6-bit ASCII: four characters in three bytes, the lowest bits first.
pub fn six_bit(bytes: &[u8]) -> String {
    let bit = |index: usize| bytes[index / 8] >> (index % 8) & 1;
    let characters = bytes.len() * 8 / 6;
    (0..characters)
        .map(|number| (0..6).fold(0, |value, low| value | bit(number * 6 + low) << low))
        .map(|value| char::from(value + 0x20))
        .collect()
}

/// Latin-1, up to the first zero: some BMCs fill up with zeros.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

/// UTF-16, the lower byte first; what isn't becomes U+FFFD.
pub fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units.take_while(|unit| *unit != 0)).map(|char| char.unwrap_or('\u{FFFD}')).collect()
}

/// "Unicode", of which the specification doesn't say which: UTF-16 where every second byte is zero, else UTF-8, else
/// Latin-1.
pub fn unicode(bytes: &[u8]) -> String {
    let wide = bytes.len() >= 2
        && bytes.len().is_multiple_of(2)
        && bytes.chunks_exact(2).all(|pair| pair[1] == 0 && pair[0] != 0);
    if wide {
        return utf16(bytes);
    }
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), |text| text.trim_end_matches('\0').to_owned())
}

/// The id string of a sensor data record (43.15): its type/length byte, and all bytes behind it. Where fewer bytes
/// are there than it says, what is there is read.
pub fn id_string(type_length: u8, rest: &[u8]) -> String {
    let bytes = &rest[..usize::from(type_length & 0x1F).min(rest.len())];
    let text = match type_length >> 6 {
        0b00 => unicode(bytes),
        0b01 => bcd_plus(bytes),
        0b10 => six_bit(bytes),
        _ => latin1(bytes),
    };
    printable(&text)
}

/// Type/length byte (11b, 8-bit ASCII and Latin-1) and bytes of a text, cut after `most` characters (at most 63).
/// What Latin-1 doesn't have becomes `?`. A single character gets a blank behind it, since 0xC1 ends the fields of
/// FRU areas.
pub fn encode_latin1(text: &str, most: usize) -> Vec<u8> {
    let byte = |char: char| u8::try_from(u32::from(char)).unwrap_or(b'?');
    let mut bytes: Vec<u8> = text.chars().take(most.min(63)).map(byte).collect();
    if bytes.len() == 1 {
        bytes.push(b' ');
    }
    // At most 63, so that it fits beside the type.
    let mut field = vec![0xC0 | bytes.len() as u8];
    field.append(&mut bytes);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codings() {
        // "IPMI" in 6 bits, the example of the FRU definition, section 13.3.
        assert_eq!(six_bit(&[0x29, 0xDC, 0xA6]), "IPMI");
        assert_eq!(six_bit(&[0x29, 0xDC]), "IP");
        assert_eq!(bcd_plus(&[0x12, 0x3B, 0xA4, 0xCD, 0xEF]), "123- 4.:,_");
        assert_eq!(latin1(b"caf\xE9\0\0"), "café");
        assert_eq!(utf16(&[0x42, 0x30, 0x00, 0xD8]), "あ\u{FFFD}");
        assert_eq!(unicode(b"T\0e\0m\0p\0"), "Temp");
        assert_eq!(unicode("Lüfter".as_bytes()), "Lüfter");
        assert_eq!(unicode(b"L\xFCfter"), "Lüfter");
    }

    #[test]
    fn id_strings() {
        assert_eq!(id_string(0xC5, b"Fan2A"), "Fan2A");
        assert_eq!(id_string(0xCF, b"Fan2A"), "Fan2A", "longer than the record");
        assert_eq!(id_string(0xC3, b"Fan2A"), "Fan");
        assert_eq!(id_string(0x83, &[0x29, 0xDC, 0xA6]), "IPMI");
        assert_eq!(id_string(0x42, &[0x12, 0x34]), "1234");
        assert_eq!(id_string(0x06, b"CPU1\0\0"), "CPU1");
        assert_eq!(id_string(0xC0, b"x"), "");
        assert_eq!(id_string(0xC8, b"\x1B[31mred\x07"), "[31mred");
    }

    proptest! {
        #[test]
        fn any_bytes_print(kind: u8, bytes: Vec<u8>) {
            let text = id_string(kind, &bytes);
            prop_assert!(text.chars().all(is_printable));
            prop_assert!(text.chars().count() <= 63);
        }

        #[test]
        fn what_is_written_is_read(text in "[ -~\u{A1}-\u{AC}]{0,31}") {
            let field = encode_latin1(&text, 31);
            let expected: String = text.trim().to_owned();
            prop_assert_eq!(id_string(field[0], &field[1..]), expected);
        }
    }
}
