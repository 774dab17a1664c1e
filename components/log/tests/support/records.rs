//! The frozen records, and documents for the differential test of the canonical form.

#![allow(dead_code)]

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use secure_log::record::json::Json;
use secure_log::record::{Attestation, MAX_PAYLOAD, Record, Statement, TransactionHash};
use secure_log::signer::Algorithm;
use secure_log::types::hex;
use serde_json::{Value, json};

use crate::support::FixedKey;

/// As someone may write it; the same in every vector.
pub const PAYLOAD: &str =
    r#"{ "events": ["transfer", {"amount": 12.50, "n": 1E3}], "a\u002fb": null, "note": "},\"payload\":\"é\u000f" }"#;
pub const ATTESTATION: &str = r#"{"certificates":["AAEC"],"key_attributes":{"CKA_EXTRACTABLE":false,"CKA_LOCAL":true,
"CKA_NEVER_EXTRACTABLE":true,"CKA_SENSITIVE":true},"retrieved_at":"2026-01-01T00:00:00.000000Z","token_info":"Example HSM 7"}"#;
const TRANSACTION: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub fn sign(algorithm: Algorithm, attestation: Option<&str>) -> Record {
    let statement = Statement {
        timestamp: 1_767_225_600_123_456,
        transaction_hash: TransactionHash::try_from(TRANSACTION).unwrap(),
        payload: Json::parse(PAYLOAD, MAX_PAYLOAD).unwrap(),
        attestation: attestation.map(|text| Attestation::parse(text).unwrap()),
    };
    Record::sign(statement, &FixedKey::log(algorithm)).unwrap()
}

pub fn vectors() -> Value {
    let cases = Algorithm::ALL.map(|algorithm| (algorithm, None)).into_iter();
    let signed = cases.chain([(Algorithm::Ed25519, Some(ATTESTATION))]).map(|(algorithm, attestation)| {
        let record = sign(algorithm, attestation);
        json!({
            "algorithm": algorithm.as_str(),
            "public_key": hex(record.key().encoded()),
            "payload": PAYLOAD,
            "canonical_payload": record.payload().canonical(),
            "trace_hash": record.trace_hash().to_hex(),
            "attestation": attestation,
            "attestation_hash": record.attestation().map(|attestation| attestation.hash().to_hex()),
            "message": record.message(),
            "record": record.to_text(),
        })
    });
    let forms = [
        "0",
        "-0",
        "1.0",
        "1E21",
        "1e-7",
        "0.000001",
        "123456789012345680000",
        "9007199254740991",
        "9007199254740993",
        "1152921504606846976",
        "5e-324",
        "1e-400",
        "1e400",
        "0.10000000000000000555",
        "[1,{\"b\":2,\"a\":1}]",
        "{\"a\":1,\"a\":1}",
        "\"\\ud800\"",
        "\"\\u0007\\u007f\\/\\u20ac\"",
    ];
    let forms = forms.map(|text| {
        let form = Json::parse(text, MAX_PAYLOAD).ok().map(|json| json.canonical().to_owned());
        json!({ "json": text, "canonical": form })
    });
    json!({ "signed": signed.collect::<Vec<_>>(), "canonical": forms })
}

/// JSON texts of every kind, the same for one seed: any layout, any escape, any number; now and then a name twice
/// or half a surrogate pair.
pub struct Documents(ChaCha20Rng);

impl Documents {
    pub fn new(seed: u8) -> Documents {
        Documents(ChaCha20Rng::from_seed([seed; 32]))
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }

    pub fn document(&mut self) -> String {
        let mut text = String::new();
        self.value(&mut text, 4);
        text
    }

    fn space(&mut self, text: &mut String) {
        for _ in 0..self.below(2) {
            text.push(char::from([b' ', b'\t', b'\n', b'\r'][self.below(4) as usize]));
        }
    }

    fn value(&mut self, text: &mut String, levels: u32) {
        self.space(text);
        match self.below(if levels == 0 { 7 } else { 10 }) {
            0 => text.push_str(["null", "true", "false"][self.below(3) as usize]),
            1..=3 => self.string(text),
            4..=6 => self.number(text),
            7 => self.list(text, ('[', ']'), |this, text| this.value(text, levels - 1)),
            _ => self.list(text, ('{', '}'), |this, text| {
                this.string(text);
                this.space(text);
                text.push(':');
                this.value(text, levels - 1);
            }),
        }
        self.space(text);
    }

    fn list(&mut self, text: &mut String, brackets: (char, char), mut item: impl FnMut(&mut Self, &mut String)) {
        text.push(brackets.0);
        for number in 0..self.below(6) {
            if number > 0 {
                text.push(',');
            }
            self.space(text);
            item(self, text);
        }
        text.push(brackets.1);
    }

    fn string(&mut self, text: &mut String) {
        text.push('"');
        for _ in 0..self.below(7) {
            let bound = [0x80, 0x100, 0xd800, 0x11_0000][self.below(4) as usize];
            let c = char::from_u32(self.below(bound)).unwrap_or('\u{ffff}');
            match self.below(200) {
                0 => text.push_str("\\ud83d"),
                1..=60 => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        text.push_str(&if self.below(2) == 0 {
                            format!("\\u{unit:04x}")
                        } else {
                            format!("\\u{unit:04X}")
                        });
                    }
                }
                61..=70 => {
                    text.push_str(["\\n", "\\b", "\\f", "\\r", "\\t", "\\/", "\\\\", "\\\""][self.below(8) as usize])
                }
                _ if c < ' ' || c == '"' || c == '\\' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => text.push(c),
            }
        }
        text.push('"');
    }

    fn number(&mut self, text: &mut String) {
        let bits = u64::from(self.0.next_u32()) << 32 | u64::from(self.0.next_u32());
        let double = f64::from_bits(bits);
        text.push_str(&match self.below(8) {
            0 => format!("{}", bits >> self.below(64)),
            1 => format!("-{}", bits >> self.below(64)),
            2 => format!("{}.{}", self.below(100), bits >> self.below(64)),
            3 => format!("{}e{}", self.below(1000), self.below(60)),
            4 => format!("{}.5E-{}", self.below(1000), self.below(330)),
            5 if double.is_finite() => format!("{double:e}"),
            6 if double.is_finite() && double.abs() < 1e60 => format!("{double}"),
            _ => format!("{}", self.below(10_000)),
        });
    }
}
