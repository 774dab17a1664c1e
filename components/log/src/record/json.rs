//! JSON that is signed: read strictly, written in the one form of RFC 8785 (JSON Canonicalization Scheme).
//!
//! The scheme presupposes I-JSON (RFC 7493) and leaves it to others to insist on it; this is where it is insisted.
//! Refused, each with its path: a name that occurs twice in an object, a string that is not Unicode text (a lone
//! surrogate), nesting deeper than [`MAX_DEPTH`], and a number that the scheme would change. The scheme writes every
//! number as an IEEE 754 double, so `9007199254740993` would be signed as `9007199254740992`; a number is accepted
//! when its decimal value is that of its canonical form: `1.0` (`1`), `1E21` (`1e+21`) and `-0` (`0`) are, `1e400`,
//! `1e-400` and digits beyond those of the double are not.
//!
//! Not here: the writer itself (`serde_json_canonicalizer`, number formatting by `ryu-js`).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::error::Invalid;
use crate::types::quote;

/// Arrays and objects inside one another, at most. A text is scanned once for each level.
pub const MAX_DEPTH: usize = 64;

/// A JSON value with its canonical text. Only what is I-JSON becomes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    value: Value,
    canonical: String,
}

impl Json {
    /// Reads any JSON text of at most `max` bytes; the canonical form has at most as many.
    ///
    /// # Errors
    /// Too long, not JSON, or refused as the module says, naming the path: `$.events[3].amount`.
    pub fn parse(text: &str, max: usize) -> Result<Json, Invalid> {
        Json::parse_within(text, max, MAX_DEPTH)
    }

    /// The same with another bound on nesting.
    pub(super) fn parse_within(text: &str, max: usize, levels: usize) -> Result<Json, Invalid> {
        let too_long = |length: usize| Invalid(format!("{length} bytes of JSON, at most {max}"));
        if text.len() > max {
            return Err(too_long(text.len()));
        }
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| Invalid(format!("not JSON: {error}")))?;
        let json = Json::of(read(raw.get(), &Path { above: None, step: Step::Top, levels })?)?;
        match json.canonical.len() > max {
            true => Err(too_long(json.canonical.len())),
            false => Ok(json),
        }
    }

    /// A part of a value that was read here.
    pub(crate) fn of(value: Value) -> Result<Json, Invalid> {
        let canonical = canonical(&value)?;
        Ok(Json { value, canonical })
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The one text of this value.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    pub(crate) fn into_value(self) -> Value {
        self.value
    }
}

fn canonical(value: &impl serde::Serialize) -> Result<String, Invalid> {
    serde_json_canonicalizer::to_string(value).map_err(|error| Invalid(format!("no canonical form: {error}")))
}

/// Where a value stands.
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: Step<'a>,
    /// How many arrays and objects may still open here.
    levels: usize,
}

enum Step<'a> {
    Top,
    Member(&'a str),
    Item(usize),
}

impl<'a> Path<'a> {
    fn below(&'a self, step: Step<'a>) -> Path<'a> {
        Path { above: Some(self), step, levels: self.levels.saturating_sub(1) }
    }

    fn refuse(&self, why: impl fmt::Display) -> Invalid {
        Invalid(format!("{self}: {why}"))
    }
}

/// `$`, then `.name`, `["odd name"]` or `[index]` for each step (RFC 9535).
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Top => f.write_str("$"),
            Step::Member(name) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
                    true => write!(f, ".{name}"),
                    false => write!(f, "[{}]", quote(name)),
                }
            }
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// The members of one object, in their order, names decoded, values as they stand.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

/// Reads one value, whose syntax is known to be good. Recursion ends with the path's levels.
fn read(text: &str, path: &Path<'_>) -> Result<Value, Invalid> {
    const NOT_TEXT: &str = "a string that is not Unicode text (a lone surrogate)";
    let nested = matches!(text.as_bytes().first(), Some(b'{' | b'['));
    if nested && path.levels == 0 {
        return Err(path.refuse(format_args!("nested deeper than {MAX_DEPTH}")));
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(|_| path.refuse(NOT_TEXT))?;
            let mut object = Map::new();
            for (name, raw) in members {
                let place = path.below(Step::Member(&name));
                let value = read(raw.get(), &place)?;
                if object.contains_key(&name) {
                    return Err(place.refuse("this name occurs twice in its object"));
                }
                object.insert(name, value);
            }
            Ok(Value::Object(object))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| path.refuse(error))?;
            let item = |(index, raw): (usize, &RawValue)| read(raw.get(), &path.below(Step::Item(index)));
            items.into_iter().enumerate().map(item).collect::<Result<_, _>>().map(Value::Array)
        }
        Some(b'-' | b'0'..=b'9') => number(text).map(Value::Number).map_err(|why| path.refuse(why)),
        Some(b'"') => serde_json::from_str(text).map(Value::String).map_err(|_| path.refuse(NOT_TEXT)),
        _ => serde_json::from_str(text).map_err(|error| path.refuse(error)),
    }
}

