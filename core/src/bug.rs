//! Faults that are planted on purpose, to show that the simulation finds them. Without the feature `planted-bugs` none of
//! them can be chosen, and no code of theirs is left.

#[cfg(all(feature = "planted-bugs", not(debug_assertions)))]
compile_error!("the feature `planted-bugs` is for tests only: it must not be in a release build");

/// One planted fault; see [`Config::bug`](crate::Config::bug).
#[cfg_attr(not(feature = "planted-bugs"), allow(unreachable_pub, dead_code))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bug {
    /// PUBLISH is sent again without DUP.
    NoDuplicateFlag,
    /// PUBREL follows PUBLISH without waiting for PUBREC.
    ReleaseBeforeReceived,
    /// A packet identifier is given to another message while it is in use.
    IdReusedWhileLive,
    /// Topic aliases of the server outlive the network connection.
    AliasKeptOverReconnect,
    /// A received QoS 2 identifier is forgotten when the connection is lost.
    ReceivedForgottenOnReconnect,
    /// Messages are sent again in the reverse order.
    OrderSwappedOnResend,
    /// A PUBREC that refuses leaves its place in the window taken.
    SlotLeakedOnRefusal,
    /// No second PINGRESP is waited for.
    PingTimerNotArmedAgain,
    /// A lost session is taken for a resumed one.
    SessionPresentIgnored,
    /// Acknowledgements that may leave together do so in the reverse order.
    AckOutOfOrder,
    /// The identifier of an abandoned operation is free at once.
    AbandonedIdFreed,
    /// The server's Receive Maximum is exceeded by one.
    WindowTooLarge,
    /// Subscriptions are not made again in a new session.
    SubscriptionsForgotten,
    /// A message of QoS 1 that waits for its acknowledgement is lost with the connection.
    InFlightLostOnReconnect,
    /// A QoS 0 message that was queued is sent twice.
    AtMostOnceTwice,
    /// A message is acknowledged when it comes, before the application has it.
    AcknowledgedOnArrival,
    /// PINGREQ is sent half an interval late.
    KeepAliveLate,
    /// An unanswered operation is waited for, for ever.
    AckTimerNotArmed,
    /// PUBRELs are sent again in the reverse order.
    ReleasesOutOfOrder,
    /// A received QoS 2 identifier is forgotten when the process ends.
    ReceivedForgottenOnRestart,
    /// PUBLISH leaves before its record is stored.
    StoredAfterSending,
    /// PUBREL leaves before its record is stored.
    ReleasedBeforeStored,
    /// PUBREC leaves before its record is stored.
    ReceivedBeforeStored,
    /// PUBCOMP leaves before the removal of its record is stored.
    CompletedBeforeStored,
    /// Nothing is sent when an operation completes: what waits for the window goes on waiting.
    WindowNotRefilled,
    /// What the server may have taken is published again in its next session, whatever was chosen.
    LossChoiceIgnored,
    /// A QoS 0 message that was to wait for another connection ends with the one that did not take it.
    RequeueForgotten,
    /// The same server is tried again when an attempt has failed.
    ServerNotAdvanced,
    /// AUTH has another method than CONNECT.
    AuthMethodChanged,
    /// What the store could not keep counts as kept.
    StoreFailureIgnored,
    /// QoS 0 that was encoded ahead and sent is sent again on the next connection, with what was not.
    AheadSentAgain,
    /// QoS 0 that was lost with its connection counts as sent when its outcome is asked for.
    UnreportedLossForgotten,
}
