//! The contract suites of the domain as a command: over whatever store and keystore it is composed with, inside the
//! graph. Not here: the suites (`secure_log::contract`). A broken promise panics, which a host sees as a trap.
//!
//! A composition has one instance of its store, so the cases of two instances at once are left to native tests
//! and to processes.

use clap::{Parser, Subcommand};
use secure_log::contract::signer::signer_suite;
use secure_log::contract::store::{Harness, case_count, run, run_case};
use secure_log_bindings::import::ImportedStore;
use secure_log_keystore_import::ImportedKeystore;

/// Runs the contract suites over the store and the keystore that this component is composed with.
///
/// Exit status: 0 all promises kept. Anything else: a promise was broken, which stderr names, or wrong usage.
#[derive(Parser)]
#[command(name = "secure-log-contract", version)]
struct Args {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// All cases of a store
    Store {
        /// Store config with `{}` in it, which is another number for each case: nothing may be stored there yet
        config: String,
        /// Config, with the same `{}`, that opens the same storage read-only; absent: the store has none
        #[arg(long)]
        read_only: Option<String>,
    },
    /// How many cases of a store there are
    StoreCases,
    /// One of them, for a store that must be emptied from outside between two
    StoreCase {
        /// From 0
        number: usize,
        /// Store config of empty storage
        config: String,
    },
    /// A keystore
    Keystore {
        /// A label of good form that has no key; absent: the keystore makes every key it is asked for
        #[arg(long)]
        absent: Option<String>,
        /// Labels of keys, all different
        #[arg(required = true)]
        labels: Vec<String>,
    },
}

/// The one instance of the composed store.
struct Composed {
    config: String,
    read_only: Option<String>,
    used: usize,
}

impl Harness for Composed {
    type Store = ImportedStore;

    fn fresh(&mut self) -> String {
        self.used += 1;
        self.config.replace("{}", &self.used.to_string())
    }

    fn instance(&mut self) -> ImportedStore {
        ImportedStore
    }

    fn durable(&self) -> bool {
        !self.config.contains(":memory:")
    }

    fn shared(&self) -> bool {
        false
    }

    fn read_only(&self, _: &str) -> Option<String> {
        Some(self.read_only.as_ref()?.replace("{}", &self.used.to_string()))
    }
}

fn main() {
    match Args::parse().suite {
        Suite::Store { config, read_only } => run(&mut Composed { config, read_only, used: 0 }),
        Suite::StoreCases => println!("{}", case_count::<Composed>()),
        Suite::StoreCase { number, config } => run_case(&mut Composed { config, read_only: None, used: 0 }, number),
        Suite::Keystore { absent, labels } => {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            signer_suite(&mut ImportedKeystore, &labels, absent.as_deref());
        }
    }
}
