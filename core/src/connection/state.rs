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
    /// A CONNACK with success.
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

/// One row a phase, one column an input: the next phase. `None`: the input is ignored there.
#[rustfmt::skip]
const TABLE: [[Option<Phase>; INPUTS]; PHASES] = {
    use Phase::{Closed, Closing, Connected, Connecting, Draining, Flushing, Handshaking, Waiting};
    #[allow(clippy::unnecessary_wraps)] // Keeps the table narrow.
    const fn to(phase: Phase) -> Option<Phase> { Some(phase) }
    [
        //                Start           TransportUp      Accepted       Fail         Drain         Finish        Flushed      Abort        LostRetry    LostFinal
        /* Idle */        [to(Connecting), None,            None,          None,        None,         None,         None,        to(Closed),  None,        None],
        /* Connecting */  [None,           to(Handshaking), None,          to(Closing), None,         None,         None,        to(Closing), to(Waiting), to(Closed)],
        /* Handshaking */ [None,           None,            to(Connected), to(Closing), None,         None,         None,        to(Closing), to(Waiting), to(Closed)],
        /* Connected */   [None,           None,            None,          to(Closing), to(Draining), to(Flushing), None,        to(Closing), to(Waiting), to(Closed)],
        /* Draining */    [None,           None,            None,          to(Closing), None,         to(Flushing), None,        to(Closing), None,        to(Closed)],
        /* Flushing */    [None,           None,            None,          to(Closing), None,         None,         to(Closing), to(Closing), None,        to(Closed)],
        /* Closing */     [None,           None,            None,          None,        None,         None,         None,        None,        to(Waiting), to(Closed)],
        /* Waiting */     [to(Connecting), None,            None,          None,        None,         None,         None,        to(Closed),  None,        None],
        /* Closed */      [to(Connecting), None,            None,          None,        None,         None,         None,        None,        None,        None],
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

    const ALL_PHASES: [Phase; PHASES] = [
        Phase::Idle,
        Phase::Connecting,
        Phase::Handshaking,
        Phase::Connected,
        Phase::Draining,
        Phase::Flushing,
        Phase::Closing,
        Phase::Waiting,
        Phase::Closed,
    ];

    #[test]
    fn rows_stand_in_the_order_of_the_phases() {
        for (index, phase) in ALL_PHASES.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
    }

    /// Every network connection ends in exactly one loss, and only a loss ends it.
    #[test]
    fn a_transport_is_left_only_by_a_loss() {
        use Input::{Abort, Accepted, Drain, Fail, Finish, Flushed, Start, TransportUp};
        for phase in ALL_PHASES {
            for input in [Start, TransportUp, Accepted, Fail, Drain, Finish, Flushed, Abort] {
                if let Some(next) = phase.next(input).filter(|_| phase.has_transport()) {
                    assert!(next.has_transport(), "{phase:?} loses its transport by {input:?}");
                }
            }
            assert_eq!(phase.next(Input::LostFinal).is_some(), phase.has_transport(), "{phase:?}");
            assert_ne!(phase.next(Input::LostRetry), Some(Phase::Closed));
        }
    }

    #[test]
    fn packets_flow_only_after_connack_and_never_after_disconnect() {
        for phase in ALL_PHASES {
            let up = phase.next(Input::Accepted).is_some_and(Phase::is_up);
            assert_eq!(up, phase == Phase::Handshaking);
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
