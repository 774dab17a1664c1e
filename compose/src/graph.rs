//! From the text of a `.wac` file to the bytes of an artifact.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use indexmap::IndexMap;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, NamedSource, Report};
use wac_graph::EncodeOptions;
use wac_parser::Document;

use crate::parts::Parts;

/// A `.wac` file.
pub struct Graph {
    path: PathBuf,
    text: String,
}

/// What a graph was composed to.
pub struct Artifact {
    /// A validated component.
    pub bytes: Vec<u8>,
    /// The world it must fit.
    pub world: String,
}

impl Graph {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Composes the graph with components of `parts` and validates the result.
    ///
    /// # Errors
    /// A syntax or type error shows the place in the file; a missing part names its build command.
    pub fn compose(&self, parts: &mut Parts) -> Result<Artifact> {
        let document = Document::parse(&self.text).map_err(|error| self.render(error))?;
        let world = world_of(&document).ok_or_else(|| {
            anyhow!(
                "{}: no line `/// World: <name>` above `package`: the world this artifact must fit",
                self.path.display()
            )
        })?;
        let mut components = IndexMap::new();
        for package in wac_resolver::packages(&document).map_err(|error| self.render(error))?.into_keys() {
            let bytes = parts.get(package.name).with_context(|| self.path.display().to_string())?;
            components.insert(package, bytes.to_vec());
        }
        let resolution = document.resolve(components).map_err(|error| self.render(error))?;
        let bytes = resolution
            .encode(EncodeOptions { define_components: true, validate: true, processor: None })
            .map_err(|error| self.render(error))?;
        Ok(Artifact { bytes, world })
    }

    fn render(&self, error: impl Diagnostic + Send + Sync + 'static) -> anyhow::Error {
        let report =
            Report::new(error).with_source_code(NamedSource::new(self.path.display().to_string(), self.text.clone()));
        let mut out = String::new();
        match GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut out, report.as_ref())
        {
            Ok(()) => anyhow!(out),
            Err(_) => anyhow!("{}: {report}", self.path.display()),
        }
    }
}

/// The world named by the doc comment of the package: `/// World: stack`. wac's own `targets` clause
/// is not used, as it wants the very WASI versions of the world and Rust's standard library has others.
fn world_of(document: &Document<'_>) -> Option<String> {
    document.docs.iter().find_map(|doc| {
        doc.comment.lines().find_map(|line| line.trim().strip_prefix("World:").map(|name| name.trim().to_owned()))
    })
}
