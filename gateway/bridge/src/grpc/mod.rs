//! gRPC: requests in JSON become calls, as `google.api.http` says, and their answers JSON.
//!
//! It stands in front of an upstream's endpoints, which are spoken to as ever: balance, tries, health, TLS and bounds are theirs. Calls
//! of gRPC itself pass by.

mod descriptors;
mod encode;
mod frames;
mod metadata;
mod paths;
mod request;
mod status;
mod stream;
mod template;
mod told;
mod values;

use crate::answer::whole;
use descriptors::{Binding, Content, Described, Streams};
use frames::{Messages, broken};
use gateway_config::{Diagnostic, Upstream};
use gateway_core::bridge::{Onward, Repeatable, Transcoder};
use gateway_core::clock::{self, now};
use gateway_core::dispatch::BoxFuture;
use gateway_core::exchange::Answer;
use gateway_core::{Body, Error, Kind, problem};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use paths::Found;
use status::Status;
use std::sync::Arc;
use std::time::Instant;
use stream::Form;

/// The calls of an upstream.
pub(crate) struct Grpc {
    name: Arc<str>,
    described: Arc<Described>,
    /// Bytes of a message, both ways.
    limit: usize,
}

impl Grpc {
    /// # Errors
    /// Everything that is wrong with the descriptor set.
    pub(crate) fn new(upstream: &Upstream, settings: &gateway_config::Grpc) -> Result<Self, Vec<Diagnostic>> {
        match descriptors::read(&settings.descriptors) {
            Ok(described) => {
                let (name, described) = (Arc::clone(&upstream.name), Arc::new(described));
                Ok(Self { name, described, limit: settings.message })
            }
            Err(problems) => {
                let told = problems.into_iter().map(|problem| {
                    let diagnostic = Diagnostic::error("grpc-descriptors", problem.message).at(&settings.place);
                    diagnostic.maybe_hint(problem.hint.map(str::to_owned))
                });
                Err(told.collect())
            }
        }
    }

    async fn answer(
        &self,
        request: Request<Body>,
        deadline: Instant,
        endpoints: &dyn Onward,
    ) -> Result<Response<Body>, Error> {
        let (mut head, body) = request.into_parts();
        let (number, binding) = match self.find(&head.method, head.uri.path()) {
            Ok(found) => found,
            Err(answer) => return Ok(whole(*answer)),
        };
        if binding.streams == Streams::Requests {
            let detail = "this method takes a stream of messages, which only gRPC can send";
            return Ok(whole(problem::answer(StatusCode::NOT_IMPLEMENTED, Some(detail))));
        }
        if !request::is_readable(binding, &head) {
            let detail = "the body should be `application/json`";
            return Ok(whole(problem::answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, Some(detail))));
        }
        // It is the client's time that runs meanwhile, and its own bounds hold.
        let began = now();
        let body = body.gather(self.limit).await?;
        let deadline = deadline + now().saturating_duration_since(began);
        if binding.body == Content::None && !body.is_empty() {
            return Err(Error::new(Kind::HttpRequestError, "this request has no body"));
        }
        let message = request::message(binding, &head, &body).map(encode::framed);
        clock::forget();
        let message = message?;
        let form = Form::of(&head.headers);
        let call = call(binding, &mut head, message, deadline)?;
        let answer = endpoints.send(call, deadline).await?;
        let (head, body) = answer.into_parts();
        if let Some(status) = refusal(&head)? {
            return Ok(whole(
                status.answer(&self.described.pool, metadata::of_answer(head.headers, &HeaderMap::new())),
            ));
        }
        let messages = Messages::new(body, self.limit);
        if binding.streams == Streams::Answers {
            let headers = metadata::of_answer(head.headers, &HeaderMap::new());
            return Ok(stream::answer(Arc::clone(&self.described), number, messages, form, headers));
        }
        match tokio::time::timeout_at(deadline.into(), self.unary(binding, head.headers, messages)).await {
            Ok(answered) => answered.map(whole),
            Err(_) => {
                let detail = format!("upstream `{}` sent no whole answer in time", self.name);
                Err(Error::new(Kind::HttpResponseTimeout, detail))
            }
        }
    }

    /// The one message, and how it went.
    async fn unary(&self, binding: &Binding, headers: HeaderMap, mut messages: Messages) -> Result<Answer, Error> {
        let message = messages.next().await.transpose()?;
        if messages.next().await.transpose()?.is_some() {
            return Err(broken("the answer has more than one message"));
        }
        let status = Status::of(messages.trailers()).ok_or_else(|| broken("the answer ends without a status"))?;
        let mut headers = metadata::of_answer(headers, messages.trailers());
        if !status.is_ok() {
            return Ok(status.answer(&self.described.pool, headers));
        }
        let told = binding.told(message.ok_or_else(|| broken("the answer has no message"))?)?;
        headers.insert(CONTENT_TYPE, told.content_type);
        Ok(Answer { status: StatusCode::OK, headers, body: told.body })
    }

    /// The binding that takes a request, and its number.
    ///
    /// # Errors
    /// The answer where there is none: 404, or 405 where only the method is another.
    fn find(&self, method: &Method, path: &str) -> Result<(usize, &Binding), Box<Answer>> {
        match self.described.paths.find(method.as_str(), path) {
            Found::Binding(number) => {
                let binding = self.described.bindings.get(number);
                binding.map(|binding| (number, binding)).ok_or_else(unknown)
            }
            Found::Nothing => Err(unknown()),
            Found::Methods(methods) => {
                let detail = "the methods with this path have other verbs";
                let mut answer = problem::answer(StatusCode::METHOD_NOT_ALLOWED, Some(detail));
                if let Ok(value) = HeaderValue::try_from(methods.join(", ")) {
                    answer.headers.insert(ALLOW, value);
                }
                Err(Box::new(answer))
            }
        }
    }
}

