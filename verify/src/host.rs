//! How a composed stack is hosted: engine, linker, one instance per call of [`Stack::start`].
//!
//! Not here: what is asked of an instance (`steps` and its neighbours), the endpoint of the remote stack
//! (`endpoint`). The guest sees the directories and variables of its [`Site`] and nothing else; every file
//! sync, HTTP request and page of memory it asks for is counted in [`Meter`].

pub mod keystore;

use std::path::{Path, PathBuf};

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Resource, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{Cache, Config, Engine, ResourceLimiter, Result, Store, StoreContextMut};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{Descriptor, ErrorCode, Host as _, HostDescriptor as _};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::site::Site;
use crate::token::Lent;

/// The generated bindings of world `audit-log`.
pub mod wit {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "secure-log:log/audit-log",
        additional_derives: [PartialEq],
    });

    pub use self::secure_log::log::types::*;
}

use wit::exports::secure_log::log::checkpoint::SignedSegment;
use wit::*;

/// No guest gets more linear memory than this, in bytes: a runaway becomes an error, not a full machine.
pub const MEMORY_CAP: usize = 512 * 1024 * 1024;

/// What a command may print, on stdout and on stderr each, in bytes.
const PRINTED: usize = 1 << 20;

/// What a guest has asked of the host so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// `sync-data` and `sync` calls on files and directories.
    pub syncs: u64,
    /// Outgoing HTTP requests.
    pub posts: u64,
    /// Bytes of linear memory, all memories of the graph together. Memory never shrinks: it is the peak.
    pub memory: usize,
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let total = self.memory + (desired - current);
        if total > MEMORY_CAP {
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= 100_000)
    }
}

/// The state behind one instance.
pub struct Host {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    meter: Meter,
    posts: CountPosts,
    token: Lent,
}

impl Host {
    fn new(wasi: WasiCtx, token: Lent) -> Host {
        Host {
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            meter: Meter::default(),
            posts: CountPosts::default(),
            token,
        }
    }
}

/// Sends requests as the default does, and counts them.
#[derive(Default)]
struct CountPosts(u64);

type Sent = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Box<dyn Future<Output = Transfer> + Send>)>;
type Transfer = wasmtime_wasi_http::Result<()>;

impl WasiHttpHooks for CountPosts {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        transfer: Box<dyn Future<Output = Transfer> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        self.0 += 1;
        wasmtime_wasi_http::default_hooks().send_request(request, options, transfer)
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.posts }
    }
}

/// The engine with its cache of compiled artifacts, which is keyed by content, engine version and settings
/// (the directory that `wasmtime` itself uses), so that a second start takes milliseconds.
///
/// # Errors
/// The cache directory cannot be made.
pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.cache(Some(Cache::from_file(None).context("the cache of compiled artifacts")?));
    Engine::new(&config)
}

/// One composed artifact, compiled and linked, ready to be instantiated any number of times.
#[derive(Clone)]
pub struct Stack {
    engine: Engine,
    pre: AuditLogPre<Host>,
    remote: bool,
    asks_for_token: bool,
    /// Whose tokens are lent, if the stack asks for any.
    module: Option<PathBuf>,
}

impl Stack {
    /// Compiles (or takes from the cache) and links the artifact. WASI only; HTTP and the tokens of the host are linked if
    /// they are imported.
    ///
    /// # Errors
    /// Not a component, or not of world `audit-log`: the import or export is named.
    pub fn load(engine: &Engine, artifact: &Path) -> Result<Stack> {
        let component = Component::from_file(engine, artifact)
            .with_context(|| format!("{} is not a component this host can run", artifact.display()))?;
        let asks = |interface: &str| {
            component.component_type().imports(engine).any(|(name, item)| {
                name.starts_with(interface) && matches!(item.ty, ComponentItem::ComponentInstance(_))
            })
        };
        let remote = asks("wasi:http/outgoing-handler");
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        if remote {
            wasmtime_wasi_http::p2::add_only_http_to_linker_sync(&mut linker)?;
        }
        let asks_for_token = asks("keys:pkcs11/cryptoki");
        if asks_for_token {
            Lent::link(&mut linker, |host: &mut Host| &mut host.token)?;
        }
        count_syncs(&mut linker)?;
        let pre = linker.instantiate_pre(&component).and_then(AuditLogPre::new);
        let pre = pre.with_context(|| format!("{} does not fit world audit-log", artifact.display()))?;
        Ok(Stack { engine: engine.clone(), pre, remote, asks_for_token, module: None })
    }

    /// The same stack; its instances may use the tokens behind this native PKCS #11 module.
    pub fn with_module(mut self, module: &Path) -> Stack {
        self.module = Some(module.to_owned());
        self
    }

