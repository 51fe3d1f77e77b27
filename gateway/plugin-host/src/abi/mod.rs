//! The interfaces by which a component can be a plugin. Its exports choose one.

pub(crate) mod direct;
pub(crate) mod gateway;
pub(crate) mod wasi_http;

/// One of the interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Abi {
    /// `gateway:plugin`, ours.
    Gateway,
    /// `wasi:http` 0.2: what answers, one request at a time in an instance.
    WasiHttp02,
    /// `wasi:http` 0.3: a service or a middleware, several requests at once in an instance.
    WasiHttp03,
}

impl Abi {
    /// The name of its package.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway:plugin",
            Self::WasiHttp02 | Self::WasiHttp03 => "wasi:http",
        }
    }
}
