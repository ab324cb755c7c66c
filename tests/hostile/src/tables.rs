//! A tariff that grows its table, made instruction by instruction: no language lets its programs say so.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, HeapType, Instruction, MemorySection, MemoryType, Module, RefType, TableSection,
    TableType, TypeSection, ValType,
};

use crate::{manifest, module, package};

/// Elements of one growth.
pub const PIECE: u64 = 1000;

/// Locals of `rate` are its parameters: address and length of the pieces, of the sheet's id, its currency, its prices, and of the
/// tallies.
const CURRENCY_BYTES: u32 = 5;
const PARAMETERS: u32 = 10;

/// A packed tariff with so many tables. `rate` grows the first by [`PIECE`] elements for each byte of the sheet's currency, for
/// the empty one without end; it traps when it is refused, else it charges nothing.
///
/// # Panics
/// When it makes no component.
pub fn growing_tariff(number: usize) -> Vec<u8> {
    let mut grown = Module::new();
    let mut types = TypeSection::new();
    types.ty().function(vec![ValType::I32; PARAMETERS as usize], [ValType::I32]);
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut tables = TableSection::new();
    let empty = TableType { element_type: RefType::FUNCREF, table64: false, minimum: 0, maximum: None, shared: false };
    for _ in 0..number {
        tables.table(empty);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    // The first free byte; what lies below stays zero and is the answer: no charges.
    let counter = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(counter, &ConstExpr::i32_const(1024));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("skyloom:tariff/rating@0.1.0#rate", ExportKind::Func, 0);
    exports.export("cabi_realloc", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    code.function(&rate()).function(&realloc());
    grown.section(&types).section(&functions).section(&tables).section(&memories).section(&globals);
    grown.section(&exports).section(&code);
    contract_of("hostile-tariff", &mut grown);
    package::assemble(&manifest("growing", "tariff", &[], ""), &std::collections::BTreeMap::new(), grown.finish())
        .expect("a component")
}

fn rate() -> Function {
    use Instruction as I;
    let mut function = Function::new([(1, ValType::I32)]);
    let rounds = PARAMETERS;
    let piece = i32::try_from(PIECE).expect("a small number");
    function
        .instruction(&I::Loop(BlockType::Empty))
        .instruction(&I::RefNull(HeapType::FUNC))
        .instruction(&I::I32Const(piece))
        .instruction(&I::TableGrow(0))
        .instruction(&I::I32Const(-1))
        .instruction(&I::I32Eq)
        .instruction(&I::If(BlockType::Empty))
        .instruction(&I::Unreachable)
        .instruction(&I::End);
    // rounds += 1; again unless it equals the number wanted, which it never does for none.
    function
        .instruction(&I::LocalGet(rounds))
        .instruction(&I::I32Const(1))
        .instruction(&I::I32Add)
        .instruction(&I::LocalTee(rounds))
        .instruction(&I::LocalGet(CURRENCY_BYTES))
        .instruction(&I::I32Ne)
        .instruction(&I::BrIf(0))
        .instruction(&I::End)
        .instruction(&I::I32Const(0))
        .instruction(&I::End);
    function
}

/// Gives the next bytes, aligned, and frees none.
fn realloc() -> Function {
    use Instruction as I;
    let (align, size) = (2, 3);
    let mut function = Function::new([(1, ValType::I32)]);
    let place = 4;
    function
        .instruction(&I::GlobalGet(0))
        .instruction(&I::LocalGet(align))
        .instruction(&I::I32Add)
        .instruction(&I::I32Const(1))
        .instruction(&I::I32Sub)
        .instruction(&I::I32Const(0))
        .instruction(&I::LocalGet(align))
        .instruction(&I::I32Sub)
        .instruction(&I::I32And)
        .instruction(&I::LocalTee(place))
        .instruction(&I::LocalGet(size))
        .instruction(&I::I32Add)
        .instruction(&I::GlobalSet(0))
        .instruction(&I::LocalGet(place))
        .instruction(&I::End);
    function
}

/// What says to which contract a module was built, from one that the compiler made.
fn contract_of(crate_name: &str, target: &mut Module) {
    let compiled = module(crate_name);
    for payload in wasmparser::Parser::new(0).parse_all(&compiled) {
        if let wasmparser::Payload::CustomSection(section) = payload.expect("a module")
            && section.name().starts_with("component-type")
        {
            target.section(&CustomSection { name: section.name().into(), data: section.data().into() });
        }
    }
}
