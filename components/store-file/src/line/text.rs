//! The alphabet of a line: JSON strings (RFC 8259), integers, base64 and times, each with exactly one
//! spelling. What [`Cursor`] accepts is what the `write_*` functions produce and nothing else, so a line
//! that parses is byte-equal to the rendering of what it parsed to.

use std::borrow::Cow;

use base64_simd::{AsOut as _, STANDARD_NO_PAD};
use memchr::{memchr, memchr2};

/// 9999-12-31T23:59:59.999999Z: later times stand as integers, RFC 3339 has four digits for the year.
pub const MAX_TIME: u64 = 253_402_300_799_999_999;
/// `2025-11-21T14:15:09.123456Z`
const TIME_LEN: usize = 27;
const DAY: u64 = 86_400_000_000;

/// Why a line is not one of ours. For people.
pub type Why = &'static str;

/// A string with its quotes. Escaped are `"`, `\` and U+0000 to U+001F, the latter by their short names
/// where JSON has one; everything else stands as UTF-8.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if !any(text.as_bytes(), must_escape) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for piece in text.as_bytes().chunks(32) {
            match any(piece, must_escape) {
                false => out.extend_from_slice(piece),
                true => piece.iter().for_each(|&byte| write_escaped(out, byte)),
            }
        }
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, byte: u8) {
    if !must_escape(byte) {
        return out.push(byte);
    }
    match short_escape(byte) {
        Some(letter) => out.extend_from_slice(&[b'\\', letter]),
        None => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&hex2(byte));
        }
    }
}

fn is_control(byte: u8) -> bool {
    byte < 0x20
}

fn must_escape(byte: u8) -> bool {
    is_control(byte) | (byte == b'"') | (byte == b'\\')
}

/// Whether `is` holds for any of `bytes`. All are looked at: that way the compiler makes vector instructions of it.
fn any(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(0, |any, &byte| any | u8::from(is(byte))) != 0
}

fn short_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => return None,
    })
}

fn hex2(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// A decimal integer.
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A quoted base64 string, standard alphabet, without padding.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    STANDARD_NO_PAD.encode_append(bytes, out);
    out.push(b'"');
}

/// Characters of base64 for this many bytes.
const fn base64_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// A quoted checksum: its 8 bytes, most significant first, in base64, 11 characters.
pub fn write_sum(out: &mut Vec<u8>, sum: u64) {
    write_base64(out, &sum.to_be_bytes());
}

/// Microseconds since 1970 as a quoted RFC 3339 time in UTC, or as an integer when after [`MAX_TIME`].
pub fn write_time(out: &mut Vec<u8>, micros: u64) {
    if micros > MAX_TIME {
        return write_uint(out, micros);
    }
    out.push(b'"');
    out.extend_from_slice(&time(micros));
    out.push(b'"');
}

fn time(micros: u64) -> [u8; TIME_LEN] {
    let (year, month, day) = civil(micros / DAY);
    let second = micros % DAY / 1_000_000;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let fields = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 6, micros % 1_000_000),
    ];
    for (start, digits, mut value) in fields {
        for place in (start..start + digits).rev() {
            text[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
    text
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar: eras of
/// 400 years (146,097 days) that begin on 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let march = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let of_year = (153 * march + 2) / 5 + day.checked_sub(1)?;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    (year / 400 * 146_097 + of_era).checked_sub(719_468)
}

fn parse_time(text: &[u8]) -> Option<u64> {
    let number = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit.wrapping_sub(b'0')));
    let field = |start: usize, digits: usize| text.get(start..start + digits).map(number);
    let of_day = field(11, 2)? * 3600 + field(14, 2)? * 60 + field(17, 2)?;
    let micros = days(field(0, 4)?, field(5, 2)?, field(8, 2)?)? * DAY + of_day * 1_000_000 + field(20, 6)?;
    // Whatever was no digit does not come out again.
    (micros <= MAX_TIME && time(micros) == text).then_some(micros)
}

