//! Keystore provider: keys in PEM files or in memory
