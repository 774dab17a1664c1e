//! The components that a `.wac` file may name, as cargo built them or as another graph composes them.
//!
//! One rule joins the three names of a part: package `secure-log:store-file` in a `.wac` file is crate
//! `secure-log-store-file`, whose component cargo writes to `secure_log_store_file.wasm`. Package
//! `composed:secure-log-keystore-softhsm` is what `secure-log-keystore-softhsm.wac` beside that file composes, or a file
//! plugged in its place.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::graph::Graph;

/// The target that every component is built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Namespace of parts that are graphs themselves.
const COMPOSED: &str = "composed:";

/// The folders of built components and of graphs, and the parts asked for so far.
pub struct Parts {
    folder: PathBuf,
    graphs: PathBuf,
    read: BTreeMap<String, Vec<u8>>,
    /// Read from elsewhere, and so not among those that are ours.
    plugged: BTreeMap<String, Vec<u8>>,
    /// Graphs that are being composed, the outermost first.
    within: Vec<String>,
}

impl Parts {
    /// Parts of `folder`, normally `<target dir>/wasm32-wasip2/release`, and of the graphs in `graphs`.
    pub fn new(folder: PathBuf, graphs: PathBuf) -> Self {
        Self { folder, graphs, read: BTreeMap::new(), plugged: BTreeMap::new(), within: Vec::new() }
    }

    /// Takes the component in `file` for what the graph `name` would compose.
    ///
    /// # Errors
    /// The file can not be read.
    pub fn plug(&mut self, name: &str, file: &Path) -> Result<()> {
        let bytes = std::fs::read(file).with_context(|| format!("reading {} for `{name}`", file.display()))?;
        self.plugged.insert(format!("{COMPOSED}{name}"), bytes);
        Ok(())
    }

    /// The bytes of the component of `package`.
    ///
    /// # Errors
    /// A component that was not built names the command that builds it; a graph, what it lacks.
    pub fn get(&mut self, package: &str) -> Result<&[u8]> {
        if self.plugged.contains_key(package) {
            return Ok(&self.plugged[package]);
        }
        if !self.read.contains_key(package) {
            let bytes = match package.strip_prefix(COMPOSED) {
                Some(name) => self.composed(name)?,
                None => self.built(package)?,
            };
            self.read.insert(package.to_owned(), bytes);
        }
        Ok(&self.read[package])
    }

    /// What the graph `name` composes.
    fn composed(&mut self, name: &str) -> Result<Vec<u8>> {
        if self.within.iter().any(|outer| outer == name) {
            bail!("graph `{name}` is a part of itself");
        }
        self.within.push(name.to_owned());
        let artifact = Graph::load(&self.graphs.join(format!("{name}.wac"))).and_then(|graph| graph.compose(self));
        self.within.pop();
        Ok(artifact?.bytes)
    }

    /// What cargo built of the crate of `package`.
    fn built(&self, package: &str) -> Result<Vec<u8>> {
        let component = crate_name(package);
        let file = self.folder.join(format!("{}.wasm", component.replace('-', "_")));
        if !file.is_file() {
            bail!(
                "component `{package}` is missing: no {}; build it with `cargo build --release --target {TARGET} -p {component}`",
                file.display()
            );
        }
        std::fs::read(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// Every part of ours that was asked for, by package name.
    pub fn used(&self) -> impl Iterator<Item = (&str, &[u8])> {
        listed(&self.read)
    }

    /// Every part that stands in for one of ours.
    pub fn plugged(&self) -> impl Iterator<Item = (&str, &[u8])> {
        listed(&self.plugged)
    }
}

fn listed(parts: &BTreeMap<String, Vec<u8>>) -> impl Iterator<Item = (&str, &[u8])> {
    parts.iter().map(|(package, bytes)| (package.as_str(), bytes.as_slice()))
}

/// Crate of a package, `secure-log-core` of `secure-log:core`, or the name of its graph.
pub fn crate_name(package: &str) -> String {
    package.strip_prefix(COMPOSED).map_or_else(|| package.replace(':', "-"), str::to_owned)
}
