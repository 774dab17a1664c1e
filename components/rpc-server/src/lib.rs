//! The endpoint of remote stores, a wasi:http guest
