//! The request that opens a session, and its answer.

use bytes::{Buf, BytesMut};
use web_transport_proto::http::StatusCode;
use web_transport_proto::{ConnectError, ConnectRequest, ConnectResponse, Frame, VarInt};

use super::{Violation, code};

/// A request with a longer head is refused.
const MAX_HEAD: usize = 16 * 1024;

/// A client's wish for a session.
#[derive(Debug, Clone)]
pub struct Request {
    /// The path, without the query.
    pub path: String,
    /// The host and port that the client asked for.
    pub authority: String,
    /// The page's origin; none where the client is no browser.
    pub origin: Option<String>,
}

/// Why a request isn't one for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Answered with a status.
    Status(u16),
    /// The connection is closed.
    Violation(Violation),
}

/// Collects a request's head.
#[derive(Debug, Default)]
pub(crate) struct RequestReader {
    head: BytesMut,
}

impl RequestReader {
    /// Takes what came; gives the request once it is complete, and the bytes behind it.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Result<(Request, BytesMut), Rejection>> {
        self.head.extend_from_slice(bytes);
        let mut rest = &self.head[..];
        let skipped = skip_unknown(&mut rest);
        let skip = self.head.len() - rest.len();
        // What was passed over isn't looked at again.
        self.head.advance(skip);
        let mut rest = &self.head[..];
        match skipped {
            Ok(true) => {}
            Ok(false) => return self.incomplete(),
            Err(violation) => return Some(Err(Rejection::Violation(violation))),
        }
        match ConnectRequest::decode(&mut rest) {
            Ok(request) => {
                let rest = BytesMut::from(rest);
                self.head = BytesMut::new();
                Some(Ok((Request::from(request), rest)))
            }
            Err(ConnectError::UnexpectedEnd) => self.incomplete(),
            Err(error) => Some(Err(rejection(&error))),
        }
    }

    fn incomplete(&self) -> Option<Result<(Request, BytesMut), Rejection>> {
        (self.head.len() > MAX_HEAD).then_some(Err(Rejection::Status(431)))
    }
}

/// Passes over frames that aren't known (RFC 9114, section 9); whether a head follows.
fn skip_unknown(rest: &mut &[u8]) -> Result<bool, Violation> {
    loop {
        let mut ahead = *rest;
        let (Ok(kind), Ok(length)) = (Frame::decode(&mut ahead), VarInt::decode(&mut ahead)) else {
            return Ok(false);
        };
        match kind {
            Frame::HEADERS => return Ok(true),
            Frame::DATA | Frame::SETTINGS => {
                return Err(Violation::new(code::FRAME_UNEXPECTED, "a request must begin with HEADERS"));
            }
            _ => {}
        }
        match usize::try_from(length.into_inner()).ok().and_then(|length| ahead.get(length..)) {
            Some(behind) => *rest = behind,
            None => return Ok(false),
        }
    }
}

fn rejection(error: &ConnectError) -> Rejection {
    match error {
        ConnectError::FieldSectionTooLarge | ConnectError::FrameTooLarge => Rejection::Status(431),
        // A page fetch or something like it.
        ConnectError::WrongMethod(_) => Rejection::Status(404),
        ConnectError::WrongProtocol(_) => Rejection::Status(501),
        ConnectError::QpackError(_) => Rejection::Violation(Violation::new(0x200, "QPACK can't be read")),
        _ => Rejection::Status(400),
    }
}

impl From<ConnectRequest> for Request {
    fn from(request: ConnectRequest) -> Self {
        let origin = request.headers.get("origin").and_then(|origin| origin.to_str().ok());
        Self {
            path: request.url.path().to_owned(),
            authority: request.url.authority().to_owned(),
            origin: origin.map(str::to_owned),
        }
    }
}

/// The HEADERS frame that answers a request.
pub(crate) fn response(status: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // It can't be too long: it is a status.
    ConnectResponse::new(status).encode(&mut bytes).unwrap_or_default();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(url: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let request = ConnectRequest::new(url.parse::<url::Url>().unwrap());
        request
            .with_header("origin".parse().unwrap(), "https://page.example".parse().unwrap())
            .encode(&mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn a_request_is_read_however_it_is_cut() {
        let mut bytes = b"\x21\x03abc".to_vec();
        bytes.extend_from_slice(&connect("https://radio.example:4433/v1/wt?x=1"));
        bytes.extend_from_slice(b"\x00\x00");
        let mut reader = RequestReader::default();
        let result = bytes.chunks(7).find_map(|piece| reader.push(piece)).unwrap();
        let (request, _) = result.unwrap();
        assert_eq!((request.path.as_str(), request.authority.as_str()), ("/v1/wt", "radio.example:4433"));
        assert_eq!(request.origin.as_deref(), Some("https://page.example"));
    }

    #[test]
    fn what_is_no_request_is_told_so() {
        let unexpected = RequestReader::default().push(b"\x00\x01x").unwrap();
        assert!(matches!(unexpected, Err(Rejection::Violation(_))));
        let mut endless = b"\x21\x80\x00\xff\xff".to_vec();
        endless.resize(MAX_HEAD + 10, 0);
        assert_eq!(RequestReader::default().push(&endless).unwrap().unwrap_err(), Rejection::Status(431));
    }
}
