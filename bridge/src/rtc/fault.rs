//! What can be wrong with a client's message: each fault has a name, which is said and counted.

use thiserror::Error;

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("a message is a JSON object with a text \"type\"")]
    Malformed,
    #[error("there is no message of this type")]
    UnknownType,
    #[error("a field is missing, of the wrong kind or out of bounds")]
    BadField,
    #[error("messages come too fast")]
    RateLimited,
    #[error("there is no such transport")]
    UnknownTransport,
    #[error("create a transport first")]
    NoTransport,
    #[error("as many transports as a client may have")]
    TooManyTransports,
    #[error("the transport is connected already")]
    AlreadyConnected,
    #[error("role and a sha-256 fingerprint are needed")]
    BadDtlsParameters,
    #[error("only audio is taken")]
    UnsupportedKind,
    #[error("only Opus is spoken here, at 48000 Hz")]
    UnsupportedCodec,
    #[error("one producer a client")]
    TooManyProducers,
    #[error("there is no such producer")]
    UnknownProducer,
    #[error("as many consumers as a client may have")]
    TooManyConsumers,
    #[error("there is no such consumer")]
    UnknownConsumer,
    #[error("the capabilities have no Opus")]
    CannotConsume,
    #[error("too much is asked of this server")]
    Overloaded,
    #[error("something that is needed doesn't answer; try again")]
    Unavailable,
    #[error("the token doesn't hold")]
    Unauthenticated,
    #[error("nobody is admitted without a token")]
    GuestsRefused,
    #[error("the token has ended")]
    TokenExpired,
    #[error("the token gives no right to this")]
    Forbidden,
    #[error("the query names no channel, or none that can be")]
    BadChannel,
    #[error("the channel is full")]
    ChannelFull,
    #[error("too many connections of this user")]
    TooManyConnections,
    #[error("thrown out")]
    Kicked,
    #[error("the server stops; come again")]
    GoingAway,
}

impl Fault {
    /// The name, as clients and counters know it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownType => "unknown_type",
            Self::BadField => "bad_field",
            Self::RateLimited => "rate_limited",
            Self::UnknownTransport => "unknown_transport",
            Self::NoTransport => "no_transport",
            Self::TooManyTransports => "too_many_transports",
            Self::AlreadyConnected => "already_connected",
            Self::BadDtlsParameters => "bad_dtls_parameters",
            Self::UnsupportedKind => "unsupported_kind",
            Self::UnsupportedCodec => "unsupported_codec",
            Self::TooManyProducers => "too_many_producers",
            Self::UnknownProducer => "unknown_producer",
            Self::TooManyConsumers => "too_many_consumers",
            Self::UnknownConsumer => "unknown_consumer",
            Self::CannotConsume => "cannot_consume",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::GuestsRefused => "guests_refused",
            Self::TokenExpired => "token_expired",
            Self::Forbidden => "forbidden",
            Self::BadChannel => "bad_channel",
            Self::ChannelFull => "channel_full",
            Self::TooManyConnections => "too_many_connections",
            Self::Kicked => "kicked",
            Self::GoingAway => "going_away",
        }
    }

    /// Whether the client did something wrong, which is counted.
    pub(crate) const fn is_bad_input(self) -> bool {
        !matches!(
            self,
            Self::Overloaded
                | Self::Unavailable
                | Self::TokenExpired
                | Self::Forbidden
                | Self::ChannelFull
                | Self::Kicked
                | Self::GoingAway
        )
    }
}
