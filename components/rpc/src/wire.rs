//! Values on the wire: rows, bytes, names. Written straight into one string and read straight into the
//! domain's types; no value tree is built in either direction.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::prelude::{BASE64_STANDARD, Engine};
use secure_log::store::{MAX_BATCH_ROWS, Row, RowKind, Want};
use secure_log::types::{MAX_ENTRY, MAX_PAYLOAD, StreamId};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Text from outside made fit to print: at most 256 characters, control and non-ASCII ones escaped.
pub fn plain(text: &str) -> String {
    let mut kept = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == 256 {
            kept.push_str("...");
            break;
        }
        match c {
            ' '..='~' => kept.push(c),
            _ => kept.extend(c.escape_default()),
        }
    }
    kept
}

/// `text` as a JSON string. For text that may hold anything; ids and names of ours need no escaping.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends `"<base64>"`.
fn push_bytes(out: &mut String, bytes: &[u8]) {
    out.push('"');
    BASE64_STANDARD.encode_string(bytes, out);
    out.push('"');
}

/// Appends the row as one object.
pub(crate) fn push_row(out: &mut String, row: &Row) {
    use fmt::Write;
    // Kind and stream id are of alphabets that JSON leaves as they are. Writing to a String cannot fail.
    let (kind, stream) = (row.kind.as_str(), row.stream_id.as_str());
    let _ = write!(out, r#"{{"kind":"{kind}","stream-id":"{stream}","index":{},"body":"#, row.index);
    push_bytes(out, &row.body);
    out.push_str(r#","payload":"#);
    match &row.payload {
        Some(payload) => push_bytes(out, payload),
        None => out.push_str("null"),
    }
    out.push('}');
}

/// Appends the rows as an array.
pub(crate) fn push_rows(out: &mut String, rows: &[Row]) {
    // 4/3 of the bytes, and what stands around them: 70 bytes and the stream id.
    out.reserve(rows.iter().map(|row| row.bytes() * 4 / 3 + row.stream_id.as_str().len() + 96).sum());
    out.push('[');
    for (position, row) in rows.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        push_row(out, row);
    }
    out.push(']');
}

/// A `T` written as an object: derived structs alone would take an array of their members as well.
pub(crate) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMap(PhantomData))
    }
}

/// Text from the wire, borrowed when it holds no escapes.
pub(crate) struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// Bytes in base64.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text.as_bytes()).map(Bytes).map_err(D::Error::custom)
    }
}

/// The kind of a row, by name.
pub(crate) struct Kind(pub RowKind);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(name) = Text::deserialize(deserializer)?;
        RowKind::from_name(&name).map(Kind).ok_or_else(|| D::Error::custom("no such row kind"))
    }
}

/// A stream id within its grammar.
pub(crate) struct Stream(pub StreamId);

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(id) = Text::deserialize(deserializer)?;
        StreamId::try_from(&*id).map(Stream).map_err(|invalid| D::Error::custom(invalid.0))
    }
}

/// The promise asked of an append.
pub(crate) struct Wanted(pub Want);

impl Wanted {
    pub(crate) fn name(want: Want) -> &'static str {
        match want {
            Want::Synced => "synced",
            Want::Written => "written",
        }
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(name) = Text::deserialize(deserializer)?;
        match &*name {
            "synced" => Ok(Wanted(Want::Synced)),
            "written" => Ok(Wanted(Want::Written)),
            _ => Err(D::Error::custom("neither synced nor written")),
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireRow<'a> {
    kind: Kind,
    #[serde(borrow)]
    stream_id: Text<'a>,
    index: u64,
    body: Bytes,
    #[serde(deserialize_with = "Option::deserialize")] // `null` is written out: absent is refused
    payload: Option<Bytes>,
}

impl WireRow<'_> {
    /// `before`: the row before it, whose stream id is shared if it is the same.
    fn into_row<E: Error>(self, before: Option<&Row>) -> Result<Row, E> {
        let payload = self.payload.map(|Bytes(payload)| payload);
        if self.body.0.len() > MAX_ENTRY || payload.as_ref().is_some_and(|payload| payload.len() > MAX_PAYLOAD + 64) {
            return Err(E::custom("a row is longer than any row may be"));
        }
        let stream_id = match before {
            Some(before) if before.stream_id.as_str() == self.stream_id.0 => before.stream_id.clone(),
            _ => StreamId::try_from(&*self.stream_id.0).map_err(|invalid| E::custom(invalid.0))?,
        };
        Ok(Row { kind: self.kind.0, stream_id, index: self.index, body: self.body.0, payload })
    }
}

