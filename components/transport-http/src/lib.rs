//! Transport provider over wasi:http
