//! The phases of a client and every transition between them, as a table.

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Made, not started.
    Idle,
    /// The driver was asked for a network connection.
    Connecting,
    /// CONNECT is sent; CONNACK must come.
    Handshaking,
    /// AUTH or, after an exchange, CONNACK has come, and the application must answer [MQTT-4.12.0-3].
    Authenticating,
    /// CONNACK has come: packets flow.
    Connected,
    /// As connected, but on the way to a graceful end: nothing new is accepted.
    Draining,
    /// DISCONNECT is the last packet; its bytes must leave before the connection is closed [MQTT-3.14.4-1].
    Flushing,
    /// The driver was asked to close the network connection.
    Closing,
    /// Between two attempts.
    Waiting,
    /// Ended, until it is started again.
    Closed,
}

/// What can move a client from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Input {
    /// The user starts it, or the pause before a retry is over.
    Start,
    /// The network connection was made.
    TransportUp,
    /// AUTH asks for the next step of enhanced authentication, or CONNACK for a confirmation.
    Challenge,
    /// Our AUTH is sent.
    Answer,
    /// A CONNACK with success, and confirmed where that is needed.
    Accepted,
    /// The connection must be closed: the server broke the protocol, refused or disconnected, or a deadline passed.
    Fail,
    /// The user ends it gracefully, and something is pending.
    Drain,
    /// The user ends it while connected, and nothing is pending any more: DISCONNECT is sent [MQTT-3.14.4-2].
    Finish,
    /// DISCONNECT has left.
    Flushed,
    /// The user ends it without waiting, or while there is no connection.
    Abort,
    /// The network connection is gone, and there will be another.
    LostRetry,
    /// The network connection is gone for good.
    LostFinal,
}

const PHASES: usize = Phase::Closed as usize + 1;
const INPUTS: usize = Input::LostFinal as usize + 1;

#[cfg(test)]
pub(super) const ALL_PHASES: [Phase; PHASES] = {
    use Phase::*;
    [Idle, Connecting, Handshaking, Authenticating, Connected, Draining, Flushing, Closing, Waiting, Closed]
};

#[cfg(test)]
pub(super) const ALL_INPUTS: [Input; INPUTS] = {
    use Input::*;
    [
        Start,
        TransportUp,
        Challenge,
        Answer,
        Accepted,
        Fail,
        Drain,
        Finish,
        Flushed,
        Abort,
        LostRetry,
        LostFinal,
    ]
};

/// One row a phase, one column an input: the next phase. `None`: the input is ignored there.
#[rustfmt::skip]
const TABLE: [[Option<Phase>; INPUTS]; PHASES] = {
    use Phase::{Authenticating, Closed, Closing, Connected, Connecting, Draining, Flushing, Handshaking, Waiting};
    #[allow(clippy::unnecessary_wraps)] // Keeps the table narrow.
    const fn to(phase: Phase) -> Option<Phase> { Some(phase) }
    [
        //                  Start           TransportUp      Challenge           Answer           Accepted       Fail         Drain         Finish        Flushed      Abort        LostRetry    LostFinal
        /* Idle */          [to(Connecting), None,            None,               None,            None,          None,        None,         None,         None,        to(Closed),  None,        None],
        /* Connecting */    [None,           to(Handshaking), None,               None,            None,          to(Closing), None,         None,         None,        to(Closing), to(Waiting), to(Closed)],
        /* Handshaking */   [None,           None,            to(Authenticating), None,            to(Connected), to(Closing), None,         None,         None,        to(Closing), to(Waiting), to(Closed)],
        /* Authenticating */[None,           None,            None,               to(Handshaking), to(Connected), to(Closing), None,         None,         None,        to(Closing), to(Waiting), to(Closed)],
        /* Connected */     [None,           None,            None,               None,            None,          to(Closing), to(Draining), to(Flushing), None,        to(Closing), to(Waiting), to(Closed)],
        /* Draining */      [None,           None,            None,               None,            None,          to(Closing), None,         to(Flushing), None,        to(Closing), None,        to(Closed)],
        /* Flushing */      [None,           None,            None,               None,            None,          to(Closing), None,         None,         to(Closing), to(Closing), None,        to(Closed)],
        /* Closing */       [None,           None,            None,               None,            None,          None,        None,         None,         None,        None,        to(Waiting), to(Closed)],
        /* Waiting */       [to(Connecting), None,            None,               None,            None,          None,        None,         None,         None,        to(Closed),  None,        None],
        /* Closed */        [to(Connecting), None,            None,               None,            None,          None,        None,         None,         None,        None,        None,        None],
    ]
};

impl Phase {
    /// The phase that `input` leads to; `None` when it is ignored in this one.
    pub(crate) const fn next(self, input: Input) -> Option<Self> {
        TABLE[self as usize][input as usize]
    }

