//! Which checks run on which stack, and in which directories.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use secure_log::signer::Algorithm;
use tempfile::TempDir;
use wasmtime::Engine;

use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::host::{Stack, engine};
use crate::report::{Report, in_words, timed};
use crate::site::Site;
use crate::softhsm::{self, Token};
use crate::tamper::{at_rest, forged, honest, matrix};
use crate::{badinput, cost, events, steps, writers};

/// The algorithm of checks that do not depend on it: the fastest to sign.
const ANY_ALGORITHM: Algorithm = Algorithm::Ed25519;

/// What was asked for.
pub struct Plan {
    engine: Engine,
    dist: PathBuf,
    events: Option<PathBuf>,
    algorithm: Option<Algorithm>,
    slow: bool,
    /// A native PKCS #11 module with a token of the caller's own.
    module: Option<PathBuf>,
    temp: TempDir,
}

impl Plan {
    /// A plan over the artifacts in `dist`; its temporary directory goes with it. With somebody's own token, behind
    /// `module`, the environment stays as it is; without, a native SoftHSM finds the token that is made here.
    ///
    /// # Errors
    /// No engine, no temporary directory.
    pub fn new(
        dist: &Path,
        events: Option<PathBuf>,
        algorithm: Option<Algorithm>,
        slow: bool,
        module: Option<PathBuf>,
    ) -> Result<Plan> {
        let temp = tempfile::Builder::new().prefix("secure-log-verify-").tempdir().context("a temporary directory")?;
        if module.is_none() {
            softhsm::configure(&temp.path().join("token"))?;
        }
        Ok(Plan { engine: engine()?, dist: dist.to_owned(), events, algorithm, slow, module, temp })
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        self.algorithm.map_or(Algorithm::ALL.to_vec(), |algorithm| vec![algorithm])
    }

    fn load(&self, report: &mut Report, name: &str, artifact: &Path) -> Result<Stack> {
        report.group(name);
        let (stack, took) = timed(|| Stack::load(&self.engine, artifact));
        let stack = stack?;
        report.note(&format!("{} loaded in {}", artifact.display(), in_words(took)));
        Ok(stack)
    }

    /// One artifact on a person's own store config.
    ///
    /// # Errors
    /// The checks could not be run.
    pub fn one(&self, report: &mut Report, artifact: &Path, config: &str) -> Result<()> {
        let name = artifact.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut stack = self.load(report, &name, artifact)?;
        let token = self.token(&mut stack, &name)?;
        let in_token = |(site, endpoint): (Site, Option<Endpoint>)| match &token {
            Some(token) => (site.with_token(token), endpoint),
            None => (site, endpoint),
        };
        if let Some(file) = &self.events {
            let algorithm = self.algorithm.unwrap_or(ANY_ALGORITHM).as_str();
            let (site, _endpoint) = in_token(self.site(&stack, "events", config, algorithm)?);
            events::run(report, &stack, &site, file)?;
            self.tell_where(report, &site);
            return Ok(());
        }
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        for algorithm in self.algorithms() {
            report.group(&format!("{name}, {}", algorithm.as_str()));
            let (site, endpoint) =
                in_token(self.site(&stack, &format!("one-{}", algorithm.as_str()), config, algorithm.as_str())?);
            let stream = format!("verify/{stamp}-{}", algorithm.as_str());
            steps::run(report, &stack, &site, &stream)?;
            if let Some(endpoint) = &endpoint {
                badinput::endpoint(report, endpoint, &stack, &site, &stream);
            }
            self.tell_where(report, &site);
        }
        if token.is_some() {
            // The keys are elsewhere, and all else is the stack without them.
            return Ok(());
        }
        report.group(&format!("{name}, tampering"));
        let served = [Server::sqlite(&self.dist), Server::file(&self.dist)];
        match stack.is_remote() {
            true => self.tampering(report, &stack, "one", &served[0]),
            false => {
                let sqlite = self.is_sqlite(&stack)?;
                self.tampering(report, &stack, "one", if sqlite { &served[0] } else { &served[1] });
            }
        }
        Ok(())
    }

    /// Every stack with every algorithm.
    ///
    /// # Errors
    /// The checks could not be run.
    pub fn all(&self, report: &mut Report) -> Result<()> {
        let (sqlite, file) = (Server::sqlite(&self.dist), Server::file(&self.dist));
        for (name, server) in [("file", &file), ("sqlite", &sqlite)] {
            let artifact = self.dist.join(format!("secure-log-{name}.wasm"));
            let stack = self.load(report, name, &artifact)?;
            self.local(report, name, &stack, &artifact, server)?;
        }
        let stack = self.load(report, "remote", &self.dist.join("secure-log-remote.wasm"))?;
        for (name, server) in [("remote over sqlite", &sqlite), ("remote over file", &file)] {
            self.remote(report, name, &stack, server)?;
        }
        self.tokens(report)?;
        matrix::tell_limits(report);
        Ok(())
    }