    /// Whether the stack keeps its rows behind an endpoint.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// Whether its keys live in a token of the host.
    pub fn asks_for_token(&self) -> bool {
        self.asks_for_token
    }

    /// A new instance, not yet open, that sees what `site` gives it.
    ///
    /// # Errors
    /// A directory of the site cannot be opened, or instantiation trapped.
    pub fn start(&self, site: &Site) -> Result<Instance> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_blocking_current_thread(true).envs(&site.env());
        if !site.is_quiet() {
            wasi.inherit_stderr();
        }
        preopen(&mut wasi, &site.preopens())?;
        let host = Host::new(wasi.build(), Lent::new(self.module.as_deref())?);
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.meter);
        let exports = self.pre.instantiate(&mut store)?;
        Ok(Instance { store, exports })
    }
}

fn preopen(wasi: &mut WasiCtxBuilder, directories: &[(PathBuf, &'static str)]) -> Result<()> {
    for (host, guest) in directories {
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite)
            .with_context(|| format!("directory {} for the guest's {guest}", host.display()))?;
    }
    Ok(())
}

/// Runs an artifact of world `command` to its end, as `wasmtime run` does: its exit status and what it printed, stdout
/// before stderr.
///
/// # Errors
/// Not such an artifact, a directory that cannot be opened, a trap.
pub fn command(
    engine: &Engine,
    artifact: &Path,
    directories: &[(PathBuf, &'static str)],
    env: &[(String, String)],
    args: &[&str],
) -> Result<(i32, String)> {
    let component = Component::from_file(engine, artifact)
        .with_context(|| format!("{} is not a component this host can run", artifact.display()))?;
    let mut linker = Linker::<Host>::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let (out, err) = (MemoryOutputPipe::new(PRINTED), MemoryOutputPipe::new(PRINTED));
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_blocking_current_thread(true).envs(env).stdout(out.clone()).stderr(err.clone());
    wasi.arg(artifact.file_name().unwrap_or_default().to_string_lossy()).args(args);
    preopen(&mut wasi, directories)?;
    let mut store = Store::new(engine, Host::new(wasi.build(), Lent::new(None)?));
    store.limiter(|host| &mut host.meter);
    let called = Command::instantiate(&mut store, &component, &linker)?.wasi_cli_run().call_run(&mut store);
    let status = match called {
        Ok(Ok(())) => 0,
        Ok(Err(())) => 1,
        Err(error) => error.downcast::<I32Exit>()?.0,
    };
    let printed = [out.contents(), err.contents()].concat();
    Ok((status, String::from_utf8_lossy(&printed).into_owned()))
}

/// Puts a counter before the two functions of `wasi:filesystem` that reach fdatasync and fsync.
fn count_syncs(linker: &mut Linker<Host>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut files = linker.instance("wasi:filesystem/types@0.2.12")?;
    type Done = Result<(std::result::Result<(), ErrorCode>,)>;
    files.func_wrap(
        "[method]descriptor.sync-data",
        |mut store: StoreContextMut<Host>, (file,): (Resource<Descriptor>,)| -> Done {
            store.data_mut().meter.syncs += 1;
            let mut files = store.data_mut().filesystem();
            match files.sync_data(file) {
                Ok(()) => Ok((Ok(()),)),
                Err(error) => Ok((Err(files.convert_error_code(error)?),)),
            }
        },
    )?;
    files.func_wrap(
        "[method]descriptor.sync",
        |mut store: StoreContextMut<Host>, (file,): (Resource<Descriptor>,)| -> Done {
            store.data_mut().meter.syncs += 1;
            let mut files = store.data_mut().filesystem();
            match files.sync(file) {
                Ok(()) => Ok((Ok(()),)),
                Err(error) => Ok((Err(files.convert_error_code(error)?),)),
            }
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a call of the log answers. The outer error is a trap: never acceptable.
pub type Answer<T> = Result<Logged<T>>;

type Logged<T> = std::result::Result<T, LogError>;

/// A running graph.
pub struct Instance {
    store: Store<Host>,
    exports: AuditLog,
}

impl Instance {
    /// What it has asked of the host so far.
    pub fn meter(&self) -> Meter {
        let host = self.store.data();
        Meter { posts: host.posts.0, ..host.meter }
    }
}

/// One method per exported function, under its own name.
macro_rules! exports {
    ($($interface:ident { $($call:ident = $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* })*) => {
        impl Instance {
            $($(
                #[doc = concat!("`", stringify!($name), "` of the contract.")]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "A trap."]
                pub fn $name(&mut self, $($arg: $ty),*) -> Result<$ret> {
                    let called = self.exports.$interface().$call(&mut self.store, $($arg),*);
                    called.context(concat!("trap in ", stringify!($name)))
                }
            )*)*
        }
    };
}

exports! {
    secure_log_log_encoder {
        call_encode_entry = encode_entry(entry: &Entry) -> Logged<Vec<u8>>;
        call_decode_entry = decode_entry(bytes: &[u8]) -> Logged<Entry>;
        call_name = encoder_name() -> String;
    }
    secure_log_log_log {
        call_open = open(config: &str) -> Logged<()>;
        call_create_stream = create_stream(stream: &str, tier: Tier, description: Option<&str>) -> Logged<()>;
        call_append = append(stream: &str, event_type: &str, severity: Severity, producer: &str, payload: Option<&[u8]>) -> Logged<AppendResult>;
        call_append_batch = append_batch(stream: &str, events: &[Event], want: Want) -> Logged<BatchResult>;
        call_sync = sync(stream: &str) -> Logged<()>;
        call_read = read(stream: &str, seqno: u64) -> Logged<Entry>;
        call_read_since = read_since(stream: &str, start: u64, limit: u32) -> Logged<Vec<Entry>>;
        call_head = head(stream: &str) -> Logged<Head>;
        call_list_streams = list_streams(after: Option<&str>, limit: u32) -> Logged<Vec<StreamInfo>>;
        call_close_stream = close_stream(stream: &str, reason: &str) -> Logged<()>;
        call_erase_payload = erase_payload(stream: &str, first: u64, last: u64, reason: &str) -> Logged<()>;
        call_close_segment = close_segment(stream: &str) -> Logged<SegmentInfo>;
        call_read_segment = read_segment(id: &SegmentId) -> Logged<SegmentInfo>;
        call_list_segments = list_segments(stream: &str, start: u64, limit: u32) -> Logged<Vec<SegmentInfo>>;
        call_verify_chain = verify_chain(stream: &str, first: u64, last: u64) -> Logged<()>;
        call_build_inclusion_proof = build_inclusion_proof(stream: &str, seqno: u64, tree_size: Option<u64>) -> Logged<InclusionProof>;
        call_build_consistency_proof = build_consistency_proof(stream: &str, old_size: u64, new_size: u64) -> Logged<ConsistencyProof>;
    }
    secure_log_log_checkpoint {
        call_sign_segment = sign_segment(identity: &str, id: &SegmentId) -> Logged<SignedSegment>;
        call_verify_segment_signature = verify_segment_signature(id: &SegmentId, trust: &Trust) -> Logged<()>;
        call_verify_checkpoint_chain = verify_checkpoint_chain(stream: &str, trust: &Trust) -> Logged<wit::Report>;
        call_verify = verify(stream: &str, trust: &Trust) -> Logged<wit::Report>;
        call_read_checkpoint = read_checkpoint(stream: &str, size: Option<u64>) -> Logged<String>;
        call_verifier_key = verifier_key(identity: &str, stream: &str) -> Logged<String>;
        call_attest_key = attest_key(identity: &str, stream: &str, attestation: &[u8]) -> Logged<AppendResult>;
        call_rotate_key = rotate_key(stream: &str, old: &str, new: &str, attestation: Option<&[u8]>) -> Logged<AppendResult>;
        call_revoke_key = revoke_key(stream: &str, identity: &str, vkey: &str, from: u64, reason: &str) -> Logged<AppendResult>;
        call_add_cosignature = add_cosignature(id: &SegmentId, lines: &[String], vkeys: &[String]) -> Logged<u32>;
    }
}

/// The calls that take a hash, which the bindings want as a vector.
impl Instance {
    /// `encode-checkpoint` of the contract.
    ///
    /// # Errors
    /// A trap.
    pub fn encode_checkpoint(&mut self, origin: &str, size: u64, root: &[u8]) -> Answer<Vec<u8>> {
        let called =
            self.exports.secure_log_log_encoder().call_encode_checkpoint(&mut self.store, origin, size, &root.to_vec());
        called.context("trap in encode_checkpoint")
    }

    /// `verify-inclusion-proof` of the contract.
    ///
    /// # Errors
    /// A trap.
    pub fn verify_inclusion_proof(&mut self, body: &[u8], proof: &InclusionProof, root: &[u8]) -> Answer<bool> {
        let log = self.exports.secure_log_log_log();
        log.call_verify_inclusion_proof(&mut self.store, body, proof, &root.to_vec())
            .context("trap in verify_inclusion_proof")
    }

    /// `verify-consistency-proof` of the contract.
    ///
    /// # Errors
    /// A trap.
    pub fn verify_consistency_proof(&mut self, proof: &ConsistencyProof, old: &[u8], new: &[u8]) -> Answer<bool> {
        let log = self.exports.secure_log_log_log();
        log.call_verify_consistency_proof(&mut self.store, proof, &old.to_vec(), &new.to_vec())
            .context("trap in verify_consistency_proof")
    }
}
