//! Store provider: append-only JSON lines that people can read
