//! Store provider: every call through a transport
