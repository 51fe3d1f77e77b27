//! Guests written by hand: the core module is text, the component around it is made as a toolchain makes it.

use std::fmt::Write as _;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Host functions and their flat signatures; the last parameter of most is where the result goes.
const FUNCTIONS: &[(&str, &str)] = &[
    ("config.get", "(param i32)"),
    ("log.log", "(param i32 i32 i32)"),
    ("metrics.count", "(param i32 i32 i64)"),
    ("clock.now", "(result i64)"),
    ("random.number", "(result i64)"),
    ("kv.increment", "(param i32 i32 i64 i32 i64 i32)"),
    ("request.header", "(param i32 i32 i32)"),
    ("request.set-header", "(param i32 i32 i32 i32 i32)"),
    ("request.append-header", "(param i32 i32 i32 i32 i32)"),
    ("request.take-header", "(param i32 i32 i32)"),
    ("request.set-path", "(param i32 i32 i32)"),
    ("request.set-method", "(param i32 i32 i32)"),
    ("request.set-query", "(param i32 i32 i32)"),
    ("response.status", "(result i32)"),
    ("response.set-status", "(param i32 i32)"),
    ("response.set-header", "(param i32 i32 i32 i32 i32)"),
    ("exchange.set-attribute", "(param i32 i32 i32 i32 i32)"),
    ("exchange.set-upstream", "(param i32 i32 i32)"),
    ("exchange.identify", "(param i32 i32 i32 i32 i32 i32 i32)"),
    ("http.fetch", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"),
    ("http.fetch-all", "(param i32 i32 i32)"),
    ("secrets.get", "(param i32 i32 i32)"),
    ("clock.wait", "(param i32)"),
    ("crypto.import-keys", "(param i32 i32 i32)"),
    ("crypto.verify-password", "(param i32 i32 i32 i32 i32)"),
];

/// Memory, an allocator that is emptied after each call, and ways to answer. Data stands below 32 KiB, results at 64.
const PRELUDE: &str = r#"
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 32768))
  (func $reset (global.set $heap (i32.const 32768)))
  (func $alloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    ;; first
    (local.set $at (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $enough (loop $grow
      (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.const 1)))
      (br $grow)))
    (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
    (local.get $at))
  ;; A head phase that goes on.
  (func $next (result i32)
    (i32.store8 (i32.const 128) (i32.const 0))
    (i32.const 128))
  ;; A head phase that answers with a status and a body.
  (func $respond (param $status i32) (param $body i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 128) (i32.const 1))
    (i32.store16 (i32.const 132) (local.get $status))
    (i32.store (i32.const 136) (i32.const 0))
    (i32.store (i32.const 140) (i32.const 0))
    (i32.store (i32.const 144) (local.get $body))
    (i32.store (i32.const 148) (local.get $length))
    (i32.const 128))
  ;; Goes on after `ok` of the result at 64; else answers 400 + the number of the error, with its text.
  (func $outcome (result i32)
    (if (i32.eqz (i32.load8_u (i32.const 64))) (then (return (call $next))))
    (call $respond
      (i32.add (i32.const 400) (i32.load8_u (i32.const 68)))
      (i32.load (i32.const 72))
      (select (i32.const 0) (i32.load (i32.const 76)) (i32.eq (i32.load8_u (i32.const 68)) (i32.const 1)))))
"#;

/// A guest under construction.
#[derive(Default)]
pub(crate) struct Guest {
    imports: Vec<&'static str>,
    phases: Vec<(&'static str, String)>,
    functions: String,
    allocator: String,
    data: Vec<u8>,
}

impl Guest {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Imports a host function as `$interface.name`.
    pub(crate) fn import(mut self, function: &'static str) -> Self {
        self.imports.push(function);
        self
    }

    /// Exports a phase: the body of its function, with results and locals.
    pub(crate) fn phase(mut self, phase: &'static str, body: impl Into<String>) -> Self {
        self.phases.push((phase, body.into()));
        self
    }

    /// More of the module.
    pub(crate) fn with(mut self, functions: &str) -> Self {
        self.functions.push_str(functions);
        self
    }

