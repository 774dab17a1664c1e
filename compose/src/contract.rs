//! The worlds of `wit/`, and whether a component is what its world says.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use wac_types::{ItemKind, Package, SubtypeChecker, Type, Types, WorldId, validate_target};

/// The WIT package of the project in its binary form, which is how wac reads types.
pub struct Contract {
    encoded: Vec<u8>,
}

impl Contract {
    /// Parses the folder `wit/` with its `deps/`.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut resolve = wit_parser::Resolve::new();
        let (package, _) = resolve.push_dir(folder).with_context(|| format!("parsing {}", folder.display()))?;
        Ok(Self { encoded: wit_component::encode(&resolve, package)? })
    }

    /// Checks a composed artifact against `world`: every export present with exactly its type and no
    /// other, imports at most those of the world, at a compatible version.
    ///
    /// # Errors
    /// Names each import or export that does not fit.
    pub fn check(&self, world: &str, component: &[u8]) -> Result<()> {
        let mut types = Types::default();
        let contract = Package::from_bytes("contract", None, self.encoded.as_slice(), &mut types)?;
        let component = Package::from_bytes("artifact", None, component, &mut types)?.ty();
        let world_id = find_world(&types, contract.ty(), world)?;

        let mut faults = Vec::new();
        if let Err(report) = validate_target(&types, world_id, component) {
            faults.extend(report.imports_not_in_target().map(|name| format!("stray import `{name}`")));
            faults.extend(report.missing_exports().map(|(name, _)| format!("missing export `{name}`")));
            faults.extend(
                report
                    .mismatched_types()
                    .map(|(name, kind, error)| format!("{kind} `{name}` has another type: {error:#}")),
            );
        }
        faults.extend(surplus_exports(&types, world_id, component));
        if faults.is_empty() { Ok(()) } else { bail!("does not fit world `{world}`: {}", faults.join("; ")) }
    }
}

/// What `validate_target` lets pass: exports the world does not list, and exports with more in them
/// than the world's interface has.
fn surplus_exports(types: &Types, world: WorldId, component: WorldId) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let mut checker = SubtypeChecker::new(&mut seen);
    types[component]
        .exports
        .iter()
        .filter_map(|(name, item)| match types[world].exports.iter().find(|(known, _)| track(known) == track(name)) {
            None => Some(format!("stray export `{name}`")),
            Some((_, expected)) => checker
                .is_subtype(expected.promote(), types, *item, types)
                .err()
                .map(|error| format!("export `{name}` has more than its interface: {error:#}")),
        })
        .collect()
}

/// An interface's name up to what versions compatible with it share: `wasi:cli/run@0.2` of `wasi:cli/run@0.2.12`.
/// Rust's standard library exports `run` at the oldest version of a world.
fn track(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((track, _)) if name.contains("@0.") => track,
        _ => name,
    }
}

/// Names of what a component imports, without versions and sorted: the version of a WASI interface
/// follows the toolchain, its name is the authority. Types without functions give no authority.
pub fn authority(component: &[u8]) -> Result<Vec<String>> {
    let mut types = Types::default();
    let package = Package::from_bytes("component", None, component, &mut types)?;
    let mut names: Vec<_> =
        types[package.ty()].imports.keys().map(|name| name.split('@').next().unwrap_or(name).to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A WIT package in binary form exports one item per world, whose only export is the world itself.
fn find_world(types: &Types, package: WorldId, name: &str) -> Result<WorldId> {
    let item = types[package].exports.get(name).ok_or_else(|| anyhow!("wit/worlds.wit has no world `{name}`"))?;
    let ItemKind::Type(Type::World(outer)) = item else { bail!("`{name}` in wit/ is not a world") };
    match types[*outer].exports.values().next() {
        Some(ItemKind::Component(world)) => Ok(*world),
        _ => bail!("`{name}` in wit/ is not a world"),
    }
}
