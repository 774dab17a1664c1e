//! The endpoint of the remote stack: this binary again as `verify serve`, which is `wasmtime serve`.
//!
//! It listens on a free loopback port, is stopped by its process id when dropped, and ends by itself when
//! the process that started it is gone (its standard input closes). Also here: one plain HTTP request, for
//! the checks that talk to an endpoint without a client stack.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context as _, Result, bail};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use secure_log::types::hex;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use wasmtime_wasi_http::io::TokioIo;

/// The bearer token of every endpoint started here; known to whoever reads this, so loopback only.
pub const TOKEN: &str = "verify-harness-token-of-a-loopback-endpoint";
/// Compiling the endpoint for the first time is what takes long.
const START_LIMIT: Duration = Duration::from_secs(180);
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// The contract's body limit is 8 MiB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What can be served: an artifact and the file name of its store, `?shared` where several instances at once need it.
#[derive(Clone, Debug)]
pub struct Server {
    artifact: PathBuf,
    store: &'static str,
}

impl Server {
    /// The endpoint over a SQLite database.
    pub fn sqlite(dist: &Path) -> Server {
        Server { artifact: dist.join("secure-log-rpc-server.wasm"), store: "audit" }
    }

    /// The endpoint over a JSON-lines file.
    pub fn file(dist: &Path) -> Server {
        Server { artifact: dist.join("secure-log-rpc-server-file.wasm"), store: "audit?shared" }
    }
}

/// A running endpoint.
pub struct Endpoint {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Endpoint {
    /// Serves with a store in `dir/served/audit`, and waits until it answers.
    ///
    /// # Errors
    /// It did not start or answer; its own words are in the error.
    pub fn start(server: &Server, dir: &Path) -> Result<Endpoint> {
        let (served, tokens) = (dir.join("served"), dir.join("served.tokens"));
        fs::create_dir_all(&served)?;
        fs::create_dir_all(&tokens)?;
        fs::write(tokens.join("tokens"), format!("{}\n", hex(&Sha256::digest(TOKEN))))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--until-stdin-closes", "-S", "cli", "--addr", "127.0.0.1:0"])
            .args(["--dir", &format!("{}::/data", served.display())])
            .args(["--dir", &format!("{}::/tokens", tokens.display())])
            .args(["--env", &format!("SECURE_LOG_STORE_CONFIG=/data/{}", server.store)])
            .args(["--env", "SECURE_LOG_RPC_TOKENS=/tokens/tokens"])
            .arg(&server.artifact)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the endpoint")?;
        let stderr = child.stderr.take().context("the endpoint has no stderr")?;
        let log = Arc::new(Mutex::new(String::new()));
        let (say, said) = mpsc::channel();
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("Serving HTTP on http://") {
                    let _ = say.send(url.trim_end_matches('/').to_owned());
                }
                if let Ok(mut kept) = kept.lock()
                    && kept.len() < 64 * 1024
                {
                    kept.push_str(&line);
                    kept.push('\n');
                }
            }
        });
        let mut endpoint = Endpoint { child, address: String::new(), log };
        endpoint.address = match said.recv_timeout(START_LIMIT) {
            Ok(address) => address,
            Err(_) => bail!("the endpoint does not listen: {}", endpoint.log()),
        };
        endpoint.post(None, b"").with_context(|| format!("the endpoint does not answer: {}", endpoint.log()))?;
        Ok(endpoint)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// One POST; status and body of the answer.
    ///
    /// # Errors
    /// No answer within a minute, or one longer than 16 MiB.
    pub fn post(&self, token: Option<&str>, body: &[u8]) -> Result<(u16, String)> {
        let exchange = async {
            let stream = tokio::net::TcpStream::connect(&self.address).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let mut request = http::Request::post("/").header(HOST, &self.address);
            request = request.header(CONTENT_TYPE, "application/json");
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body)))?).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        runtime()?.block_on(async { tokio::time::timeout(REQUEST_LIMIT, exchange).await? })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build());
    runtime.as_ref().map_err(|error| anyhow::anyhow!("no runtime for HTTP: {error}"))
}

/// For `serve --until-stdin-closes`: ends the process when whoever holds the other end of stdin is gone.
pub fn end_with_stdin() {
    thread::spawn(|| {
        let mut ignored = [0; 256];
        while matches!(std::io::stdin().read(&mut ignored), Ok(count) if count > 0) {}
        std::process::exit(0);
    });
}