/// One row.
pub(crate) struct OneRow(pub Row);

impl<'de> Deserialize<'de> for OneRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(row) = Object::<WireRow<'de>>::deserialize(deserializer)?;
        row.into_row(None).map(OneRow)
    }
}

/// At most [`MAX_BATCH_ROWS`] rows.
pub(crate) struct Rows(pub Vec<Row>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowList;
        impl<'de> Visitor<'de> for RowList {
            type Value = Rows;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of rows")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
                let mut rows: Vec<Row> = Vec::new();
                while let Some(Object(row)) = list.next_element::<Object<WireRow<'de>>>()? {
                    if rows.len() == MAX_BATCH_ROWS {
                        return Err(A::Error::custom("more rows than any call may carry"));
                    }
                    let row = row.into_row(rows.last())?;
                    rows.push(row);
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_seq(RowList)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(body: &[u8], payload: Option<&[u8]>) -> Row {
        Row {
            kind: RowKind::Entry,
            stream_id: StreamId::try_from("a/b").unwrap(),
            index: u64::MAX,
            body: body.to_vec(),
            payload: payload.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn rows_of_every_kind_and_shape_come_back_as_they_were() {
        let mut rows = Vec::new();
        for kind in RowKind::ALL {
            rows.push(Row { kind, ..row(b"\x00\xff\"\\", None) });
            rows.push(Row { kind, stream_id: StreamId::try_from("x~y").unwrap(), ..row(b"", Some(b"")) });
        }
        let mut text = String::new();
        push_rows(&mut text, &rows);
        assert_eq!(serde_json::from_str::<Rows>(&text).unwrap().0, rows);
    }

    #[test]
    fn one_row_has_one_shape() {
        let mut text = String::new();
        push_row(&mut text, &row(b"body", Some(b"p")));
        assert_eq!(
            text,
            r#"{"kind":"entry","stream-id":"a/b","index":18446744073709551615,"body":"Ym9keQ==","payload":"cA=="}"#
        );
        assert!(serde_json::from_str::<OneRow>(&text).is_ok());
        for (good, evil) in [
            (r#""kind":"entry""#, r#""kind":"Entry""#),
            (r#""kind":"entry""#, r#""kind":0"#),
            (r#""kind":"entry""#, r#""kind":"entry","kind":"entry""#),
            (r#"a/b"#, r#"a//b"#),
            (r#"a/b"#, r#"..\u002f.."#),
            (r#"18446744073709551615"#, r#"18446744073709551616"#),
            (r#"18446744073709551615"#, r#"-1"#),
            (r#"18446744073709551615"#, r#"1.0"#),
            (r#"18446744073709551615"#, r#""1""#),
            (r#"Ym9keQ=="#, r#"Ym9keQ="#),
            (r#"Ym9keQ=="#, r#"Ym9keQ"#),
            (r#"Ym9keQ=="#, r#"Ym9keR=="#),
            (r#"Ym9keQ=="#, r#"Ym9 keQ=="#),
            (r#""Ym9keQ==""#, r#"null"#),
            (r#""Ym9keQ==""#, r#"[98,111,100,121]"#),
            (r#","payload":"cA==""#, r#""#),
            (r#""payload":"cA==""#, r#""payload":"cA==","more":1"#),
        ] {
            let changed = text.replacen(good, evil, 1);
            assert_ne!(changed, text);
            assert!(serde_json::from_str::<OneRow>(&changed).is_err(), "{changed}");
        }
        assert!(serde_json::from_str::<OneRow>(r#"["entry","a/b",0,"",null]"#).is_err());
    }

    #[test]
    fn rows_beyond_the_byte_and_row_limits_are_refused() {
        let mut text = String::new();
        push_row(&mut text, &row(&vec![0; MAX_ENTRY + 1], None));
        assert!(serde_json::from_str::<OneRow>(&text).is_err());
        let many = vec![row(b"", None); MAX_BATCH_ROWS + 1];
        let mut text = String::new();
        push_rows(&mut text, &many);
        assert!(serde_json::from_str::<Rows>(&text).is_err());
    }

    #[test]
    fn text_from_outside_can_not_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}é"), r"a\u{1b}[2Jb\n\u{202e}\u{e9}");
        assert!(plain(&"x".repeat(9999)).len() < 300);
    }
}
