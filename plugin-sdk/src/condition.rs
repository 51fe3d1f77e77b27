//! Conditions on an exchange, in the Common Expression Language (CEL). With the feature `condition`.
//!
//! | name | what it is |
//! |---|---|
//! | `request.method`, `.scheme`, `.host`, `.path` | text |
//! | `request.headers["x"]`, `request.query["x"]`, `request.cookies["x"]` | text; empty where there is none, `"x" in request.headers` tells |
//! | `response.status`, `response.headers["x"]` | once there is a response; 0 and empty before |
//! | `params["x"]`, `attributes["plugin/x"]` | text; empty where there is none |
//! | `consumer`, `client`, `route` | text; `consumer` is empty where nobody is named |
//! | `groups`, `claims` | a list of texts; what the token said |
//!
//! What is not asked for is not read.

use crate::template::cookie;
use crate::{attribute, exchange, request, response};
use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::common::traits::{Container, Indexer};
use cel::common::types::{CelInt, CelString, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::context::VariableResolver;
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, Value};
use serde::de::{Deserialize, Deserializer, Error};
use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The names that an expression may use.
const NAMES: [&str; 9] =
    ["request", "response", "params", "attributes", "consumer", "client", "route", "groups", "claims"];

/// An expression that holds or does not. In a configuration, a text.
pub struct Condition {
    text: String,
    expression: IdedExpr,
}

impl Condition {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it: it is no CEL, or uses a name that means nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = PrattParser::default().parse(text).map_err(|errors| {
            let errors: Vec<String> = errors.errors.iter().map(|error| error.msg.clone()).collect();
            format!("`{text}` is no condition: {}", errors.join("; "))
        })?;
        let references = expression.references();
        let variables = references.variables();
        let mut bound = Vec::new();
        bind(&expression.expr, &mut bound);
        let unknown = variables.into_iter().find(|name| !NAMES.contains(name) && !bound.contains(name));
        if let Some(unknown) = unknown {
            return Err(format!("`{unknown}` in `{text}` means nothing; there are {}", NAMES.join(", ")));
        }
        Ok(Self { text: text.to_owned(), expression })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it asks for something by this name, as `response`.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        self.expression.references().has_variable(name)
    }

    /// Whether it holds for this exchange. Where it cannot be told, as for a claim that is not there, it does not, and the log says
    /// why.
    #[must_use]
    pub fn holds(&self) -> bool {
        static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(&Names);
        match Value::resolve(&self.expression, &context) {
            Ok(Value::Bool(holds)) => holds,
            Ok(_) => {
                crate::warn!("`{}` is neither true nor false", self.text);
                false
            }
            Err(error) => {
                crate::debug!("`{}` cannot be told: {error}", self.text);
                false
            }
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// The names that an expression binds itself, as `role` in `claims.roles.exists(role, role == "buyer")`.
fn bind<'e>(expression: &'e Expr, bound: &mut Vec<&'e str>) {
    match expression {
        Expr::Comprehension(over) => {
            bound.push(&over.iter_var);
            bound.extend(over.iter_var2.as_deref());
            for part in [&over.iter_range, &over.accu_init, &over.loop_cond, &over.loop_step, &over.result] {
                bind(&part.expr, bound);
            }
        }
        Expr::Call(call) => {
            call.target.iter().for_each(|target| bind(&target.expr, bound));
            call.args.iter().for_each(|argument| bind(&argument.expr, bound));
        }
        Expr::Select(select) => bind(&select.operand.expr, bound),
        Expr::List(list) => list.elements.iter().for_each(|element| bind(&element.expr, bound)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    bind(&entry.key.expr, bound);
                    bind(&entry.value.expr, bound);
                }
            }
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

/// Finds what a name stands for when it is asked for.
struct Names;

impl VariableResolver for Names {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let text = |text: String| CowVal::owned(CelString::from(text));
        Some(match variable {
            "request" => CowVal::owned(Table::Request),
            "response" => CowVal::owned(Table::Response),
            "params" => CowVal::owned(Table::Params),
            "attributes" => CowVal::owned(Table::Attributes),
            "consumer" => text(attribute::get(attribute::CONSUMER).unwrap_or_default()),
            "client" => text(exchange::client_address().map(|address| address.to_string()).unwrap_or_default()),
            "route" => text(exchange::route()),
            "groups" => json("groups", Value::List(Arc::default())),
            "claims" => json("claims", Value::Map(cel::objects::Map { map: Arc::default() })),
            _ => return None,
        })
    }
}

/// An attribute that is JSON.
fn json<'b>(name: &str, absent: Value) -> CowVal<'b, 'b> {
    let written = attribute::get_bytes(name).and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let value = written.and_then(|value| cel::to_value(value).ok()).unwrap_or(absent);
    match <Box<dyn Val>>::try_from(value) {
        Ok(value) => CowVal::Owned(value),
        Err(_) => CowVal::owned(CelString::from(String::new())),
    }
}

/// What has values by name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Table {
    Request,
    RequestHeaders,
    Query,
    Cookies,
    Response,
    ResponseHeaders,
    Params,
    Attributes,
}

static TABLE: Type = Type::new_unspecified_type("gateway.table");

