//! Store provider: every call goes through the imported `transport` to a store at its other end.
//!
//! Not here: what is sent, what is believed of the answer, what happens when it is lost
//! ([`secure_log_rpc::RemoteStore`]); how it travels (`transport-http`, or any other transport composed in).

/// The store at the other end of the transport this component was composed with.
pub type RemoteStore = secure_log_rpc::RemoteStore<secure_log_bindings::import::ImportedTransport>;

secure_log_bindings::export_store!(RemoteStore);
