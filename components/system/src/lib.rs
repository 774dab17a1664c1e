//! Clock, randomness and remembered heads for secure-log, natively and under WASI
