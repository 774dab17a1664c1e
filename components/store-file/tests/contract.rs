//! The one suite of all stores, in both modes.
#![allow(clippy::unwrap_used)]

mod common;

use common::Place;
use secure_log::contract::store::{Harness, run};
use secure_log_store_file::FileStore;

struct Files {
    place: Place,
    shared: bool,
}

impl Harness for Files {
    type Store = FileStore;

    fn fresh(&mut self) -> String {
        self.place = Place::new();
        self.place.config(self.shared)
    }

    fn instance(&mut self) -> FileStore {
        FileStore::default()
    }

    fn durable(&self) -> bool {
        true
    }

    fn shared(&self) -> bool {
        true
    }

    fn read_only(&self, _: &str) -> Option<String> {
        Some(self.place.read_only())
    }
}

#[test]
fn a_file_of_one_owner_keeps_the_contract() {
    run(&mut Files { place: Place::new(), shared: false });
}

#[test]
fn a_shared_file_keeps_the_contract() {
    run(&mut Files { place: Place::new(), shared: true });
}
