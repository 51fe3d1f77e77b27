//! `[upstream.NAME.grpc]`: which calls requests in JSON become.

use crate::document::decode::Spanned;
use crate::document::section::section;
use crate::document::value::{PlainText, Size};

section! {
    /// Services that speak gRPC, asked in JSON: which call a request becomes is written beside its method, as `google.api.http`. Requests
    /// that are calls of gRPC already pass as they are.
    Grpc {
        /// A file that describes the services, relative to this one, as `protoc --include_imports --descriptor_set_out` writes it.
        "descriptors" => descriptors: Spanned<PlainText>, required;
        /// The longest message, both ways: the text that is sent, and the message that comes back.
        "message" => message: Size<1, 67_108_864>, default(Size::mib(4));
    }
}
