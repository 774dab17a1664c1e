//! The core component: exports encoder, log and checkpoint
