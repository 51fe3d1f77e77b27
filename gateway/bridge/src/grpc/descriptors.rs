//! What a descriptor set says: which requests become which calls (`google.api.http`, google/api/http.proto).

use super::paths::{Method, Paths};
use super::template::{self, Part, Template};
use super::values::{Lost, Way};
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor};

/// The services of a descriptor set.
pub(super) struct Described {
    pub(super) pool: DescriptorPool,
    pub(super) bindings: Vec<Binding>,
    pub(super) paths: Paths,
}

/// Requests of one path and method, and the call that they become.
pub(super) struct Binding {
    /// `/package.Service/Method`.
    pub(super) call: PathAndQuery,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
    pub(super) streams: Streams,
    pub(super) body: Content,
    /// The field that is told in place of the whole answer.
    pub(super) told: Option<FieldDescriptor>,
    pub(super) captured: Vec<Captured>,
}

/// Which side of a call has several messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    None,
    /// The service.
    Answers,
    /// The client, or both.
    Requests,
}

/// What the body of a request is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// There is none; what is not in the path is in the query.
    None,
    /// The whole message.
    Whole,
    /// One field of it; the rest is in the query.
    Field(FieldDescriptor),
}

/// A field that is taken from the path.
pub(super) struct Captured {
    pub(super) way: Way,
    pub(super) first: usize,
    /// None: all that are left.
    pub(super) length: Option<usize>,
    /// It may have slashes in it: then `%2F` stays what it is.
    pub(super) is_path: bool,
    /// A verb follows the last segment.
    pub(super) has_verb: bool,
}

/// What is wrong with a descriptor set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, prost::Message)]
struct HttpRule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    body: String,
    #[prost(string, tag = "12")]
    response_body: String,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<HttpRule>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(Custom),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, prost::Message)]
struct Custom {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    path: String,
}

/// Reads one.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(encoded: &[u8]) -> Result<Described, Vec<Problem>> {
    let pool = DescriptorPool::decode(encoded).map_err(|error| {
        let hint = "write it with `protoc --include_imports --descriptor_set_out=FILE`";
        vec![Problem { message: format!("it is no descriptor set: {error}"), hint: Some(hint) }]
    })?;
    let (mut described, mut problems) = (Described { pool, bindings: Vec::new(), paths: Paths::default() }, Vec::new());
    if let Some(annotation) = described.pool.get_extension_by_name("google.api.http") {
        let services: Vec<_> = described.pool.services().collect();
        for method in services.iter().flat_map(|service| service.methods()) {
            let options = method.options();
            if !options.has_extension(&annotation) {
                continue;
            }
            let rule = options.get_extension(&annotation).as_message().and_then(|rule| rule.transcode_to().ok());
            let faults = match rule {
                Some(rule) => described.add(&method, &rule),
                None => vec!["its `google.api.http` is something else".to_owned()],
            };
            let told = faults.into_iter().map(|fault| format!("`{}`: {fault}", method.full_name()));
            problems.extend(told.map(|message| Problem { message, hint: None }));
        }
    }
    if described.bindings.is_empty() && problems.is_empty() {
        let hint = "write `option (google.api.http) = { get: \"/v1/…\" };` into the methods that are to be asked";
        problems.push(Problem { message: "no method in it has `google.api.http`".into(), hint: Some(hint) });
    }
    if problems.is_empty() { Ok(described) } else { Err(problems) }
}

impl Described {
    /// The bindings of a method; what is wrong with them.
    fn add(&mut self, method: &MethodDescriptor, rule: &HttpRule) -> Vec<String> {
        let mut faults = Vec::new();
        for rule in std::iter::once(rule).chain(&rule.additional_bindings) {
            let Some((verb, path)) = rule.pattern() else {
                faults.push("a binding has no path".to_owned());
                continue;
            };
            let added = template::parse(path).map_err(|fault| vec![fault]).and_then(|template| {
                let binding = Binding::new(method, rule, &template)?;
                match self.paths.add(&template, verb, self.bindings.len()) {
                    Ok(()) => self.bindings.push(binding),
                    Err(other) => {
                        let other = self.bindings.get(other).map(|other| other.call.path()).unwrap_or_default();
                        return Err(vec![format!("`{other}` takes the same requests")]);
                    }
                }
                Ok(())
            });
            faults.extend(added.err().unwrap_or_default().into_iter().map(|fault| format!("`{path}`: {fault}")));
        }
        faults
    }
}

impl HttpRule {
    fn pattern(&self) -> Option<(Method, &str)> {
        let is = |method: &str| Method::Is(method.to_owned());
        Some(match self.pattern.as_ref()? {
            Pattern::Get(path) => (is("GET"), path),
            Pattern::Put(path) => (is("PUT"), path),
            Pattern::Post(path) => (is("POST"), path),
            Pattern::Delete(path) => (is("DELETE"), path),
            Pattern::Patch(path) => (is("PATCH"), path),
            Pattern::Custom(Custom { kind, path }) if kind == "*" => (Method::Any, path),
            Pattern::Custom(Custom { kind, path }) => (is(kind), path),
        })
    }
}

impl Binding {
    fn new(method: &MethodDescriptor, rule: &HttpRule, template: &Template) -> Result<Self, Vec<String>> {
        let (input, output) = (method.input(), method.output());
        let call = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let mut faults = Vec::new();
        let field = |message: &MessageDescriptor, name: &str, faults: &mut Vec<String>| {
            let found = message.get_field_by_name(name);
            if found.is_none() {
                faults.push(format!("`{}` has no field `{name}`", message.full_name()));
            }
            found
        };
        let body = match rule.body.as_str() {
            "" => Content::None,
            "*" => Content::Whole,
            name => field(&input, name, &mut faults).map_or(Content::None, Content::Field),
        };
        let told = match rule.response_body.as_str() {
            "" => None,
            name => field(&output, name, &mut faults),
        };
        let mut captured = Vec::new();
        for variable in &template.variables {
            match Way::find(&input, variable.field.iter().map(String::as_str), false) {
                Ok(way) => captured.push(Captured::new(way, variable, template)),
                Err(Lost::Unknown(fault) | Lost::Unfit(fault)) => faults.push(fault),
            }
        }
        let call = PathAndQuery::try_from(call).map_err(|fault| vec![fault.to_string()])?;
        let streams = match (method.is_client_streaming(), method.is_server_streaming()) {
            (true, _) => Streams::Requests,
            (false, true) => Streams::Answers,
            (false, false) => Streams::None,
        };
        match faults.is_empty() {
            true => Ok(Self { call, input, output, streams, body, told, captured }),
            false => Err(faults),
        }
    }
}

impl Captured {
    fn new(way: Way, variable: &template::Variable, template: &Template) -> Self {
        let parts = template.segments.iter().skip(variable.first).take(variable.length);
        let is_open = parts.clone().any(|part| *part == Part::Rest);
        let length = (!is_open).then_some(variable.length);
        Self {
            way,
            first: variable.first,
            length,
            is_path: is_open || variable.length > 1,
            has_verb: template.verb.is_some(),
        }
    }
}