    /// Whether packets flow: CONNACK has come, and no DISCONNECT was sent.
    pub(crate) const fn is_up(self) -> bool {
        matches!(self, Self::Connected | Self::Draining)
    }

    /// Whether there is a network connection, or one is being made.
    pub(crate) const fn has_transport(self) -> bool {
        !matches!(self, Self::Idle | Self::Waiting | Self::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same table once more, as sentences: what each input does, and where. Everything else is ignored.
    const TRANSITIONS: &[(Input, &[Phase], Phase)] = {
        use Input::*;
        use Phase::*;
        &[
            // A client is started when it is at rest.
            (Start, &[Idle, Waiting, Closed], Connecting),
            // The hand-shake: network connection, CONNECT, any number of AUTH by turns, CONNACK.
            (TransportUp, &[Connecting], Handshaking),
            (Challenge, &[Handshaking], Authenticating),
            (Answer, &[Authenticating], Handshaking),
            (Accepted, &[Handshaking, Authenticating], Connected),
            // A failure closes whatever there is, once.
            (Fail, &[Connecting, Handshaking, Authenticating, Connected, Draining, Flushing], Closing),
            // A graceful end drains, sends DISCONNECT, sees it off and closes.
            (Drain, &[Connected], Draining),
            (Finish, &[Connected, Draining], Flushing),
            (Flushed, &[Flushing], Closing),
            // An end at once closes what there is, or there is nothing to close.
            (Abort, &[Connecting, Handshaking, Authenticating, Connected, Draining, Flushing], Closing),
            (Abort, &[Idle, Waiting], Closed),
            // A loss is retried unless the client is ending.
            (LostRetry, &[Connecting, Handshaking, Authenticating, Connected, Closing], Waiting),
            (
                LostFinal,
                &[Connecting, Handshaking, Authenticating, Connected, Draining, Flushing, Closing],
                Closed,
            ),
        ]
    };

    fn expected(phase: Phase, input: Input) -> Option<Phase> {
        let row = TRANSITIONS.iter().find(|(of, phases, _)| *of == input && phases.contains(&phase));
        row.map(|(_, _, next)| *next)
    }

    #[test]
    fn rows_and_columns_stand_in_their_order() {
        for (index, phase) in ALL_PHASES.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
        for (index, input) in ALL_INPUTS.into_iter().enumerate() {
            assert_eq!(input as usize, index);
        }
    }

    #[test]
    fn every_pair_of_phase_and_input_does_what_is_written_down() {
        for phase in ALL_PHASES {
            for input in ALL_INPUTS {
                assert_eq!(phase.next(input), expected(phase, input), "{phase:?} and {input:?}");
            }
        }
    }

    #[test]
    fn every_phase_is_reached_and_left() {
        for phase in ALL_PHASES {
            let into = |from: Phase| ALL_INPUTS.iter().any(|input| from.next(*input) == Some(phase));
            assert!(phase == Phase::Idle || ALL_PHASES.into_iter().any(into), "{phase:?} is never reached");
            let left = ALL_INPUTS.iter().any(|input| phase.next(*input).is_some_and(|next| next != phase));
            assert!(left, "{phase:?} is a dead end");
        }
    }

    /// Every network connection ends in exactly one loss, and only a loss ends it.
    #[test]
    fn a_transport_is_left_only_by_a_loss() {
        for phase in ALL_PHASES {
            for input in ALL_INPUTS {
                let lost = matches!(input, Input::LostRetry | Input::LostFinal);
                if let Some(next) = phase.next(input).filter(|_| phase.has_transport()) {
                    assert_eq!(next.has_transport(), !lost, "{phase:?} and {input:?}");
                }
            }
            assert_eq!(phase.next(Input::LostFinal).is_some(), phase.has_transport(), "{phase:?}");
        }
    }

    #[test]
    fn packets_flow_only_after_connack_and_never_after_disconnect() {
        for phase in ALL_PHASES {
            for input in ALL_INPUTS {
                let begins = !phase.is_up() && phase.next(input).is_some_and(Phase::is_up);
                let shakes = matches!(phase, Phase::Handshaking | Phase::Authenticating);
                assert_eq!(begins, shakes && input == Input::Accepted, "{phase:?} and {input:?}");
            }
        }
        assert!(!Phase::Flushing.is_up() && !Phase::Closing.is_up());
    }

    /// From every phase but the ended ones the user can end the client.
    #[test]
    fn every_running_phase_can_be_aborted() {
        for phase in ALL_PHASES {
            let ends = matches!(phase, Phase::Closing | Phase::Closed);
            assert_eq!(phase.next(Input::Abort).is_none(), ends, "{phase:?}");
        }
    }
}