    /// Keys in a token: of the graph, and the same token through the host.
    fn tokens(&self, report: &mut Report) -> Result<()> {
        let artifact = |name: &str| self.dist.join(format!("secure-log-sqlite-{name}.wasm"));
        if std::env::var("SECURE_LOG_SKIP_SOFTHSM").is_ok_and(|value| value == "1") {
            report.group("pkcs11");
            report.note("left out, because SECURE_LOG_SKIP_SOFTHSM=1: keys in a token, of the graph and of the host");
            return Ok(());
        }
        let mut made = None;
        report.group("a token of SoftHSM");
        report.step("two keys of each algorithm", || {
            made = Some(Token::make(&self.engine, &self.dist, &self.dir("token"), &self.algorithms())?);
            Ok("made by the command in the graph".into())
        });
        let Some(token) = made else { return Ok(()) };
        let in_graph = self.load(report, "pkcs11", &artifact("pkcs11"))?;
        let of_host = self
            .load(report, "pkcs11-host", &artifact("pkcs11-host"))?
            .with_module(&secure_log_token_native::softhsm()?);
        for (name, stack, token) in [("pkcs11", &in_graph, token.clone()), ("pkcs11-host", &of_host, token.of_host())] {
            for algorithm in self.algorithms().iter().map(|algorithm| algorithm.as_str()) {
                report.group(&format!("{name}, {algorithm}"));
                let site = Site::at(&self.dir(&format!("{name}-{algorithm}")), "audit", algorithm)?.with_token(&token);
                steps::run(report, stack, &site, "verify/main")?;
            }
        }
        Ok(())
    }

    /// The tamper matrix on every store whose name begins with `store`.
    ///
    /// # Errors
    /// The checks could not be run.
    pub fn matrix(&self, report: &mut Report, store: &str) -> Result<()> {
        let (sqlite, file) = (Server::sqlite(&self.dist), Server::file(&self.dist));
        for (name, artifact, server) in [
            ("file", "secure-log-file.wasm", &file),
            ("sqlite", "secure-log-sqlite.wasm", &sqlite),
            ("remote over sqlite", "secure-log-remote.wasm", &sqlite),
            ("remote over file", "secure-log-remote.wasm", &file),
        ] {
            if !name.starts_with(store) {
                continue;
            }
            let stack = self.load(report, name, &self.dist.join(artifact))?;
            matrix::cases(report, &stack, server, &self.dir(&format!("{}-matrix", name.replace(' ', "-"))), self.slow);
        }
        matrix::tell_limits(report);
        Ok(())
    }

    /// The token of a stack that wants one: the caller's own, or one that is made here and goes with the plan.
    fn token(&self, stack: &mut Stack, name: &str) -> Result<Option<Token>> {
        if let Some(module) = &self.module {
            ensure!(stack.asks_for_token(), "--pkcs11-module: {name} takes no token of its host");
            *stack = stack.clone().with_module(module);
            return Token::of_environment().map(Some);
        }
        if !stack.asks_for_token() && !name.contains("pkcs11") {
            return Ok(None);
        }
        let token = Token::make(&self.engine, &self.dist, &self.dir("token"), &self.algorithms())?;
        if !stack.asks_for_token() {
            return Ok(Some(token));
        }
        *stack = stack.clone().with_module(&secure_log_token_native::softhsm()?);
        Ok(Some(token.of_host()))
    }

    fn local(&self, report: &mut Report, name: &str, stack: &Stack, artifact: &Path, server: &Server) -> Result<()> {
        for algorithm in self.algorithms() {
            report.group(&format!("{name}, {}", algorithm.as_str()));
            let site = Site::at(&self.dir(&format!("{name}-{}", algorithm.as_str())), "audit", algorithm.as_str())?;
            steps::run(report, stack, &site, "verify/main")?;
            report.step("readable", || at_rest::readable(&site, "sshd"));
        }
        if name == "sqlite" {
            report.group("sqlite, in memory");
            let site = Site::without_file(&self.dir("sqlite-memory"), ":memory:", ANY_ALGORITHM.as_str())?;
            steps::run(report, stack, &site, "verify/main")?;
        }
        report.group(&format!("{name}, tampering"));
        badinput::stores(report, stack, &self.dir(&format!("{name}-bad")), ANY_ALGORITHM.as_str());
        self.tampering(report, stack, name, server);
        report.group(&format!("{name}, writers and costs"));
        let any = ANY_ALGORITHM.as_str();
        let modes: &[&str] = if name == "file" { &["", "?shared"] } else { &[""] };
        for suffix in modes {
            report.step(&format!("two processes {suffix}"), || {
                let dir = self.dir(&format!("{name}-processes{}", suffix.trim_start_matches('?')));
                writers::processes(stack, artifact, &dir, suffix, any)
            });
        }
        report.step("two instances in turn", || writers::turns(stack, &self.dir(&format!("{name}-turns")), any));
        report.step("cost of calls", || {
            let site = Site::at(&self.dir(&format!("{name}-cost")), "audit", any)?;
            cost::calls(stack, &site, (name == "file").then_some(1))
        });
        let entries = if self.slow { 1_000_000 } else { 100_000 };
        report.step("memory", || {
            cost::memory(stack, &Site::at(&self.dir(&format!("{name}-memory")), "audit", any)?, entries)
        });
        self.events(report, stack, &format!("{name}, events"), "audit")
    }

