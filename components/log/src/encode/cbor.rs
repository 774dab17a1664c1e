//! The five shapes of CBOR (RFC 8949) that the log writes: unsigned integers, byte strings, text strings, arrays of
//! known length, null, all of them in the core deterministic encoding (section 4.2.1).
//!
//! Strict by construction: for every value [`Reader`] takes exactly the bytes that [`Writer`] makes of it. A head has
//! one form (the shortest), lengths are definite, text is UTF-8, and there is no other way to say null.

use super::DecodeError;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const NULL: u8 = 0xf6;

/// Writes; nothing can fail.
pub(super) struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// What follows is this many values.
    pub fn array(&mut self, length: usize) -> &mut Self {
        self.head(ARRAY, length as u64)
    }

    /// The value as `write` says, or null.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.0.push(NULL),
            Some(value) => write(self, value),
        }
        self
    }

    #[inline]
    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        let major = major << 5;
        let out = &mut *self.0;
        match value {
            0..=23 => out.push(major | value as u8),
            24..=0xff => out.extend_from_slice(&[major | 24, value as u8]),
            0x100..=0xffff => {
                let [a, b] = (value as u16).to_be_bytes();
                out.extend_from_slice(&[major | 25, a, b]);
            }
            0x1_0000..=0xffff_ffff => {
                out.push(major | 26);
                out.extend_from_slice(&(value as u32).to_be_bytes());
            }
            _ => {
                out.push(major | 27);
                out.extend_from_slice(&value.to_be_bytes());
            }
        }
        self
    }
}

/// Reads from left to right. Nothing is copied, so no length that is claimed costs memory.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn uint(&mut self) -> Result<u64, DecodeError> {
        self.head(UINT, "an integer")
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.head(BYTES, "a byte string")?;
        self.take(length)
    }

    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.head(TEXT, "a text string")?;
        std::str::from_utf8(self.take(length)?).map_err(|_| malformed("text that is not UTF-8"))
    }

    /// How many values follow.
    pub fn array(&mut self) -> Result<u64, DecodeError> {
        self.head(ARRAY, "an array")
    }

    /// Null, or the value that `read` reads.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.rest {
            [NULL, rest @ ..] => {
                self.rest = rest;
                Ok(None)
            }
            _ => read(self).map(Some),
        }
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed("something behind the end")) }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = split.ok_or_else(|| malformed("shorter than it says"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline(always)]
    fn head(&mut self, major: u8, what: &'static str) -> Result<u64, DecodeError> {
        let [first, rest @ ..] = self.rest else { return Err(expected(what)) };
        let info = first ^ major << 5;
        match (info, rest) {
            (0..24, _) => {
                self.rest = rest;
                Ok(info.into())
            }
            (24, [value, rest @ ..]) if *value >= 24 => {
                self.rest = rest;
                Ok((*value).into())
            }
            _ => self.long_head(info, rest).ok_or_else(|| expected(what)),
        }
    }

    /// A value in two, four or eight bytes behind the head's first: never one that a shorter head could say.
    fn long_head(&mut self, info: u8, rest: &'a [u8]) -> Option<u64> {
        let (value, least) = match info {
            25 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(*rest.first_chunk()?)), 0x1_0000),
            27 => (u64::from_be_bytes(*rest.first_chunk()?), 0x1_0000_0000),
            _ => return None,
        };
        self.rest = &rest[1 << (info - 24)..];
        (value >= least).then_some(value)
    }
}

#[cold]
fn malformed(why: &str) -> DecodeError {
    DecodeError::Malformed(format!("CBOR: {why}"))
}

#[cold]
fn expected(what: &str) -> DecodeError {
    malformed(&format!("{what} in its shortest form was expected"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Writer(&mut bytes));
        bytes
    }

    #[test]
    fn every_integer_has_the_head_of_rfc_8949_and_no_other() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (23, &[0x17]),
            (24, &[0x18, 24]),
            (255, &[0x18, 255]),
            (256, &[0x19, 1, 0]),
            (65_535, &[0x19, 255, 255]),
            (65_536, &[0x1a, 0, 1, 0, 0]),
            (u64::from(u32::MAX), &[0x1a, 255, 255, 255, 255]),
            (1 << 32, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
            (u64::MAX, &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            assert_eq!(
                written(|w| {
                    w.uint(value);
                }),
                bytes
            );
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.uint().unwrap(), value);
            reader.end().unwrap();
            for longer in [
                [&[0x18], &(value as u8).to_be_bytes()[..]].concat(),
                [&[0x19], &(value as u16).to_be_bytes()[..]].concat(),
                [&[0x1a], &(value as u32).to_be_bytes()[..]].concat(),
                [&[0x1b], &value.to_be_bytes()[..]].concat(),
            ] {
                if longer.len() > bytes.len() {
                    assert!(Reader::new(&longer).uint().is_err(), "{longer:?}");
                }
            }
        }
    }

    /// What `read` takes of `bytes`, if it takes them, is what `write` makes of its answer.
    fn comes_back<'a, T>(
        bytes: &'a [u8],
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
        write: impl FnOnce(&mut Writer, T),
    ) {
        let mut reader = Reader::new(bytes);
        if let Ok(value) = read(&mut reader) {
            assert_eq!(written(|w| write(w, value)), bytes[..bytes.len() - reader.rest.len()]);
        }
    }

    #[test]
    fn what_is_read_is_what_would_be_written() {
        fn uint(w: &mut Writer, value: u64) {
            w.uint(value);
        }
        // All first bytes, all second bytes, and enough behind them for any head.
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let bytes = [first, second, 0x80, 0, 0, 0, 0, 0, 0, 0x41, 0x42];
                comes_back(&bytes, Reader::uint, uint);
                comes_back(&bytes, Reader::bytes, |w, value| {
                    w.bytes(value);
                });
                comes_back(&bytes, Reader::text, |w, value| {
                    w.text(value);
                });
                comes_back(&bytes, Reader::array, |w, value| {
                    w.array(value as usize);
                });
                comes_back(
                    &bytes,
                    |r| r.option(Reader::uint),
                    |w, value| {
                        w.option(value, uint);
                    },
                );
            }
        }
    }

    #[test]
    fn claimed_lengths_tags_floats_and_endless_strings_are_refused() {
        let huge = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(Reader::new(&huge).bytes().is_err());
        for bad in [&[0x42, 1][..], &[0x5f, 0x41, 1, 0xff], &[0x62, 0xff, 0xff], &[0x7f, 0xff], &[0xc0, 0x41, 1], &[]] {
            assert!(Reader::new(bad).bytes().is_err() && Reader::new(bad).text().is_err(), "{bad:?}");
            assert!(Reader::new(bad).uint().is_err() && Reader::new(bad).array().is_err(), "{bad:?}");
        }
        assert!(Reader::new(&[0x9f, 0xff]).array().is_err());
        assert!(Reader::new(&[0x00, 0x00]).end().is_err());
    }
}
