//! The real graphs and the real contract, composed from parts that have the right types and empty bodies.
//!
//! The story: someone changes a component or a graph, and the build must say which name does not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, sync::OnceLock};

use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use crate::{Args, run};

/// Part (file name without extension) and its world.
const PARTS: [(&str, &str); 15] = [
    ("secure_log_token_softhsm", "token-provider"),
    ("secure_log_token", "token"),
    ("secure_log_keystore_pkcs11", "keystore-pkcs11"),
    ("secure_log_confine", "confine"),
    ("secure_log_contract", "contract"),
    ("secure_log_cli", "cli"),
    ("secure_log_core", "core"),
    ("secure_log_store_sqlite", "store-provider"),
    ("secure_log_store_file", "store-provider"),
    ("secure_log_store_remote", "store-remote"),
    ("secure_log_transport_http", "transport-http"),
    ("secure_log_offline", "offline"),
    ("secure_log_keystore_software", "keystore-provider"),
    ("secure_log_rpc_server", "rpc-server"),
    ("secure_log_witness", "witness"),
];

/// What every part imports besides, because Rust's standard library does.
const STD: &str = "import wasi:cli/environment@0.2.12; import wasi:filesystem/preopens@0.2.12;";

/// A copy of the repository's contract and graphs with a folder of parts, granted what they import.
struct Yard(TempDir);

/// The parts as the contract has them and the list of their imports.
struct Pristine {
    parts: Vec<(&'static str, Vec<u8>)>,
    imports: Vec<u8>,
}

/// Made once, as parsing takes a while.
fn pristine() -> &'static Pristine {
    static PRISTINE: OnceLock<Pristine> = OnceLock::new();
    PRISTINE.get_or_init(|| {
        let yard = Yard::without_parts();
        let parts: Vec<_> = PARTS.map(|(part, world)| (part, component(&yard.path("wit"), &of_world(world)))).into();
        parts.iter().for_each(|(part, bytes)| yard.put(part, bytes));
        yard.run(true).unwrap();
        Pristine { parts, imports: fs::read(yard.path("compose/imports.txt")).unwrap() }
    })
}

impl Yard {
    fn new() -> Self {
        let yard = Self::without_parts();
        let Pristine { parts, imports } = pristine();
        parts.iter().for_each(|(part, bytes)| yard.put(part, bytes));
        fs::write(yard.path("compose/imports.txt"), imports).unwrap();
        yard
    }

    fn without_parts() -> Self {
        let yard = Self(tempfile::tempdir().unwrap());
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        copy(&repository.join("wit"), &yard.path("wit"), "wit");
        copy(&repository.join("wit/deps"), &yard.path("wit/deps"), "wit");
        copy(&repository.join("compose"), &yard.path("compose"), "wac");
        fs::create_dir(yard.path("parts")).unwrap();
        yard
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, part: &str, component: &[u8]) {
        fs::write(self.path(&format!("parts/{part}.wasm")), component).unwrap();
    }

    /// A part of a world of its own, given as WIT text, against the unchanged contract.
    fn put_world(&self, part: &str, world: &str) {
        self.put(part, &component(&self.path("wit"), world));
    }

