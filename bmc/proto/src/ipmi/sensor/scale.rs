//! How a sensor's byte becomes a number (section 36.3): y = L((M·x + B·10^K1)·10^K2).

/// From this linearisation on the factors depend on the reading and must be asked for (table 43-1, byte 24).
const NON_LINEAR: u8 = 0x70;

/// How the byte is to be read (byte 21, bits 7:6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 0 to 255.
    Unsigned,
    /// -127 to 127.
    OnesComplement,
    /// -128 to 127.
    TwosComplement,
}

impl Format {
    /// Of the first unit byte. `None`: the sensor has no number.
    pub(crate) fn of(units: u8) -> Option<Self> {
        match units >> 6 {
            0b00 => Some(Self::Unsigned),
            0b01 => Some(Self::OnesComplement),
            0b10 => Some(Self::TwosComplement),
            _ => None,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Unsigned => 0x00,
            Self::OnesComplement => 0x40,
            Self::TwosComplement => 0x80,
        }
    }

    fn value(self, raw: u8) -> i16 {
        match self {
            Self::Unsigned => i16::from(raw),
            // 0xFF is "minus zero".
            Self::OnesComplement if raw & 0x80 != 0 => -i16::from(!raw),
            Self::OnesComplement => i16::from(raw),
            Self::TwosComplement => i16::from(raw.cast_signed()),
        }
    }
}

/// The factors of the conversion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Factors {
    /// M, 10 bits signed.
    pub m: i16,
    /// B, 10 bits signed.
    pub b: i16,
    /// Exponent of B, K1, 4 bits signed.
    pub b_exponent: i8,
    /// Exponent of the result, K2, 4 bits signed.
    pub exponent: i8,
}

impl Factors {
    /// Bytes 25 to 30 of a full record: M, M and tolerance, B, B and accuracy, accuracy, exponents.
    pub(crate) fn parse(bytes: &[u8; 6]) -> Self {
        let [m, m_high, b, b_high, _, exponents] = *bytes;
        Self {
            m: ten_bits(m, m_high),
            b: ten_bits(b, b_high),
            b_exponent: four_bits(exponents & 0x0F),
            exponent: four_bits(exponents >> 4),
        }
    }

    /// The same bytes, with neither tolerance nor accuracy.
    pub fn encode(&self) -> [u8; 6] {
        let [m, m_high] = self.m.to_le_bytes();
        let [b, b_high] = self.b.to_le_bytes();
        let exponents = self.exponent.cast_unsigned() << 4 | self.b_exponent.cast_unsigned() & 0x0F;
        [m, m_high << 6, b, b_high << 6, 0, exponents]
    }

    fn apply(&self, value: i16) -> f64 {
        let offset = f64::from(self.b) * 10f64.powi(i32::from(self.b_exponent));
        (f64::from(self.m) * f64::from(value) + offset) * 10f64.powi(i32::from(self.exponent))
    }
}

/// Ten bits, signed: a byte, and the upper two of another one.
fn ten_bits(low: u8, high: u8) -> i16 {
    let value = i16::from(low) | i16::from(high >> 6) << 8;
    if value & 0x200 == 0 { value } else { value - 0x400 }
}

fn four_bits(value: u8) -> i8 {
    let value = value.cast_signed();
    if value & 0x08 == 0 { value } else { value - 0x10 }
}

/// The conversion of a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// How the byte is to be read.
    pub format: Format,
    /// The function L, by its number (table 43-1, byte 24).
    pub linearization: u8,
    /// The factors, where they don't depend on the reading.
    pub factors: Factors,
}

impl Scale {
    /// Whether the factors depend on the reading: Get Sensor Reading Factors has them.
    pub fn is_non_linear(&self) -> bool {
        self.linearization >= NON_LINEAR
    }

    /// A raw reading as a number. `None`: there is no such number (1/0, the logarithm of 0), or the factors depend on
    /// the reading.
    pub fn convert(&self, raw: u8) -> Option<f64> {
        if self.is_non_linear() { None } else { self.convert_with(raw, &self.factors) }
    }

    /// The same with the factors that hold for this reading.
    pub fn convert_with(&self, raw: u8, factors: &Factors) -> Option<f64> {
        let y = factors.apply(self.format.value(raw));
        let y = match self.linearization {
            1 => y.ln(),
            2 => y.log10(),
            3 => y.log2(),
            4 => y.exp(),
            5 => 10f64.powf(y),
            6 => y.exp2(),
            7 => y.recip(),
            8 => y * y,
            9 => y * y * y,
            10 => y.sqrt(),
            11 => y.cbrt(),
            // Linear, and what is reserved; the non-linear ones are linear with their own factors.
            _ => y,
        };
        y.is_finite().then_some(y)
    }
}
