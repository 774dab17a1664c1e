//! The JSON-RPC contract of a remote store: client half, server half
