//! A directory that is gone after the test, natively and in a guest (which has no temp directory).
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../log/tests/support/reading.rs"]
pub mod reading;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let base = if cfg!(target_os = "wasi") { PathBuf::from(".") } else { std::env::temp_dir() };
        let process = if cfg!(target_os = "wasi") { 0 } else { std::process::id() };
        let dir = base.join(format!("store-sqlite-{process}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&dir).unwrap();
        Scratch(dir)
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
