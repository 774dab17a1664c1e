//! The components that a `.wac` file may name, as cargo built them.
//!
//! One rule joins the three names of a part: package `secure-log:store-file` in a `.wac` file is crate
//! `secure-log-store-file`, whose component cargo writes to `secure_log_store_file.wasm`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};

/// The target that every component is built for.
pub const TARGET: &str = "wasm32-wasip2";

/// The folder of built components, and those read from it so far.
pub struct Parts {
    folder: PathBuf,
    read: BTreeMap<String, Vec<u8>>,
}

impl Parts {
    /// Parts of `folder`, normally `<target dir>/wasm32-wasip2/release`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, read: BTreeMap::new() }
    }

    /// The bytes of the component of `package`.
    ///
    /// # Errors
    /// A component that was not built names the command that builds it.
    pub fn get(&mut self, package: &str) -> Result<&[u8]> {
        if !self.read.contains_key(package) {
            let component = crate_name(package);
            let file = self.folder.join(format!("{}.wasm", component.replace('-', "_")));
            if !file.is_file() {
                bail!(
                    "component `{package}` is missing: no {}; build it with `cargo build --release --target {TARGET} -p {component}`",
                    file.display()
                );
            }
            let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            self.read.insert(package.to_owned(), bytes);
        }
        Ok(self.read.get(package).map(Vec::as_slice).unwrap_or_default())
    }

    /// Every part that was asked for, by package name.
    pub fn used(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.read.iter().map(|(package, bytes)| (package.as_str(), bytes.as_slice()))
    }
}

/// Crate of a package: `secure-log:core` is `secure-log-core`.
pub fn crate_name(package: &str) -> String {
    package.replace(':', "-")
}
