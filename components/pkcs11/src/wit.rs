//! Values of `keys:pkcs11/cryptoki` as a WIT binding generates them, and those of this crate, both ways.

/// `wit_conversions!(path::to::cryptoki)`: `From` in both directions between the types of this crate and those that
/// `wit_bindgen::generate!` or `wasmtime::component::bindgen!` made of the interface; to be used in the crate that generated
/// them. Nothing can fail: both sides have the same cases. `wit_conversions!(provisioning path::to::provisioning)` does
/// the same for that interface.
#[macro_export]
macro_rules! wit_conversions {
    (provisioning $($wit:ident)::+) => {
        const _: () = {
            use $($wit)::+ as wit;
            $crate::table!(key_pair_mechanism => [$crate::wit_conversions] @codes KeyPairMechanism);
        };
    };
    ($($wit:ident)::+) => {
        const _: () = {
            use $($wit)::+ as wit;
            $crate::table!(object_class => [$crate::wit_conversions] @codes ObjectClass);
            $crate::table!(key_type => [$crate::wit_conversions] @codes KeyType);
            $crate::table!(certificate_type => [$crate::wit_conversions] @codes CertificateType);
            $crate::table!(attribute_type => [$crate::wit_conversions] @codes AttributeType);
            $crate::table!(user_type => [$crate::wit_conversions] @codes UserType);
            $crate::table!(rv => [$crate::wit_conversions] @rv);
            $crate::table!(slot_flags => [$crate::wit_conversions] @flags SlotFlags);
            $crate::table!(token_flags => [$crate::wit_conversions] @flags TokenFlags);
            $crate::table!(attribute => [$crate::wit_conversions] @attribute);
            $crate::wit_conversions!(@records
                Version { major minor }
                RsaPkcsPssParams { hash s_len }
                Info { cryptoki_version manufacturer_id library_description library_version }
                SlotInfo { slot_description manufacturer_id flags hardware_version firmware_version }
                TokenInfo {
                    label manufacturer_id model serial_number flags max_pin_len min_pin_len hardware_version
                    firmware_version
                });

            impl From<wit::Hash> for $crate::Hash {
                fn from(hash: wit::Hash) -> Self {
                    match hash { wit::Hash::Sha256 => $crate::Hash::Sha256 }
                }
            }
            impl From<$crate::Hash> for wit::Hash {
                fn from(hash: $crate::Hash) -> Self {
                    match hash { $crate::Hash::Sha256 => wit::Hash::Sha256 }
                }
            }
            impl From<wit::Mechanism> for $crate::Mechanism {
                fn from(mechanism: wit::Mechanism) -> Self {
                    match mechanism {
                        wit::Mechanism::CkmEddsa => Self::CkmEddsa,
                        wit::Mechanism::CkmEcdsa => Self::CkmEcdsa,
                        wit::Mechanism::CkmRsaPkcsPss(with) => Self::CkmRsaPkcsPss(with.into()),
                        wit::Mechanism::CkmSha256RsaPkcsPss(with) => Self::CkmSha256RsaPkcsPss(with.into()),
                    }
                }
            }
            impl From<$crate::Mechanism> for wit::Mechanism {
                fn from(mechanism: $crate::Mechanism) -> Self {
                    match mechanism {
                        $crate::Mechanism::CkmEddsa => Self::CkmEddsa,
                        $crate::Mechanism::CkmEcdsa => Self::CkmEcdsa,
                        $crate::Mechanism::CkmRsaPkcsPss(with) => Self::CkmRsaPkcsPss(with.into()),
                        $crate::Mechanism::CkmSha256RsaPkcsPss(with) => Self::CkmSha256RsaPkcsPss(with.into()),
                    }
                }
            }
        };
    };
    (@codes $name:ident { $($case:ident = $number:literal $text:literal)+ }) => {
        impl From<wit::$name> for $crate::$name {
            fn from(value: wit::$name) -> Self {
                match value { $(wit::$name::$case => Self::$case,)+ }
            }
        }
        impl From<$crate::$name> for wit::$name {
            fn from(value: $crate::$name) -> Self {
                match value { $($crate::$name::$case => Self::$case,)+ }
            }
        }
    };
    (@rv { $($case:ident = $number:literal $text:literal)+ }) => {
        impl From<wit::Rv> for $crate::Rv {
            fn from(rv: wit::Rv) -> Self {
                match rv { $(wit::Rv::$case => Self::$case,)+ wit::Rv::Other(number) => Self::Other(number) }
            }
        }
        impl From<$crate::Rv> for wit::Rv {
            fn from(rv: $crate::Rv) -> Self {
                match rv { $($crate::Rv::$case => Self::$case,)+ $crate::Rv::Other(number) => Self::Other(number) }
            }
        }
    };
    (@flags $name:ident { $($flag:ident = $number:literal)+ }) => {
        impl From<wit::$name> for $crate::$name {
            fn from(flags: wit::$name) -> Self {
                let mut all = Self::default();
                $(if flags.contains(wit::$name::$flag) { all |= Self::$flag; })+
                all
            }
        }
        impl From<$crate::$name> for wit::$name {
            fn from(flags: $crate::$name) -> Self {
                let mut all = Self::empty();
                $(if flags.contains($crate::$name::$flag) { all |= Self::$flag; })+
                all
            }
        }
    };
    (@attribute { $($case:ident($value:ty))+ }) => {
        impl From<wit::Attribute> for $crate::Attribute {
            fn from(attribute: wit::Attribute) -> Self {
                match attribute { $(wit::Attribute::$case(value) => Self::$case(value.into()),)+ }
            }
        }
        impl From<$crate::Attribute> for wit::Attribute {
            fn from(attribute: $crate::Attribute) -> Self {
                match attribute { $($crate::Attribute::$case(value) => Self::$case(value.into()),)+ }
            }
        }
    };
    (@records $($name:ident { $($field:ident)+ })+) => {$(
        impl From<wit::$name> for $crate::$name {
            fn from(value: wit::$name) -> Self {
                Self { $($field: value.$field.into(),)+ }
            }
        }
        impl From<$crate::$name> for wit::$name {
            fn from(value: $crate::$name) -> Self {
                Self { $($field: value.$field.into(),)+ }
            }
        }
    )+};
}