    /// A part built against a contract in which `from` reads `to`.
    fn put_changed(&self, part: &str, world: &str, file: &str, from: &str, to: &str) {
        let other = tempfile::tempdir().unwrap();
        copy(&self.path("wit"), other.path(), "wit");
        copy(&self.path("wit/deps"), &other.path().join("deps"), "wit");
        let text = fs::read_to_string(other.path().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(other.path().join(file), text.replacen(from, to, 1)).unwrap();
        self.put(part, &component(other.path(), &of_world(world)));
    }

    fn run(&self, bless: bool) -> anyhow::Result<usize> {
        run(&self.args(&[]), bless)
    }

    fn args(&self, graphs: &[&str]) -> Args {
        Args {
            graphs: graphs.iter().map(|g| (*g).to_owned()).collect(),
            root: self.path(""),
            parts: Some(self.path("parts")),
            out: Some(self.path("dist")),
            deps: None,
            keystore_softhsm: None,
            target_dir: None,
        }
    }

    /// The error of composing one graph alone.
    fn error(&self, graph: &str) -> String {
        let args = self.args(&[]);
        let contract = crate::Contract::load(&args.root.join("wit")).unwrap();
        let mut parts = crate::Parts::new(self.path("parts"), self.path("compose"));
        match crate::compose(&self.path(&format!("compose/{graph}.wac")), &contract, &mut parts) {
            Ok(_) => panic!("{graph} composed"),
            Err(error) => format!("{error:#}"),
        }
    }
}

fn copy(from: &Path, to: &Path, extension: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == extension) {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn of_world(name: &str) -> String {
    format!("include secure-log:log/{name}@0.1.0;")
}

/// A component of a world, given as the text in its braces, whose every function traps.
fn component(wit: &Path, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::new();
    resolve.push_dir(wit).unwrap();
    let text = format!("package trial:trial; interface secret {{ take: func(); }} world trial {{ {STD} {world} }}");
    let package = resolve.push_str("trial.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("trial")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

#[test]
fn every_graph_composes_and_fits_its_world() {
    let yard = Yard::new();
    let artifacts = [
        "contract-file",
        "contract-sqlite",
        "contract-remote",
        "sqlite",
        "file",
        "remote",
        "rpc-server",
        "rpc-server-file",
        "witness",
        "cli-file",
        "cli-sqlite",
        "cli-remote",
        "cli-file-online",
        "cli-sqlite-online",
        "token-softhsm",
        "keystore-softhsm",
        "keystore-pkcs11",
        "sqlite-pkcs11",
        "sqlite-pkcs11-host",
        "cli-sqlite-pkcs11",
    ];
    assert_eq!(yard.run(false).unwrap(), artifacts.len());
    assert_eq!(yard.run(false).unwrap(), artifacts.len(), "a second run over the same artifacts");
    for artifact in artifacts {
        assert!(yard.path(&format!("dist/secure-log-{artifact}.wasm")).is_file(), "{artifact}");
    }
}

/// Least authority: what is written in no graph is what a store does not get.
#[test]
fn no_graph_gives_a_store_the_hosts_environment_or_directories() {
    let mut stores = 0;
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wac") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for store in text.split("new secure-log:store-").skip(1) {
            let arguments = store.split_once('}').unwrap().0;
            assert!(arguments.contains("environment: confine.environment"), "{}: {arguments}", path.display());
            let remote = arguments.starts_with("remote");
            assert!(remote || arguments.contains("preopens: confine.preopens"), "{}: {arguments}", path.display());
            stores += 1;
        }
        for http in text.split("new secure-log:transport-http").skip(1) {
            let arguments = http.split_once('}').unwrap().0;
            assert!(
                arguments.contains("environment: confine.transport-environment"),
                "{}: {arguments}",
                path.display()
            );
        }
    }
    assert!(stores >= 14, "{stores}");
}

#[test]
fn a_missing_part_names_the_command_that_builds_it_and_leaves_no_old_artifact() {
    let yard = Yard::new();
    fs::remove_file(yard.path("parts/secure_log_store_file.wasm")).unwrap();
    let error = yard.error("secure-log-file");
    assert!(error.contains("cargo build --release --target wasm32-wasip2 -p secure-log-store-file"), "{error}");
    assert_eq!(yard.run(false).unwrap_err().to_string(), "15 composed, 5 failed");
    assert!(!yard.path("dist/secure-log-file.wasm").exists());
    assert!(yard.path("dist/secure-log-sqlite.wasm").exists());
}

#[test]
fn an_import_outside_the_world_is_named() {
    let yard = Yard::new();
    yard.put_world("secure_log_store_sqlite", "import secret; include secure-log:log/store-provider@0.1.0;");
    let error = yard.error("secure-log-sqlite");
    assert!(error.contains("does not fit world `stack`: stray import `trial:trial/secret`"), "{error}");
}

#[test]
fn http_is_for_the_remote_stack_only() {
    let yard = Yard::new();
    yard.put_world(
        "secure_log_store_file",
        "import wasi:http/outgoing-handler@0.2.12; include secure-log:log/store-provider@0.1.0;",
    );
    let error = yard.error("secure-log-file");
    assert!(error.contains("stray import `wasi:http/outgoing-handler@0.2.12`"), "{error}");
}

#[test]
fn an_edge_that_was_forgotten_is_a_stray_import() {
    let yard = Yard::new();
    let graph = yard.path("compose/secure-log-file.wac");
    let text = fs::read_to_string(&graph).unwrap();
    fs::write(&graph, text.replace("    signer: keystore.signer,\n", "")).unwrap();
    let error = yard.error("secure-log-file");
    assert!(error.contains("stray import `keys:keystore/signer`"), "{error}");
}

#[test]
fn a_store_of_another_type_is_named_with_its_place_in_the_graph() {
    let yard = Yard::new();
    yard.put_changed("secure_log_store_sqlite", "store-provider", "store.wit", "limit: u32", "limit: u64");
    let error = yard.error("secure-log-sqlite");
    assert!(error.contains("secure-log:log/store@0.1.0") && error.contains("secure-log-sqlite.wac"), "{error}");
}

#[test]
fn an_export_of_another_type_is_named() {
    let yard = Yard::new();
    yard.put_changed(
        "secure_log_core",
        "core",
        "log.wit",
        "sync: func(stream-id: string)",
        "sync: func(stream-id: u64)",
    );
    let error = yard.error("secure-log-sqlite");
    assert!(error.contains("export `secure-log:log/log@0.1.0` has another type"), "{error}");
}

#[test]
fn a_missing_export_is_named() {
    let yard = Yard::new();
    yard.put_world(
        "secure_log_core",
        "import secure-log:log/store@0.1.0; import keys:keystore/signer; export secure-log:log/log@0.1.0;",
    );
    let error = yard.error("secure-log-sqlite");
    assert!(error.contains("missing export `secure-log:log/checkpoint@0.1.0`"), "{error}");
}

#[test]
fn an_export_beyond_the_world_is_named() {
    let yard = Yard::new();
    yard.put_world("secure_log_core", "export secret; include secure-log:log/core@0.1.0;");
    let error = yard.error("secure-log-sqlite");
    assert!(error.contains("stray export `trial:trial/secret`"), "{error}");
}

#[test]
fn a_function_beyond_the_interface_is_named() {
    let yard = Yard::new();
    yard.put_changed(
        "secure_log_core",
        "core",
        "log.wit",
        "sync: func(stream-id: string)",
        "extra: func(); sync: func(stream-id: string)",
    );
    let error = yard.error("secure-log-sqlite");
    assert!(error.contains("export `secure-log:log/log@0.1.0` has more than its interface"), "{error}");
}

#[test]
fn a_graph_that_does_not_name_its_world_is_refused() {
    let yard = Yard::new();
    let graph = yard.path("compose/secure-log-file.wac");
    let text = fs::read_to_string(&graph).unwrap();
    fs::write(&graph, text.replace("/// World: stack\n", "")).unwrap();
    assert!(yard.error("secure-log-file").contains("no line `/// World: <name>`"));
    fs::write(&graph, text.replace("World: stack", "World: stick")).unwrap();
    assert!(yard.error("secure-log-file").contains("wit/worlds.wit has no world `stick`"));
}

#[test]
fn a_new_import_inside_the_world_needs_a_blessing() {
    let yard = Yard::new();
    yard.put_world(
        "secure_log_store_file",
        "import wasi:random/random@0.2.12; include secure-log:log/store-provider@0.1.0;",
    );
    let error = yard.run(false).unwrap_err().to_string();
    assert!(error.contains("`secure-log-store-file` is not granted its import of `wasi:random/random`"), "{error}");
    yard.run(true).unwrap();
    yard.run(false).unwrap();
}

#[test]
fn a_graph_can_be_a_part_of_another_and_a_file_can_be_plugged_in_its_place() {
    let yard = Yard::new();
    let graph = |name: &str, text: &str| fs::write(yard.path(&format!("compose/{name}.wac")), text).unwrap();
    let inner = |part: &str| {
        format!(
            "/// World: keystore-provider\npackage trial:inner;\nlet keystore = new {part} {{ ... }};\nexport keystore...;\n"
        )
    };
    graph("secure-log-keystore-softhsm", &inner("secure-log:keystore-software"));
    let file = fs::read_to_string(yard.path("compose/secure-log-file.wac")).unwrap();
    graph("secure-log-file", &file.replace("secure-log:keystore-software", "composed:secure-log-keystore-softhsm"));
    let mut args = yard.args(&["secure-log-file"]);
    run(&args, true).unwrap();
    assert!(fs::read_to_string(yard.path("compose/imports.txt")).unwrap().contains("\nsecure-log-keystore-softhsm\n"));

    fs::remove_file(yard.path("compose/secure-log-keystore-softhsm.wac")).unwrap();
    assert!(yard.error("secure-log-file").contains("secure-log-keystore-softhsm.wac"));
    args.keystore_softhsm = Some(yard.path("parts/secure_log_store_file.wasm"));
    run(&args, false).unwrap_err();
    args.keystore_softhsm = Some(yard.path("parts/secure_log_keystore_software.wasm"));
    args.deps = Some(yard.path("deps"));
    run(&args, false).unwrap();
    assert!(yard.path("deps/composed/secure-log-keystore-softhsm.wasm").is_file());

    graph("secure-log-keystore-softhsm", &inner("composed:secure-log-keystore-softhsm"));
    assert!(yard.error("secure-log-file").contains("graph `secure-log-keystore-softhsm` is a part of itself"));
}

#[test]
fn parts_can_be_laid_out_for_a_stock_wac() {
    let yard = Yard::new();
    let mut args = yard.args(&["secure-log-rpc-server"]);
    args.deps = Some(yard.path("deps"));
    assert_eq!(run(&args, false).unwrap(), 1);
    assert!(yard.path("deps/secure-log/rpc-server.wasm").is_file());
    assert!(yard.path("deps/secure-log/store-sqlite.wasm").is_file());
}
