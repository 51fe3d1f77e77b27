//! The guest code between a plugin's module and the host: it calls the plugin's allocator, which the host cannot.
//!
//! One module for all plugins, instantiated before each of them. Around each host function that gives something through memory stands a
//! wrapper, which makes room for what the host has laid out (`lower.rs`) until nothing is left. Around each phase stands a function that puts
//! what the phase takes into the guest's memory, calls it and gives the host the address of what it gave: a call of a phase enters guest code
//! once. Its `post-return` is called when the next one begins, so that what it gave stands until the host has read it. What belongs
//! to the plugin stands in a table, which is filled when its module is there.

use super::functions::{Function, Gives};
use std::borrow::Cow;
use wasm_encoder::{
    BlockType, CodeSection, ComponentExportKind, ComponentExportSection, ConstExpr, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink,
    Module, ModuleSection, RefType, TableSection, TableType, TypeSection, ValType,
};

/// The interface under which the host offers what is for the glue alone.
pub(super) const HOST: &str = "glue";

/// The table's name.
pub(super) const TABLE: &str = "table";

/// Where in the table the plugin's allocator stands.
pub(super) const REALLOC: u32 = 0;

/// A phase, or `configure`, as the glue calls it.
pub(super) struct Export {
    /// Of its interface, its function and the glue's function.
    pub(super) name: &'static str,
    /// Whether it gives something.
    gives: bool,
    takes: Takes,
}

/// What a phase takes. The host has it ready.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    /// A list of bytes.
    Bytes,
    /// The summary: its numbers, and perhaps an error's text.
    Summary,
}

/// All of them, in the order of their places in the table. The glue's own functions take nothing, and give the address of what the phase
/// gave, or 0.
pub(super) const EXPORTS: [Export; 7] = [
    Export { name: "configure", gives: true, takes: Takes::Nothing },
    Export { name: "on-request", gives: true, takes: Takes::Nothing },
    Export { name: "on-request-body", gives: true, takes: Takes::Bytes },
    Export { name: "handle", gives: true, takes: Takes::Bytes },
    Export { name: "on-response", gives: true, takes: Takes::Nothing },
    Export { name: "on-response-body", gives: true, takes: Takes::Bytes },
    Export { name: "on-complete", gives: false, takes: Takes::Summary },
];

/// The numbers of a summary, and whether there is an error.
const SUMMARY: [ValType; 5] = [ValType::I32, ValType::I64, ValType::I64, ValType::I64, ValType::I32];

/// The host functions that are for the glue alone: name, parameters, results.
const OWN: [(&str, &[ValType], &[ValType]); 4] = [
    ("place", &[ValType::I32], &[ValType::I64]),
    ("length", &[], &[ValType::I32]),
    ("fill", &[ValType::I32], &[]),
    ("summary", &[], &SUMMARY),
];

/// What still waits for its `post-return`: where that stands in the table, or 0, and the address that it takes.
const POST: u32 = 0;
const GIVEN: u32 = 1;

/// Where in the table a phase stands.
pub(super) fn place(export: usize) -> u32 {
    1 + 2 * export as u32
}

/// Where in the table its `post-return` stands.
pub(super) fn post_place(export: usize) -> u32 {
    place(export) + 1
}

/// A host function's name among the glue's exports.
pub(super) fn wrapper(interface: &str, name: &str) -> String {
    format!("{interface}#{name}")
}

/// The name of the module that a component shows.
pub(super) const MODULE: &str = "module";

/// A component that shows the module.
pub(super) fn component(functions: &[&Function]) -> Vec<u8> {
    let mut component = wasm_encoder::Component::new();
    component.section(&ModuleSection(&module(functions)));
    component.section(&shown(0));
    component.finish()
}

/// The section by which a component shows one of its modules.
pub(super) fn shown(module: u32) -> ComponentExportSection {
    let mut exports = ComponentExportSection::new();
    exports.export(MODULE, ComponentExportKind::Module, module, None);
    exports
}

/// Types of functions, each once.
#[derive(Default)]
struct Types {
    section: TypeSection,
    known: Vec<(Vec<ValType>, Vec<ValType>)>,
}

impl Types {
    fn of(&mut self, parameters: &[ValType], results: &[ValType]) -> u32 {
        let known = self.known.iter().position(|(takes, gives)| takes == parameters && gives == results);
        known.unwrap_or_else(|| {
            self.section.ty().function(parameters.iter().copied(), results.iter().copied());
            self.known.push((parameters.to_vec(), results.to_vec()));
            self.known.len() - 1
        }) as u32
    }
}

/// What the code of the functions names: types, and functions of the host.
struct Names {
    realloc: u32,
    post: u32,
    first_own: u32,
}

impl Names {
    fn own(&self, wanted: &str) -> u32 {
        let at = OWN.iter().position(|(name, ..)| *name == wanted);
        self.first_own + at.unwrap_or_default() as u32
    }
}