impl Table {
    fn value<'v>(self, name: &str) -> Option<CowVal<'v, 'v>> {
        let text = |text: String| Some(CowVal::owned(CelString::from(text)));
        match (self, name) {
            (Self::Request, "method") => text(request::method().to_string()),
            (Self::Request, "scheme") => text(request::scheme()),
            (Self::Request, "host") => text(request::authority()),
            (Self::Request, "path") => text(request::path()),
            (Self::Request, "headers") => Some(CowVal::owned(Self::RequestHeaders)),
            (Self::Request, "query") => Some(CowVal::owned(Self::Query)),
            (Self::Request, "cookies") => Some(CowVal::owned(Self::Cookies)),
            (Self::Response, "status") => Some(CowVal::owned(CelInt::from(i64::from(response::status())))),
            (Self::Response, "headers") => Some(CowVal::owned(Self::ResponseHeaders)),
            (Self::Request | Self::Response, _) => None,
            _ => text(self.text(name).unwrap_or_default()),
        }
    }

    fn text(self, name: &str) -> Option<String> {
        match self {
            Self::RequestHeaders => request::header(name),
            Self::ResponseHeaders => response::header(name),
            Self::Query => request::parameter(name),
            Self::Cookies => cookie(name),
            Self::Params => exchange::param(name),
            Self::Attributes => attribute::get(name),
            Self::Request | Self::Response => None,
        }
    }
}

impl Val for Table {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &TABLE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Table {}

impl Container for Table {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.text(name(value)?).is_some())
    }
}

impl Indexer for Table {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = name(index)?;
        self.value(name).ok_or_else(|| ExecutionError::no_such_key(name))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = name(index)?;
        self.value(name).map(CowVal::into_owned).ok_or_else(|| ExecutionError::no_such_key(name))
    }
}

fn name(index: &dyn Val) -> Result<&str, ExecutionError> {
    let text = index.downcast_ref::<CelString>().map(CelString::inner);
    text.ok_or_else(|| ExecutionError::UnexpectedType {
        got: index.get_type().name().to_owned(),
        want: "string".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Exchange;
    use crate::{Flow, Plugin};

    /// Answers 200 where its condition holds, and 404 where it does not.
    struct Tells(Condition);

    #[derive(serde::Deserialize)]
    struct Config {
        when: Condition,
    }

    #[plugin_sdk::plugin]
    impl Plugin for Tells {
        type Config = Config;

        fn configure(config: Config) -> Result<Self, String> {
            Ok(Self(config.when))
        }

        fn on_request(&self) -> crate::Result<Flow> {
            Ok(crate::Response::new(if self.0.holds() { 200 } else { 404 }).into())
        }
    }

    #[test]
    fn what_holds() {
        for (expression, holds) in [
            ("true", true),
            ("request.method == 'GET'", true),
            ("request.path.startsWith('/orders/') && request.scheme == 'http'", true),
            ("request.host == 'gateway.example'", true),
            ("request.headers['X-Tenant'] == 'a'", true),
            ("request.headers['absent'] == ''", true),
            ("'x-tenant' in request.headers && !('absent' in request.headers)", true),
            ("request.query['page'] == '2'", true),
            ("int(request.query.page) > 1", true),
            ("request.cookies['session'] == 'abc'", true),
            ("params.id == '17'", true),
            ("attributes['jwt/plan'] == 'gold'", true),
            ("consumer == 'alice'", true),
            ("client == '192.0.2.1' && route == 'test'", true),
            ("'admin' in groups && size(groups) == 2", true),
            ("'root' in groups", false),
            ("claims.tenant == 'acme' && claims.age >= 18", true),
            ("has(claims.absent)", false),
            ("claims.roles.exists(role, role == 'buyer')", true),
            // What cannot be told does not hold.
            ("claims.absent == 'x'", false),
            ("request.nothing == ''", false),
            ("'text'", false),
            ("response.status == 0 && response.headers['x'] == ''", true),
        ] {
            let exchange = Exchange::get("/orders/17?page=2")
                .header("x-tenant", "a")
                .header("cookie", "a=b; session=abc")
                .param("id", "17")
                .attribute("jwt/plan", "gold")
                .attribute("consumer", "alice")
                .attribute("groups", r#"["staff","admin"]"#)
                .attribute("claims", r#"{"tenant":"acme","age":20,"roles":["buyer"]}"#);
            let outcome = exchange.run::<Tells>(serde_json::json!({ "when": expression }));
            assert_eq!(outcome.response.status == 200, holds, "{expression}");
        }
    }

    #[test]
    fn without_an_identity_nothing_is_claimed() {
        for expression in ["consumer == ''", "size(groups) == 0", "size(claims) == 0", "!has(claims.sub)"] {
            let outcome = Exchange::get("/").run::<Tells>(serde_json::json!({ "when": expression }));
            assert_eq!(outcome.response.status, 200, "{expression}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        let error = Condition::parse("user == 'a'").unwrap_err();
        assert!(error.starts_with("`user` in `user == 'a'` means nothing; there are request, response, "), "{error}");
        let error = Condition::parse("request.method ==").unwrap_err();
        assert!(error.starts_with("`request.method ==` is no condition: "), "{error}");
    }
}
