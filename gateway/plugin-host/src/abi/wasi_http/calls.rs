//! What guests of 0.3 call: `handler.handle`, the rest of the chain, and `client.send`, services. Both find their request by the task that
//! calls, and neither holds the store while it waits.

use super::call::Call;
use super::state::{HttpState, view};
use http::uri::Authority;
use std::sync::Arc;
use tokio::sync::oneshot;
use wasmtime::AsContextMut as _;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

type Answered = Result<Resource<Response>, ErrorCode>;

/// Offers both.
pub(crate) fn add_to_linker(linker: &mut Linker<HttpState>) -> wasmtime::Result<()> {
    linker.instance("wasi:http/handler@0.3.0")?.func_wrap_concurrent("handle", |accessor, (request,)| {
        Box::pin(async move { Ok((handle(accessor, request).await?,)) })
    })?;
    linker.instance("wasi:http/client@0.3.0")?.func_wrap_concurrent("send", |accessor, (request,)| {
        Box::pin(async move { Ok((send(accessor, request).await?,)) })
    })
}

async fn handle(accessor: &Accessor<HttpState>, request: Resource<Request>) -> wasmtime::Result<Answered> {
    match accept(accessor, request)? {
        Ok(Accepted { call, request, sent, .. }) => answer(accessor, call.next(request).await, sent),
        Err(code) => Ok(Err(code)),
    }
}

async fn send(accessor: &Accessor<HttpState>, request: Resource<Request>) -> wasmtime::Result<Answered> {
    match accept(accessor, request)? {
        Ok(Accepted { call, request, options, sent }) => answer(accessor, call.send(request, options).await, sent),
        Err(code) => Ok(Err(code)),
    }
}

/// A request that was taken from the guest.
struct Accepted {
    call: Arc<Call>,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    /// Told when it was answered: the guest may wait for that.
    sent: oneshot::Sender<()>,
}

fn accept(accessor: &Accessor<HttpState>, request: Resource<Request>) -> wasmtime::Result<Result<Accepted, ErrorCode>> {
    accessor.with(|mut access| {
        // The oldest task of the stack is the one that was called for a request.
        let task = access.as_context_mut().async_call_stack()?.last();
        let call = task.and_then(|task| access.get().call(task));
        let mut request = view(access.get()).table.delete(request)?;
        if request.authority.is_none()
            && let Some(call) = &call
        {
            request.authority = call.authority().parse::<Authority>().ok();
        }
        if request.path_with_query.is_none() {
            request.path_with_query = Some(http::uri::PathAndQuery::from_static("/"));
        }
        let (sent, wait) = oneshot::channel::<()>();
        let done = async move {
            let _ = wait.await;
            Ok(())
        };
        match request.into_http_with_getter(access.as_context_mut(), done, view) {
            // What a guest goes on with when its request is over is its own affair, and nobody's request.
            Ok((request, options)) => Ok(call
                .map(|call| Accepted { call, request, options: options.as_deref().copied(), sent })
                .ok_or(ErrorCode::HttpRequestDenied)),
            Err(error) => error.downcast().map(Err),
        }
    })
}

fn answer(
    accessor: &Accessor<HttpState>,
    answered: Result<http::Response<WasiBody>, Error>,
    sent: oneshot::Sender<()>,
) -> wasmtime::Result<Answered> {
    let _ = sent.send(());
    match answered {
        Ok(response) => accessor.with(|mut access| {
            let view = view(access.get());
            let (response, _) = Response::from_http(view.hooks, response);
            Ok(Ok(view.table.push(response)?))
        }),
        Err(error) => Ok(Err(error_code(error))),
    }
}

fn error_code(error: Error) -> ErrorCode {
    match error {
        Error::DnsError { .. } => ErrorCode::DestinationNotFound,
        Error::DestinationUnavailable => ErrorCode::DestinationUnavailable,
        Error::ConnectionRefused => ErrorCode::ConnectionRefused,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionLimitReached => ErrorCode::ConnectionLimitReached,
        Error::TlsCertificateError => ErrorCode::TlsCertificateError,
        Error::TlsProtocolError => ErrorCode::TlsProtocolError,
        Error::HttpRequestDenied => ErrorCode::HttpRequestDenied,
        Error::HttpRequestMethodInvalid => ErrorCode::HttpRequestMethodInvalid,
        Error::HttpRequestUriInvalid => ErrorCode::HttpRequestUriInvalid,
        Error::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(size),
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(size),
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpUpgradeFailed => ErrorCode::HttpUpgradeFailed,
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        Error::LoopDetected => ErrorCode::LoopDetected,
        Error::ConfigurationError => ErrorCode::ConfigurationError,
        Error::InternalError(text) => ErrorCode::InternalError(text),
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}