fn module(functions: &[&Function]) -> Module {
    use ValType::{I32, I64};
    let mut types = Types::default();
    let (mut imports, mut defined, mut exports, mut code) =
        (ImportSection::new(), FunctionSection::new(), ExportSection::new(), CodeSection::new());
    for Function { interface, name, parameters, gives, .. } in functions {
        let kind = match gives {
            Gives::Value(result) => types.of(parameters, result.as_slice()),
            Gives::Parcel => types.of(&[parameters.as_slice(), &[I32]].concat(), &[I64]),
        };
        imports.import(interface, name, EntityType::Function(kind));
    }
    for (name, parameters, results) in OWN {
        imports.import(HOST, name, EntityType::Function(types.of(parameters, results)));
    }
    let names =
        Names { realloc: types.of(&[I32; 4], &[I32]), post: types.of(&[I32], &[]), first_own: functions.len() as u32 };
    // What stands for a `post-return` that a plugin does not have.
    let nothing = (functions.len() + OWN.len()) as u32;
    defined.function(names.post);
    code.function(&body(|mut code| {
        code.end();
    }));
    let mut next = nothing + 1;
    for (import, Function { interface, name, parameters, gives, .. }) in (0..).zip(functions) {
        let function = match gives {
            Gives::Value(_) => import,
            Gives::Parcel => {
                defined.function(types.of(&[parameters.as_slice(), &[I32]].concat(), &[]));
                code.function(&wrap(import, parameters.len() as u32 + 1, &names));
                next += 1;
                next - 1
            }
        };
        exports.export(&wrapper(interface, name), ExportKind::Func, function);
    }
    for (number, export) in EXPORTS.iter().enumerate() {
        let takes: &[&[ValType]] = match export.takes {
            Takes::Nothing => &[],
            Takes::Bytes => &[&[I32, I32]],
            Takes::Summary => &[&SUMMARY, &[I32, I32]],
        };
        let plugins = types.of(&takes.concat(), export.gives.then_some(I32).as_slice());
        defined.function(types.of(&[], &[I32]));
        code.function(&phase(export, (number, plugins), &names));
        exports.export(export.name, ExportKind::Func, next);
        next += 1;
    }

    let places = post_place(EXPORTS.len());
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: places.into(),
        maximum: Some(places.into()),
        shared: false,
    });
    exports.export(TABLE, ExportKind::Table, 0);
    let mut globals = GlobalSection::new();
    for _ in [POST, GIVEN] {
        globals.global(GlobalType { val_type: I32, mutable: true, shared: false }, &ConstExpr::i32_const(0));
    }
    let mut elements = ElementSection::new();
    for number in 0..EXPORTS.len() {
        let at = ConstExpr::i32_const(post_place(number) as i32);
        elements.active(None, &at, Elements::Functions(Cow::Borrowed(&[nothing])));
    }
    let mut module = Module::new();
    module.section(&types.section).section(&imports).section(&defined).section(&tables);
    module.section(&globals).section(&exports).section(&elements).section(&code);
    module
}

/// A function with room for two addresses or lengths, and for what is wanted.
fn body(write: impl FnOnce(InstructionSink<'_>)) -> wasm_encoder::Function {
    let mut function = wasm_encoder::Function::new([(2, ValType::I32), (1, ValType::I64)]);
    write(function.instructions());
    function
}

/// Calls a host function and makes room for what it gives.
fn wrap(import: u32, slots: u32, names: &Names) -> wasm_encoder::Function {
    let wanted = slots + 2;
    body(|mut code| {
        for slot in 0..slots {
            code.local_get(slot);
        }
        code.call(import).local_set(wanted);
        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(wanted).i64_eqz().br_if(1);
        code.i32_const(0).i32_const(0);
        code.local_get(wanted).i64_const(32).i64_shr_u().i32_wrap_i64();
        code.local_get(wanted).i32_wrap_i64();
        code.i32_const(REALLOC as i32).call_indirect(0, names.realloc);
        code.call(names.own("place")).local_set(wanted);
        code.br(0).end().end().end();
    })
}

/// Calls a phase of the plugin.
fn phase(export: &Export, (number, plugins): (usize, u32), names: &Names) -> wasm_encoder::Function {
    // The place of a `post-return` is needed before any address is.
    let (post, address, length) = (0, 0, 1);
    body(|mut code| {
        code.global_get(POST).local_tee(post).if_(BlockType::Empty);
        code.i32_const(0).global_set(POST);
        code.global_get(GIVEN).local_get(post).call_indirect(0, names.post).end();
        if matches!(export.takes, Takes::Summary) {
            code.call(names.own("summary"));
        }
        if !matches!(export.takes, Takes::Nothing) {
            code.i32_const(1).local_set(address);
            code.call(names.own("length")).local_tee(length).if_(BlockType::Empty);
            code.i32_const(0).i32_const(0).i32_const(1).local_get(length);
            code.i32_const(REALLOC as i32).call_indirect(0, names.realloc);
            code.local_tee(address).call(names.own("fill")).end();
            code.local_get(address).local_get(length);
        }
        code.i32_const(place(number) as i32).call_indirect(0, plugins);
        if export.gives {
            code.local_tee(address).global_set(GIVEN);
            code.i32_const(post_place(number) as i32).global_set(POST);
            code.local_get(address);
        } else {
            code.i32_const(0);
        }
        code.end();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_valid_component() {
        let function = |parameters: &[ValType], gives| Function {
            interface: "a",
            name: "b",
            parameters: parameters.to_vec(),
            gives,
            waits: false,
        };
        let functions = [
            function(&[], Gives::Value(Some(ValType::I64))),
            Function { name: "c", ..function(&[ValType::I32, ValType::F64], Gives::Parcel) },
        ];
        let component = component(&functions.each_ref());
        wasmparser::Validator::new().validate_all(&component).unwrap();
    }
}
