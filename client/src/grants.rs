//! The server's answer to a subscribe, which may take several SUBSCRIBEs.

use std::task::{Poll, Waker};

use sterna_core::packet::{PropertiesBuf, ReasonCode};
use sterna_core::{Granted, OperationError};

use crate::completion::Answer;
use crate::error::SubscribeError;
use crate::filter::Filter;
use crate::operation::{Failure, Operation};
use crate::router::matched_part;

/// Up to how many comparisons are made to find filters that overlap.
const COMPARISONS: usize = 1 << 20;

/// One SUBSCRIBE of a subscribe.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which of the filters it has.
    pub(crate) filters: Vec<usize>,
    /// Until it is answered.
    pub(crate) operation: Option<Operation>,
    pub(crate) outcome: Option<Result<Granted, SubscribeError>>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Grants(pub(crate) Vec<Part>);

impl Grants {
    /// The reason for each filter, once every part is answered; an error if all parts ended with one.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<Granted, SubscribeError>> {
        let mut pending = false;
        for part in &mut self.0 {
            let Some(operation) = &mut part.operation else { continue };
            match operation.poll(waker) {
                Poll::Pending => pending = true,
                Poll::Ready(outcome) => {
                    part.operation = None;
                    part.outcome = Some(granted(outcome));
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(self.combined()) }
    }

    fn combined(&self) -> Result<Granted, SubscribeError> {
        let filters = self.0.iter().map(|part| part.filters.len()).sum();
        let mut reasons = vec![ReasonCode::UNSPECIFIED_ERROR; filters];
        let mut properties: Option<PropertiesBuf> = None;
        let mut failure = None;
        for part in &self.0 {
            match &part.outcome {
                Some(Ok(granted)) => {
                    for (&filter, reason) in part.filters.iter().zip(&granted.reasons) {
                        reasons[filter] = *reason;
                    }
                    properties.get_or_insert_with(|| granted.properties.clone());
                }
                Some(Err(error)) => failure = failure.or_else(|| Some(error.clone())),
                None => {}
            }
        }
        let Some(properties) = properties else {
            return Err(failure.unwrap_or(OperationError::Closed.into()));
        };
        if reasons.iter().all(|reason| reason.is_error()) {
            return Err(SubscribeError::Refused(reasons));
        }
        Ok(Granted { reasons, properties })
    }

    /// Takes back what still waits for room; whether the connection has accepted any.
    pub(crate) fn withdraw(self) -> bool {
        let mut any = false;
        for part in self.0 {
            any |= part.operation.is_none_or(Operation::withdraw);
        }
        any
    }
}

fn granted(outcome: Result<Answer, Failure>) -> Result<Granted, SubscribeError> {
    match outcome {
        Ok(Answer::Granted(granted)) => Ok(granted),
        // Tokens are not reused: a subscribe has no other answer.
        Ok(Answer::Receipt(_)) => Err(OperationError::Closed.into()),
        Err(Failure::Rejected(rejection)) => Err(rejection.into()),
        Err(Failure::Failed(error)) => Err(error.into()),
    }
}

/// Groups filters so that no message matches two of one group: each group has an identifier of its own, which tells the
/// copies of a message apart.
pub(crate) fn groups(filters: &[Filter]) -> Vec<Vec<usize>> {
    let patterns = filters.iter().filter(|filter| is_pattern(&filter.filter)).count();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let divided = patterns > 0 && patterns.saturating_mul(filters.len()) <= COMPARISONS;
    if !divided {
        groups.push((0..filters.len()).collect());
        return groups;
    }
    for (index, Filter { filter, .. }) in filters.iter().enumerate() {
        let disjoint = |group: &&mut Vec<usize>| {
            group
                .iter()
                .all(|&other| *filters[other].filter == **filter || !overlap(filter, &filters[other].filter))
        };
        match groups.iter_mut().find(disjoint) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// Whether it matches more than its own name.
fn is_pattern(filter: &str) -> bool {
    filter.contains(['+', '#']) || matched_part(filter) != filter
}

/// Whether a topic can match both.
fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (matched_part(one).split('/'), matched_part(other).split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(one), Some(other)) if one == other || one == "+" || other == "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(filters: &[&str]) -> Vec<Vec<usize>> {
        groups(&filters.iter().map(|filter| Filter::from(*filter)).collect::<Vec<_>>())
    }

    // R: SUB-05
    #[test]
    fn filters_that_a_topic_can_both_match_are_kept_apart() {
        assert_eq!(grouped(&["a", "b", "a"]), [vec![0, 1, 2]]);
        assert_eq!(grouped(&["a/#", "b", "a/b", "a", "c/+"]), [vec![0, 1, 4], vec![2, 3]]);
        assert_eq!(grouped(&["+/b", "a/+", "#", "a/b/c"]), [vec![0, 3], vec![1], vec![2]]);
        assert_eq!(grouped(&["$share/g/a", "a", "b"]), [vec![0, 2], vec![1]]);
    }
}