    /// What the allocator does before all else.
    pub(crate) fn allocator(mut self, first: impl Into<String>) -> Self {
        self.allocator = first.into();
        self
    }

    /// Puts text into the module's data: its address and length as two operands.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let at = 1024 + self.data.len();
        self.data.extend(text.as_bytes());
        assert!(at + text.len() < 32768);
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// The component.
    pub(crate) fn build(self) -> Vec<u8> {
        let mut world = "package test:guest;\nworld guest {\n".to_owned();
        let mut module = "(module\n".to_owned();
        let mut interfaces: Vec<_> =
            self.imports.iter().filter_map(|function| Some(function.split_once('.')?.0)).collect();
        interfaces.sort_unstable();
        interfaces.dedup();
        for interface in interfaces {
            writeln!(world, "  import gateway:plugin/{interface}@0.1.0;").unwrap();
        }
        for function in self.imports {
            let (interface, name) = function.split_once('.').unwrap();
            let (_, signature) = FUNCTIONS.iter().find(|(known, _)| *known == function).unwrap();
            writeln!(
                module,
                "  (import \"gateway:plugin/{interface}@0.1.0\" \"{name}\" (func ${function} {signature}))"
            )
            .unwrap();
        }
        module.push_str(&PRELUDE.replace(";; first", &self.allocator));
        for (phase, body) in self.phases {
            writeln!(world, "  export gateway:plugin/{phase}@0.1.0;").unwrap();
            writeln!(module, "  (func (export \"gateway:plugin/{phase}@0.1.0#{phase}\") {body})").unwrap();
            if phase != "on-complete" {
                writeln!(
                    module,
                    "  (func (export \"cabi_post_gateway:plugin/{phase}@0.1.0#{phase}\") (param i32) (call $reset))"
                )
                .unwrap();
            }
        }
        world.push('}');
        module.push_str(&self.functions);
        let data: String = self.data.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        });
        writeln!(module, "  (data (i32.const 1024) \"{data}\"))").unwrap();

        let mut core = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}\n{module}"));
        let mut resolve = Resolve::default();
        resolve.push_source("gateway.wit", include_str!("../../../../wit/0.1/gateway.wit")).unwrap();
        let package = resolve.push_source("guest.wit", &world).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&core).unwrap().validate(true).encode().unwrap()
    }
}

/// A filter as people write them: compares the header `x-api-key`, sets an attribute and a header, or answers 401.
pub(crate) fn key_check() -> Vec<u8> {
    let mut guest = Guest::new().import("request.header").import("request.set-header").import("exchange.set-attribute");
    let [header, key, attribute, consumer, name] =
        ["x-api-key", "k-0123456789abcdef", "tier", "gold", "x-tier"].map(|text| guest.text(text));
    let body = format!(
        "(result i32)
        (call $request.header {header} (i32.const 64))
        (if (i32.eqz (i32.load8_u (i32.const 64))) (then (return (call $respond (i32.const 401) (i32.const 0) (i32.const 0)))))
        (if (i32.eqz (call $equal (i32.load (i32.const 68)) (i32.load (i32.const 72)) {key}))
          (then (return (call $respond (i32.const 401) (i32.const 0) (i32.const 0)))))
        (call $exchange.set-attribute {attribute} {consumer} (i32.const 64))
        (call $request.set-header {name} {consumer} (i32.const 64))
        (call $outcome)"
    );
    let equal = "
  (func $equal (param $a i32) (param $la i32) (param $b i32) (param $lb i32) (result i32)
    (local $i i32) (local $difference i32)
    (if (i32.ne (local.get $la) (local.get $lb)) (then (return (i32.const 0))))
    (block $done (loop $more
      (br_if $done (i32.eq (local.get $i) (local.get $la)))
      (local.set $difference (i32.or (local.get $difference) (i32.xor
        (i32.load8_u (i32.add (local.get $a) (local.get $i)))
        (i32.load8_u (i32.add (local.get $b) (local.get $i))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $more)))
    (i32.eqz (local.get $difference)))";
    guest.phase("on-request", body).with(equal).build()
}
