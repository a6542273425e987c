//! Messages that wait to be sent, in the order of the calls. Any of them can be taken out without moving the others.

use alloc::collections::VecDeque;

use super::queue::Record;
use crate::event::Token;

/// Where messages were taken out, holes stay until they reach the front, or are more than half of all.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// In the order of the tokens; the first one is no hole.
    messages: VecDeque<(Token, Option<Record>)>,
    live: usize,
    bytes: usize,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The bytes of all of them.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<(Token, &Record)> {
        self.messages.front().and_then(|(token, record)| Some((*token, record.as_ref()?)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, &Record)> {
        self.messages.iter().filter_map(|(token, record)| Some((*token, record.as_ref()?)))
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.iter().map(|(token, _)| token)
    }

    /// Adds one by its token: at the end, unless it was sent before and is to be sent anew.
    pub(crate) fn push(&mut self, token: Token, record: Record) {
        self.live += 1;
        self.bytes += record.size();
        if self.messages.back().is_none_or(|(last, _)| *last < token) {
            self.messages.push_back((token, Some(record)));
            return;
        }
        let at = self.messages.partition_point(|(other, _)| *other < token);
        match self.messages.get_mut(at) {
            Some((other, slot)) if *other == token => *slot = Some(record),
            _ => self.messages.insert(at, (token, Some(record))),
        }
    }

    /// Adds all of `others`.
    pub(crate) fn merge(&mut self, others: Self) {
        self.live += others.live;
        self.bytes += others.bytes;
        let mut mine = core::mem::take(&mut self.messages).into_iter().peekable();
        let mut others = others.messages.into_iter().peekable();
        while let (Some((token, _)), Some((other, _))) = (mine.peek(), others.peek()) {
            let next = if token < other { mine.next() } else { others.next() };
            self.messages.extend(next);
        }
        self.messages.extend(mine.chain(others));
    }

    pub(crate) fn pop_front(&mut self) -> Option<(Token, Record)> {
        let (token, record) = self.messages.pop_front()?;
        let record = record?;
        self.left(&record);
        Some((token, record))
    }

    pub(crate) fn get(&self, token: Token) -> Option<&Record> {
        let at = self.messages.binary_search_by_key(&token, |(token, _)| *token).ok()?;
        self.messages[at].1.as_ref()
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Record> {
        let at = self.messages.binary_search_by_key(&token, |(token, _)| *token).ok()?;
        let record = self.messages[at].1.take()?;
        self.left(&record);
        Some(record)
    }

    fn left(&mut self, record: &Record) {
        self.live -= 1;
        self.bytes -= record.size();
        while self.messages.front().is_some_and(|(_, record)| record.is_none()) {
            self.messages.pop_front();
        }
        if self.messages.len() > 2 * self.live + 32 {
            self.messages.retain(|(_, record)| record.is_some());
        }
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.messages.shrink_to_fit();
    }
}