/// A number that the canonical form keeps.
fn number(text: &str) -> Result<Number, String> {
    let shown = quote(text);
    let double: f64 = text.parse().map_err(|_| format!("{shown} is no number"))?;
    let Some(number) = Number::from_f64(double) else {
        return Err(format!("the number {shown} is too large for an IEEE 754 double"));
    };
    let canonical = canonical(&double).map_err(|error| error.0)?;
    if decimal(text) != decimal(&canonical) {
        return Err(format!("the number {shown} would become {canonical} as an IEEE 754 double; write it as a string"));
    }
    // An integer stays one for those who read the value.
    Ok(canonical.parse().map_or(number, |integer: i64| integer.into()))
}

/// What a JSON number is in decimal: its sign, its digits without zeros at either end, and the power of ten of the
/// last digit. Zero has no digits and no sign.
fn decimal(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_end_matches('0');
    let (dropped, digits) = (all.len() - digits.len(), digits.trim_start_matches('0'));
    if digits.is_empty() {
        return (false, String::new(), 0);
    }
    // An exponent beyond i64 belongs to a number that is no double: its canonical form has other digits.
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX);
    let signed = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let last = exponent.saturating_sub(signed(fraction.len())).saturating_add(signed(dropped));
    (negative, digits.to_owned(), last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn canonical_of(text: &str) -> Result<String, String> {
        Json::parse(text, 1 << 20).map(|json| json.canonical().to_owned()).map_err(|error| error.0)
    }

    #[test]
    fn the_examples_of_the_rfc_come_out_as_it_says() {
        // Sections 3.2.2 and 3.2.3 of RFC 8785; the numbers that it shortens are refused here and so written short.
        let text = r#"{ "numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"#;
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(canonical_of(text).as_deref(), Ok(expected));
        let names = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let sorted = canonical_of(names).unwrap();
        let order = ["\\r", "1", "\u{80}", "ö", "€", "\u{1f600}", "\u{fb33}"];
        let places: Vec<usize> = order.iter().map(|name| sorted.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{sorted}");
    }

    #[test]
    fn a_number_is_accepted_when_its_canonical_form_is_worth_the_same() {
        for (text, form) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("0e99999999999999999999", "0"),
            ("1.0", "1"),
            ("-1.50", "-1.5"),
            ("1E21", "1e+21"),
            ("1e-7", "1e-7"),
            ("100e-2", "1"),
            ("123456789012345680000", "123456789012345680000"),
            ("9007199254740991", "9007199254740991"),
            ("9007199254740992", "9007199254740992"),
            ("1152921504606847000", "1152921504606847000"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("0.1", "0.1"),
        ] {
            assert_eq!(canonical_of(text).as_deref(), Ok(form), "{text}");
        }
        for text in [
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
            "1152921504606846976",
            "1e400",
            "-1e400",
            "1e-400",
            "1e-99999999999999999999",
            "1e99999999999999999999",
            "0.10000000000000000555",
            "3.14159265358979323846",
        ] {
            let error = canonical_of(text).unwrap_err();
            assert!(error.starts_with("$: the number") && error.contains("double"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_refused_is_named_by_its_path() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(canonical_of(&deep(MAX_DEPTH)).is_ok());
        for (text, why) in [
            (r#"{"a":[{"b":1,"c":2,"b":1}]}"#, "$.a[0].b: this name occurs twice"),
            (r#"{"a":1,"\u0061":1}"#, "$.a: this name occurs twice"),
            (r#"{"x y":[0,{"é":1e999}]}"#, "$[\"x y\"][1]["),
            (r#"["\ud800"]"#, "$[0]: a string that is not Unicode"),
            (r#"["\udc00\ud800"]"#, "$[0]: a string that is not Unicode"),
            (r#"{"k":{"\udfff":1}}"#, "$.k: a string that is not Unicode"),
            (&deep(MAX_DEPTH + 1), "nested deeper than 64"),
            (&deep(100_000), "nested deeper than 64"),
            ("", "not JSON"),
            ("{} {}", "not JSON"),
            ("{\"a\":1,}", "not JSON"),
            ("[01]", "not JSON"),
            ("[+1]", "not JSON"),
            ("[.5]", "not JSON"),
            ("NaN", "not JSON"),
            ("'a'", "not JSON"),
            ("\"\n\"", "not JSON"),
            ("\"\\x41\"", "not JSON"),
            ("\u{feff}1", "not JSON"),
        ] {
            let error = canonical_of(text).unwrap_err();
            assert!(error.contains(why), "{}: {error}", quote(text));
        }
    }

    #[test]
    fn the_bound_holds_for_the_text_and_for_its_canonical_form() {
        assert!(Json::parse("[1,2]", 5).is_ok() && Json::parse(" [1,2]", 5).is_err());
        let error = Json::parse("1e20", 4).unwrap_err();
        assert_eq!(error.0, "21 bytes of JSON, at most 4", "as long as its form");
    }
}