/// Walks over a line from left to right.
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the beginning of `line`.
    pub fn new(line: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: line }
    }

    /// Steps over `literal` if it stands here.
    #[inline(always)]
    pub fn eat(&mut self, literal: &str) -> bool {
        match self.rest.strip_prefix(literal.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Steps over `literal`, which must stand here.
    #[inline(always)]
    pub fn need(&mut self, literal: &'static str) -> Result<(), Why> {
        if self.eat(literal) { Ok(()) } else { Err(literal) }
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Why> {
        if self.rest.is_empty() { Ok(()) } else { Err("something after the end") }
    }

    /// Everything that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// An integer up to 2^64-1 without leading zeros.
    pub fn uint(&mut self) -> Result<u64, Why> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        if length == 0 || length > 1 && digits[0] == b'0' {
            return Err("integer");
        }
        self.rest = rest;
        let add = |value: u64, digit: &u8| value.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        digits.iter().try_fold(0, add).ok_or("integer")
    }

    /// The raw inside of a string without escapes.
    fn quoted(&mut self) -> Result<&'a [u8], Why> {
        let rest = self.rest.strip_prefix(b"\"").ok_or("opening quote")?;
        let end = memchr(b'"', rest).ok_or("closing quote")?;
        self.rest = &rest[end + 1..];
        Ok(&rest[..end])
    }

    /// The same where its length is known.
    fn quoted_of(&mut self, length: usize) -> Result<&'a [u8], Why> {
        match self.rest.split_at_checked(length + 2) {
            Some(([b'"', inside @ .., b'"'], rest)) => {
                self.rest = rest;
                Ok(inside)
            }
            _ => Err("a string of this length"),
        }
    }

    /// A string.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Why> {
        let mut rest = self.rest.strip_prefix(b"\"").ok_or("opening quote")?;
        let mut unescaped = String::new();
        loop {
            let at = memchr2(b'"', b'\\', rest).ok_or("closing quote")?;
            let plain = std::str::from_utf8(&rest[..at]).map_err(|_| "not UTF-8")?;
            if any(plain.as_bytes(), is_control) {
                return Err("unescaped control character");
            }
            let is_end = rest[at] == b'"';
            rest = &rest[at + 1..];
            if is_end {
                self.rest = rest;
                if unescaped.is_empty() {
                    return Ok(Cow::Borrowed(plain));
                }
                unescaped.push_str(plain);
                return Ok(Cow::Owned(unescaped));
            }
            unescaped.push_str(plain);
            let (byte, after) = escape(rest)?;
            unescaped.push(char::from(byte));
            rest = after;
        }
    }

    /// Bytes in base64, canonical: no padding, no bits left over.
    pub fn base64(&mut self) -> Result<Vec<u8>, Why> {
        STANDARD_NO_PAD.decode_to_vec(self.quoted()?).map_err(|_| "base64")
    }

    /// `N` bytes in base64.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Why> {
        let mut bytes = [0; N];
        let text = self.quoted_of(base64_length(N))?;
        STANDARD_NO_PAD.decode(text, bytes.as_mut_slice().as_out()).map_err(|_| "base64")?;
        Ok(bytes)
    }

    /// Steps over a base64 string without decoding it; says how many bytes it stands for.
    pub fn skip_base64(&mut self) -> Result<usize, Why> {
        self.quoted().map(|text| text.len() / 4 * 3 + (text.len() % 4).saturating_sub(1))
    }

    /// A checksum.
    pub fn sum(&mut self) -> Result<u64, Why> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// A time.
    pub fn time(&mut self) -> Result<u64, Why> {
        if self.rest.starts_with(b"\"") {
            return parse_time(self.quoted_of(TIME_LEN)?).ok_or("time");
        }
        self.uint().and_then(|micros| if micros > MAX_TIME { Ok(micros) } else { Err("time") })
    }
}

/// The character that an escape (its backslash already read) stands for, if it is the one we write.
fn escape(rest: &[u8]) -> Result<(u8, &[u8]), Why> {
    let bad = "escape";
    if let [b'u', b'0', b'0', high, low, rest @ ..] = rest {
        let byte = (0..0x20).find(|&byte| short_escape(byte).is_none() && hex2(byte) == [*high, *low]).ok_or(bad)?;
        return Ok((byte, rest));
    }
    let (letter, rest) = rest.split_first().ok_or(bad)?;
    let byte = (0..0x60).find(|&byte| short_escape(byte) == Some(*letter)).ok_or(bad)?;
    Ok((byte, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_round_trip_and_read_as_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_763_734_509_123_456, "2025-11-21T14:15:09.123456Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
            (MAX_TIME, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(std::str::from_utf8(&time(micros)), Ok(text));
            assert_eq!(parse_time(text.as_bytes()), Some(micros));
        }
        for bad in [
            "2025-02-29T00:00:00.000000Z",
            "2025-00-10T00:00:00.000000Z",
            "2025-01-01T24:00:00.000000Z",
            "+025-01-01T00:00:00.000000Z",
            "é",
        ] {
            assert_eq!(parse_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn every_character_round_trips_in_one_spelling() {
        let text: String = (0..0x250)
            .chain(0x2020..0x2030)
            .chain([0xd7ff, 0xe000, 0xfeff, 0x10ffff])
            .filter_map(char::from_u32)
            .collect();
        let mut out = Vec::new();
        write_string(&mut out, &text);
        assert_eq!(Cursor::new(&out).string().unwrap(), text);
        for other in [
            "\"\\/\"",
            "\"\\u0041\"",
            "\"\\u000a\"",
            "\"\\u001F\"",
            "\"\\u+01f\"",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u00",
            "\"a",
            "\"\\",
        ] {
            assert!(Cursor::new(other.as_bytes()).string().is_err(), "{other}");
        }
    }

    #[test]
    fn base64_and_integers_have_one_spelling() {
        for bad in ["\"AB\"", "\"AA==\"", "\"AAA=\"", "\"A\"", "\"AAAAA\"", "\"A A\"", "\"AA-_\"", "\"AA\\n\""] {
            assert!(Cursor::new(bad.as_bytes()).base64().is_err(), "{bad}");
        }
        for bad in ["01", "-1", "+1", "", "18446744073709551616"] {
            assert!(Cursor::new(bad.as_bytes()).uint().is_err(), "{bad}");
        }
        let mut out = Vec::new();
        for length in 0..40 {
            out.clear();
            write_base64(&mut out, &vec![0xa5; length]);
            assert_eq!(Cursor::new(&out).base64().unwrap(), vec![0xa5; length]);
            assert_eq!(Cursor::new(&out).skip_base64(), Ok(length));
        }
        out.clear();
        write_base64(&mut out, &[0, 1, 2, 255]);
        assert_eq!(out, b"\"AAEC/w\"");
        assert_eq!(Cursor::new(&out).fixed::<4>(), Ok([0, 1, 2, 255]));
        assert!(Cursor::new(&out).fixed::<3>().is_err());
        out.clear();
        write_sum(&mut out, u64::MAX);
        assert_eq!(out, b"\"//////////8\"");
        assert_eq!(Cursor::new(&out).sum(), Ok(u64::MAX));
        for bad in ["\"//////////9\"", "\"//////////8=\"", "\"/////////w\"", "\"//////////\""] {
            assert!(Cursor::new(bad.as_bytes()).sum().is_err(), "{bad}");
        }
    }
}
