//! The `Upload` scalar: a marker that stands in the variables for a file of the same request.
//!
//! Our own, because async-graphql's trusts its marker: any client may send such a string as
//! plain JSON or over a socket, with whatever number it likes.

use async_graphql::{Context, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use bytes::Bytes;

use super::error::extend;

const PREFIX: &str = "#__graphql_file__:";
/// The input that carries uploads in the contract.
const FIELD: &str = "photo";

/// The files of a request, in the order of its map.
#[derive(Clone, Debug, Default)]
pub struct Uploads(pub(super) Vec<Bytes>);

/// multipart/form-data part, by the GraphQL multipart request specification; over HTTP only
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload(usize);

impl Upload {
    /// The file; `INVALID_INPUT` when the request carries none of this number.
    pub fn bytes(self, ctx: &Context<'_>) -> async_graphql::Result<Bytes> {
        ctx.data_opt::<Uploads>()
            .and_then(|uploads| uploads.0.get(self.0))
            .cloned()
            .ok_or_else(|| {
                extend(service::Error::Invalid {
                    field: FIELD,
                    message: "No file came with the request: send it as multipart/form-data over HTTP".to_owned(),
                })
            })
    }
}

/// What stands in the variables for file `index`.
pub(super) fn marker(index: usize) -> String {
    format!("{PREFIX}{index}")
}

#[Scalar(name = "Upload")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(refused());
        };
        text.strip_prefix(PREFIX)
            // `parse` alone would take "+1" as well.
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(refused)
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

fn refused() -> InputValueError<Upload> {
    InputValueError::custom("a file is sent as a part of a multipart/form-data request")
        .with_extension("code", "INVALID_INPUT")
        .with_extension("field", FIELD)
}
