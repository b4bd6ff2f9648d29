//! The way between devices and server, on which requests and answers get lost, doubled and late.

use etui_chain::{Digest, Head, VaultId};

use super::server::{Rejection, Server};

/// What becomes of a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    RequestLost,
    AnswerLost,
    Twice,
    /// Arrives when nobody waits for the answer any more.
    Late,
}

#[derive(Debug, Clone)]
pub(crate) enum Request {
    Commit(VaultId, Vec<u8>),
    State(Vec<u8>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Head(Head),
    State(Digest),
}

impl Answer {
    pub(crate) fn head(self) -> Head {
        let Self::Head(head) = self else { panic!("the answer to a commit") };
        head
    }

    pub(crate) fn state_hash(self) -> Digest {
        let Self::State(hash) = self else { panic!("the answer to a state") };
        hash
    }
}

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) server: Server,
    pub(crate) late: Vec<Request>,
}

impl Wire {
    pub(crate) fn to(server: Server) -> Self {
        Self { server, late: Vec::new() }
    }

    /// The answer, if one arrives.
    pub(crate) fn send(&mut self, fate: Fate, request: Request) -> Option<Result<Answer, Rejection>> {
        match fate {
            Fate::Delivered => Some(self.deliver(&request)),
            Fate::RequestLost => None,
            Fate::AnswerLost => {
                let _answer = self.deliver(&request);
                None
            }
            Fate::Twice => {
                let _answer = self.deliver(&request);
                Some(self.deliver(&request))
            }
            Fate::Late => {
                self.late.push(request);
                None
            }
        }
    }

    /// A late request arrives; its answer goes nowhere.
    pub(crate) fn deliver_late(&mut self, index: usize) {
        if !self.late.is_empty() {
            let request = self.late.remove(index % self.late.len());
            let _answer = self.deliver(&request);
        }
    }

    fn deliver(&mut self, request: &Request) -> Result<Answer, Rejection> {
        let answer = match request {
            Request::Commit(vault_id, body) => self.server.push(*vault_id, body).map(Answer::Head),
            Request::State(body) => self.server.push_state(body).map(Answer::State),
        };
        if let Err(Rejection::Refused(refused)) = answer {
            panic!("an honest request was refused: {refused}");
        }
        answer
    }
}