    fn remote(&self, report: &mut Report, name: &str, stack: &Stack, server: &Server) -> Result<()> {
        let plain = name.replace(' ', "-");
        for algorithm in self.algorithms() {
            report.group(&format!("{name}, {}", algorithm.as_str()));
            let dir = self.dir(&format!("{plain}-{}", algorithm.as_str()));
            let endpoint = Endpoint::start(server, &dir)?;
            let site = Site::without_file(&dir, "served", algorithm.as_str())?.behind(&endpoint.url(), TOKEN);
            steps::run(report, stack, &site, "verify/main")?;
            if algorithm == self.algorithm.unwrap_or(ANY_ALGORITHM) {
                badinput::endpoint(report, &endpoint, stack, &site, "verify/main");
                report.step("cost of calls", || cost::calls(stack, &site, None));
            }
        }
        report.group(&format!("{name}, tampering and writers"));
        self.tampering(report, stack, &plain, server);
        report.step("eight clients", || {
            writers::clients(stack, server, &self.dir(&format!("{plain}-clients")), ANY_ALGORITHM.as_str())
        });
        if self.events.is_some() {
            report.group(&format!("{name}, events"));
            let dir = self.dir(&format!("{plain}-events"));
            let endpoint = Endpoint::start(server, &dir)?;
            let site = Site::without_file(&dir, "served", ANY_ALGORITHM.as_str())?.behind(&endpoint.url(), TOKEN);
            if let Some(file) = &self.events {
                events::run(report, stack, &site, file)?;
            }
        }
        Ok(())
    }

    fn events(&self, report: &mut Report, stack: &Stack, name: &str, file: &str) -> Result<()> {
        let Some(events) = &self.events else { return Ok(()) };
        report.group(name);
        let site = Site::at(&self.dir(&name.replace(", ", "-")), file, ANY_ALGORITHM.as_str())?;
        events::run(report, stack, &site, events)
    }

    fn tampering(&self, report: &mut Report, stack: &Stack, name: &str, server: &Server) {
        let dir = self.dir(&format!("{name}-tamper"));
        let mut made = None;
        let ready = report.step("the honest log", || {
            let any = ANY_ALGORITHM.as_str();
            let (site, endpoint) = match stack.is_remote() {
                false => (Site::at(&dir, "audit", any)?, None),
                true => {
                    let endpoint = Endpoint::start(server, &dir)?;
                    (Site::without_file(&dir, "served", any)?.behind(&endpoint.url(), TOKEN), Some(endpoint))
                }
            };
            made = Some((honest(stack, &site)?, endpoint));
            Ok("300 entries in 3 signed segments, a tail of 3; verifies".into())
        });
        if let (true, Some((honest, _endpoint))) = (ready, made) {
            if !stack.is_remote() {
                at_rest::cases(report, stack, &honest, &dir);
            }
            forged::cases(report, stack, &honest, server, &dir);
        }
        matrix::cases(report, stack, server, &self.dir(&format!("{name}-matrix")), self.slow);
    }

    /// The site of a person's config, and the endpoint if the stack needs one.
    fn site(&self, stack: &Stack, name: &str, config: &str, algorithm: &str) -> Result<(Site, Option<Endpoint>)> {
        let dir = self.dir(name);
        if stack.is_remote() {
            let endpoint = Endpoint::start(&Server::sqlite(&self.dist), &dir)?;
            let site = Site::without_file(&dir, config, algorithm)?.behind(&endpoint.url(), TOKEN);
            return Ok((site, Some(endpoint)));
        }
        if config == ":memory:" || config.is_empty() {
            return Ok((Site::without_file(&dir, config, algorithm)?, None));
        }
        Ok((Site::of_config(config, algorithm)?, None))
    }

    /// Which kind of local store the stack has: known from the file it makes.
    fn is_sqlite(&self, stack: &Stack) -> Result<bool> {
        let site = Site::at(&self.dir("kind"), "audit", ANY_ALGORITHM.as_str())?;
        let mut log = steps::opened(stack, &site)?;
        let _ = log.create_stream("kind", crate::host::wit::Tier::Public, None)?;
        drop(log);
        at_rest::is_sqlite(&site)
    }

    fn tell_where(&self, report: &Report, site: &Site) {
        if let Some(file) = site.file() {
            report.note(&format!("the log is kept: {}", file.display()));
        }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }
}
