//! Slots of a YubiKey's PIV application, and the CKA_ID by which `libykcs11` knows the key in each.
//!
//! The mapping is Yubico's ("YKCS11", section Key Mapping): 9a is 1, 9c 2, 9d 3, 9e 4, 82 to 95 are 5 to 24, f9 is 25; a
//! CKA_ID of one byte. A certificate has the CKA_ID of its key, and so has an attestation certificate, which the YubiKey
//! makes when it is asked for (CKA_TOKEN is false) and signs with the key in f9.

use std::fmt;

use secure_log::types::quote;

/// Slot and CKA_ID.
pub const PIV_SLOTS: [(u8, u8); 25] = [
    (0x9a, 1),
    (0x9c, 2),
    (0x9d, 3),
    (0x9e, 4),
    (0x82, 5),
    (0x83, 6),
    (0x84, 7),
    (0x85, 8),
    (0x86, 9),
    (0x87, 10),
    (0x88, 11),
    (0x89, 12),
    (0x8a, 13),
    (0x8b, 14),
    (0x8c, 15),
    (0x8d, 16),
    (0x8e, 17),
    (0x8f, 18),
    (0x90, 19),
    (0x91, 20),
    (0x92, 21),
    (0x93, 22),
    (0x94, 23),
    (0x95, 24),
    (0xf9, 25),
];

/// A slot that can hold a key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PivSlot {
    slot: u8,
    id: u8,
}

impl PivSlot {
    /// Of its name: two digits of hexadecimal, as Yubico writes them.
    ///
    /// # Errors
    /// Text for people: no such slot.
    pub fn parse(name: &str) -> Result<PivSlot, String> {
        let found = PIV_SLOTS.iter().find(|(slot, _)| name.eq_ignore_ascii_case(&format!("{slot:02x}")));
        match found {
            Some(&(slot, id)) => Ok(PivSlot { slot, id }),
            None => Err(format!("{} is no PIV slot with a key pair: 9a, 9c, 9d, 9e, 82 to 95, f9", quote(name))),
        }
    }

    /// CKA_ID of the key in it.
    pub fn cka_id(self) -> Vec<u8> {
        vec![self.id]
    }
}

/// Its name: `9c`.
impl fmt::Display for PivSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.slot)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slot_has_the_id_that_yubico_documents() {
        for (name, id) in [("9a", 1), ("9c", 2), ("9d", 3), ("9e", 4), ("82", 5), ("8a", 13), ("95", 24), ("f9", 25)] {
            let slot = PivSlot::parse(name).unwrap();
            assert_eq!((slot.to_string().as_str(), slot.cka_id()), (name, vec![id]));
            assert_eq!(PivSlot::parse(&name.to_uppercase()), Ok(slot));
        }
        for (index, slot) in (0x82..=0x95).enumerate() {
            assert_eq!(PIV_SLOTS[4 + index], (slot, 5 + u8::try_from(index).unwrap()));
        }
    }

    #[test]
    fn what_holds_no_key_pair_is_no_slot() {
        for name in ["", "9b", "80", "81", "96", "9", "09a", "0x9a", "154", "slot 9a", "9a "] {
            assert!(PivSlot::parse(name).unwrap_err().contains("no PIV slot"), "{name}");
        }
    }
}
