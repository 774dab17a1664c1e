//! Composes the components into `dist/` as the `.wac` files beside it say, and checks every artifact
//! against its world.
//!
//! Not here: building the components (cargo does) and the graph itself (the `.wac` files are it; a stock
//! `wac compose` reads the same files, see `--deps`).

mod authority;
mod contract;
mod graph;
mod parts;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::{
    authority::Authority,
    contract::Contract,
    graph::{Artifact, Graph},
    parts::Parts,
};

/// Composes components into artifacts and checks each against its world in wit/worlds.wit.
///
/// Run it from the repository root. Build the components first: ./scripts/build-components.sh does both.
/// With BLESS=1 in the environment compose/imports.txt is rewritten instead of checked.
#[derive(Parser)]
struct Args {
    /// Artifacts to compose: .wac files, or their names without extension. None: all of compose/.
    graphs: Vec<String>,
    /// Repository root: holds compose/ and wit/.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Folder of the built components [default: $CARGO_TARGET_DIR/wasm32-wasip2/release, or target/.. below the root]
    #[arg(long)]
    parts: Option<PathBuf>,
    /// Where artifacts go [default: dist/ below the root]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Also lay the parts out in this folder as `wac compose --deps-dir` expects them.
    #[arg(long, value_name = "FOLDER")]
    deps: Option<PathBuf>,
    /// A component that exports keys:keystore/signer, in the place of keystore-pkcs11 over SoftHSM.
    #[arg(long, value_name = "FILE", env = "KEYSTORE_SOFTHSM")]
    keystore_softhsm: Option<PathBuf>,
    #[arg(long, env = "CARGO_TARGET_DIR", hide = true)]
    target_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    match run(&args, bless) {
        Ok(composed) => {
            println!("{composed} composed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Composes what was asked for; goes on after a failure so that one run shows all of them. Nothing is
/// written unless every part has the imports it is granted.
fn run(args: &Args, bless: bool) -> Result<usize> {
    let target = args.target_dir.clone().unwrap_or_else(|| args.root.join("target"));
    let built = args.parts.clone().unwrap_or_else(|| target.join(parts::TARGET).join("release"));
    let mut parts = Parts::new(built, args.root.join("compose"));
    if let Some(file) = &args.keystore_softhsm {
        parts.plug("secure-log-keystore-softhsm", file)?;
        println!("plugged {} for secure-log-keystore-softhsm", file.display());
    }
    let out = args.out.clone().unwrap_or_else(|| args.root.join("dist"));
    let contract = Contract::load(&args.root.join("wit"))?;
    fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;

    let graphs = select(&args.root.join("compose"), &args.graphs)?;
    let mut composed = Vec::new();
    for path in &graphs {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match compose(path, &contract, &mut parts) {
            Ok(artifact) => composed.push((name, artifact)),
            Err(error) => {
                eprintln!("{name}: {error:#}");
                // What could not be composed is not left lying about in an older state.
                let _ = fs::remove_file(out.join(format!("{name}.wasm")));
            }
        }
    }
    check_authority(&args.root.join("compose/imports.txt"), &parts, bless)?;
    for (name, artifact) in &composed {
        write(&out.join(format!("{name}.wasm")), artifact)?;
    }
    if let Some(folder) = &args.deps {
        lay_out(&parts, folder)?;
    }
    if composed.len() < graphs.len() {
        bail!("{} composed, {} failed", composed.len(), graphs.len() - composed.len());
    }
    Ok(composed.len())
}

fn compose(path: &Path, contract: &Contract, parts: &mut Parts) -> Result<Artifact> {
    let artifact = Graph::load(path)?.compose(parts)?;
    contract.check(&artifact.world, &artifact.bytes)?;
    Ok(artifact)
}

/// The `.wac` files of the names given, or all in the folder.
fn select(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    if !names.is_empty() {
        return Ok(names
            .iter()
            .map(|name| if name.ends_with(".wac") { name.into() } else { folder.join(format!("{name}.wac")) })
            .collect());
    }
    let mut graphs = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wac") {
            graphs.push(path);
        }
    }
    if graphs.is_empty() {
        bail!("no .wac file in {}: run from the repository root or pass --root", folder.display());
    }
    graphs.sort();
    Ok(graphs)
}

/// Writes an artifact through a temporary file, unless it is there already.
fn write(file: &Path, artifact: &Artifact) -> Result<()> {
    let state = if fs::read(file).is_ok_and(|old| old == artifact.bytes) {
        "unchanged"
    } else {
        let temporary = file.with_extension("wasm.part");
        fs::write(&temporary, &artifact.bytes).with_context(|| format!("writing {}", temporary.display()))?;
        fs::rename(&temporary, file).with_context(|| format!("writing {}", file.display()))?;
        "written"
    };
    let kilobytes = artifact.bytes.len().div_ceil(1000);
    println!("{:<44} {kilobytes:>5} kB  world {:<12}  {state}", file.display(), artifact.world);
    Ok(())
}

/// Compares the imports of every part used with the golden list, or rewrites their lines of it.
fn check_authority(path: &Path, parts: &Parts, bless: bool) -> Result<()> {
    let mut found = Authority::new();
    for (package, bytes) in parts.used() {
        let imports = contract::authority(bytes).with_context(|| format!("reading component `{package}`"))?;
        found.insert(parts::crate_name(package), imports.into_iter().collect());
    }
    let mut golden = authority::load(path)?;
    if bless {
        golden.extend(found);
        fs::write(path, authority::render(&golden)).with_context(|| format!("writing {}", path.display()))?;
        println!("rewrote {}", path.display());
        return Ok(());
    }
    let faults = authority::differences(&golden, &found);
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\nif this is meant, run again with BLESS=1 and review compose/imports.txt", faults.join("\n"))
}

/// Copies the parts to `<folder>/<namespace>/<name>.wasm`.
fn lay_out(parts: &Parts, folder: &Path) -> Result<()> {
    for (package, bytes) in parts.used().chain(parts.plugged()) {
        let file = folder.join(format!("{}.wasm", package.replace(':', "/")));
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
