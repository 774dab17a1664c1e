//! A network in memory: requests reach a real store through `dispatch`, and answers come back, or not.
#![allow(dead_code, clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use secure_log::store::{MemStore, Row, RowKind, Store};
use secure_log::types::StreamId;
use secure_log_rpc::{RemoteStore, Transport, TransportError, answers, dispatch, request};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Fine,
    /// It does not leave, and the transport knows.
    NotSent,
    /// It gets lost on the way.
    RequestLost,
    /// It is carried out and the answer gets lost.
    ReplyLost,
    /// It is carried out twice; the first answer arrives.
    Twice,
    /// It is carried out twice and both answers get lost.
    TwiceReplyLost,
    /// It is given up, and carried out just before the next call but one.
    Late,
}

pub const FAULTS: [Fault; 7] = [
    Fault::Fine,
    Fault::NotSent,
    Fault::RequestLost,
    Fault::ReplyLost,
    Fault::Twice,
    Fault::TwiceReplyLost,
    Fault::Late,
];

/// The server's store, what will happen to the coming calls, and how many there were.
#[derive(Clone, Default)]
pub struct Network {
    pub server: Rc<RefCell<MemStore>>,
    pub faults: Rc<RefCell<VecDeque<Fault>>>,
    pub calls: Rc<Cell<u64>>,
    late: Rc<RefCell<Vec<(u64, String)>>>,
}

impl Network {
    /// With an open, empty store at the other end.
    pub fn new() -> Network {
        let network = Network::default();
        network.server.borrow_mut().init(":memory:").unwrap();
        network
    }

    /// A client that never waits.
    pub fn store(&self) -> RemoteStore<Network> {
        RemoteStore::new(self.clone(), |_| ())
    }

    /// An initialised one.
    pub fn open_store(&self) -> RemoteStore<Network> {
        let mut store = self.store();
        store.init("any").unwrap();
        store
    }

    /// Whatever is still on its way arrives.
    pub fn drain(&self) {
        for (_, request) in self.late.borrow_mut().drain(..) {
            dispatch(&mut *self.server.borrow_mut(), request.as_bytes());
        }
    }

    fn deliver(&self, request: &str) -> String {
        String::from_utf8(dispatch(&mut *self.server.borrow_mut(), request.as_bytes()).body).unwrap()
    }
}

impl Transport for Network {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let id = self.calls.get() + 1;
        self.calls.set(id);
        let due: Vec<_> = self.late.borrow_mut().extract_if(.., |(when, _)| *when <= id).collect();
        for (_, request) in due {
            self.deliver(&request);
        }
        let text = request(id, method, params);
        let fault = self.faults.borrow_mut().pop_front().unwrap_or(Fault::Fine);
        let lost = Err(TransportError::Lost("lost".into()));
        let answer = match fault {
            Fault::Fine => self.deliver(&text),
            Fault::NotSent => return Err(TransportError::NotSent("not sent".into())),
            Fault::RequestLost => return lost,
            Fault::ReplyLost => {
                self.deliver(&text);
                return lost;
            }
            Fault::Twice => {
                let first = self.deliver(&text);
                self.deliver(&text);
                first
            }
            Fault::TwiceReplyLost => {
                self.deliver(&text);
                self.deliver(&text);
                return lost;
            }
            Fault::Late => {
                self.late.borrow_mut().push((id + 2, text));
                return lost;
            }
        };
        assert!(answers(&answer, id), "{answer}");
        Ok(answer)
    }
}

pub fn stream(id: &str) -> StreamId {
    StreamId::try_from(id).unwrap()
}

pub fn row(kind: RowKind, index: u64, payload: Option<&[u8]>) -> Row {
    let body = format!("{} {index}", kind.as_str()).into_bytes();
    Row { kind, stream_id: stream("a/b"), index, body, payload: payload.map(<[u8]>::to_vec) }
}