impl Transcoder for Grpc {
    fn takes(&self, headers: &HeaderMap) -> bool {
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        !content_type.starts_with(b"application/grpc")
    }

    fn call<'a>(
        &'a self,
        request: Box<Request<Body>>,
        deadline: Instant,
        endpoints: &'a dyn Onward,
    ) -> BoxFuture<'a, Result<Response<Body>, Error>> {
        Box::pin(self.answer(*request, deadline, endpoints))
    }

    fn explain(&self, method: &Method, path: &str) -> String {
        match self.find(method, path) {
            Ok((_, binding)) => binding.call.path().to_owned(),
            Err(answer) => format!("none: {}", answer.status),
        }
    }
}

fn unknown() -> Box<Answer> {
    Box::new(problem::answer(StatusCode::NOT_FOUND, Some("no method has this path")))
}

/// The request as a call.
fn call(
    binding: &Binding,
    head: &mut Parts,
    message: bytes::Bytes,
    deadline: Instant,
) -> Result<Box<Request<Body>>, Error> {
    let left = deadline.saturating_duration_since(now());
    let mut fields = metadata::of_call(std::mem::take(&mut head.headers), left)?;
    if binding.streams == Streams::Answers {
        // The deadline is that of the answer's head, and a stream goes on.
        fields.remove("grpc-timeout");
    }
    let mut call = Box::new(Request::new(Body::from(message)));
    if head.method.is_idempotent() {
        call.extensions_mut().insert(Repeatable);
    }
    *call.method_mut() = Method::POST;
    *call.uri_mut() = Uri::from(binding.call.clone());
    *call.headers_mut() = fields;
    call.extensions_mut().extend(std::mem::take(&mut head.extensions));
    Ok(call)
}

/// How a call went that has no messages; none where they follow.
fn refusal(head: &http::response::Parts) -> Result<Option<Status>, Error> {
    if head.status != StatusCode::OK {
        return Ok(Some(Status::of_http(head.status)));
    }
    match Status::of(&head.headers) {
        Some(status) if status.is_ok() => Err(broken("the answer has no message")),
        Some(status) => Ok(Some(status)),
        None => {
            let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
            match content_type.starts_with(b"application/grpc") {
                true => Ok(None),
                false => Err(broken("the answer is none of gRPC")),
            }
        }
    }
}
