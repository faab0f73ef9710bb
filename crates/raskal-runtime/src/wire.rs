//! Values and failures between their forms here and on the wire.

use crate::Failure;
use bytes::{BufMut, Bytes, BytesMut};
use raskal_net::data::Parcel;
use raskal_proto::{FailureMessage, INLINE_BYTES_MAX};
use raskal_store::{Codec, Frames, Loan, Value};
use raskal_types::ErrorKind;

/// A value as the answer to a request: codec and head in the parcel's head.
pub fn to_parcel(frames: Frames) -> Parcel {
    let mut head = BytesMut::with_capacity(1 + frames.head.len());
    head.put_u8(frames.codec as u8);
    head.extend_from_slice(&frames.head);
    Parcel { head: head.freeze(), buffers: frames.buffers }
}

/// A value that is lent in shared memory, as the answer to a request.
pub fn lent_parcel(loan: &Loan) -> Parcel {
    let bytes = loan.to_bytes();
    let mut head = BytesMut::with_capacity(1 + bytes.len());
    head.put_u8(raskal_proto::data::LENT);
    head.extend_from_slice(&bytes);
    Parcel { head: head.freeze(), buffers: Vec::new() }
}

/// Reads what [`lent_parcel`] made; `None` if it is anything else.
pub fn from_lent_parcel(parcel: &Parcel) -> Option<Loan> {
    (*parcel.head.first()? == raskal_proto::data::LENT).then(|| Loan::from_bytes(&parcel.head.slice(1..))).flatten()
}

/// Reads what [`to_parcel`] made; `None` if it is anything else.
pub fn from_parcel(parcel: Parcel) -> Option<Frames> {
    let codec = Codec::from_tag(*parcel.head.first()?)?;
    Some(Frames { codec, head: parcel.head.slice(1..), buffers: parcel.buffers })
}

/// The frames in one piece, if they are small enough to travel inside messages.
pub fn to_inline(frames: &Frames) -> Option<Vec<u8>> {
    (frames.size_bytes() <= INLINE_BYTES_MAX && frames.buffers.len() <= 4).then(|| {
        let mut bytes = Vec::new();
        frames.write_to(&mut bytes);
        bytes
    })
}

/// Reads a value that travelled inside a message.
///
/// # Errors
/// If the bytes are not a value.
pub fn from_inline(bytes: &Bytes) -> Result<Value, Failure> {
    let frames = Frames::read_from(bytes).ok_or_else(|| {
        Failure::internal(format!("{} bytes that travelled with a message are not a value", bytes.len()))
    })?;
    Ok(Value::from_frames(&frames)?)
}

/// A failure as it travels. `exception` is packed by whoever knows its language.
pub fn to_message(failure: Failure, exception: Option<Vec<u8>>, traceback: String) -> FailureMessage {
    FailureMessage {
        kind: failure.kind,
        message: failure.message,
        exception,
        task: None,
        key: failure.key,
        origin: failure.origin,
        traceback,
        ran: None,
    }
}

/// A failure that travelled, without its exception.
pub fn from_message(message: &FailureMessage) -> Failure {
    Failure {
        kind: message.kind,
        message: message.message.clone(),
        exception: None,
        key: message.key.clone(),
        origin: message.origin.clone(),
    }
}

impl From<raskal_net::NetError> for Failure {
    fn from(error: raskal_net::NetError) -> Failure {
        Failure::new(error.kind(), error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::new(ErrorKind::Io, error.to_string())
    }
}
