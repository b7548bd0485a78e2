//! Guests that are a crowd: an honest component with thousands of instances, memories, tables, types or nested
//! components behind it. A few bytes declare each of them, and the host pays for all.
//!
//! They must never change what the honest part does, so that nothing but the crowd is a reason to refuse them.

use anyhow::Result;
use wasm_encoder::{
    CodeSection, Component, ComponentExportKind, ComponentExportSection, ComponentTypeSection,
    ComponentValType, ElementSection, Function, FunctionSection, InstanceSection, MemorySection,
    MemoryType, Module, ModuleSection, NestedComponentSection, PrimitiveValType, RefType,
    StartSection, TableSection, TableType, TypeSection,
};
use wasmparser::{Parser, Payload};

use super::draft::Draft;

/// A component and what stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct Crowd(&'static str, fn(&mut Component, &Counts));

impl Crowd {
    /// The guest's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The component.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn component(self) -> Result<Vec<u8>> {
        let mut bytes = Draft::module(self.0).component()?;
        let counts = Counts::of(&bytes)?;
        let mut crowd = Component::new();
        (self.1)(&mut crowd, &counts);
        bytes.extend_from_slice(&crowd.finish()[Component::HEADER.len()..]);
        Ok(bytes)
    }
}

/// How many of each the honest component has, which is the index of the next.
#[derive(Debug, Default)]
struct Counts {
    modules: u32,
    components: u32,
}

impl Counts {
    fn of(component: &[u8]) -> Result<Self> {
        let mut counts = Self::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::ModuleSection { .. } => {
                    counts.modules += u32::from(depth == 0);
                    depth += 1;
                }
                Payload::ComponentSection { .. } => {
                    counts.components += u32::from(depth == 0);
                    depth += 1;
                }
                Payload::End(_) => depth -= 1,
                _ => {}
            }
        }
        Ok(counts)
    }
}

fn instances(crowd: &mut Component, counts: &Counts, module: &Module, instances: usize) {
    crowd.section(&ModuleSection(module));
    let mut section = InstanceSection::new();
    for _ in 0..instances {
        section.instantiate(counts.modules, Vec::<(&str, wasm_encoder::ModuleArg)>::new());
    }
    crowd.section(&section);
}

fn with_memory(pages: u64) -> Module {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&memories);
    module
}

fn with_table(places: u64) -> Module {
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: places,
        maximum: None,
        shared: false,
    });
    let mut module = Module::new();
    module.section(&tables);
    module
}

/// A module that counts to three million when it starts.
fn with_start() -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut body = Function::new([(1, wasm_encoder::ValType::I32)]);
    body.instructions()
        .loop_(wasm_encoder::BlockType::Empty)
        .local_get(0)
        .i32_const(1)
        .i32_add()
        .local_tee(0)
        .i32_const(3_000_000)
        .i32_lt_u()
        .br_if(0)
        .end()
        .end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&StartSection { function_index: 0 })
        .section(&ElementSection::new())
        .section(&code);
    module
}

/// A component that holds the one before it and instantiates it so many times.
fn nested(levels: usize, instances: u32) -> Component {
    let mut inner = Component::new();
    inner.section(&ModuleSection(&with_memory(1)));
    if instances > 0 {
        let mut section = InstanceSection::new();
        section.instantiate(0, Vec::<(&str, wasm_encoder::ModuleArg)>::new());
        inner.section(&section);
    }
    for _ in 0..levels {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&inner));
        let mut section = wasm_encoder::ComponentInstanceSection::new();
        for _ in 0..instances {
            section.instantiate(0, Vec::<(&str, ComponentExportKind, u32)>::new());
        }
        outer.section(&section);
        inner = outer;
    }
    inner
}

fn nest(crowd: &mut Component, counts: &Counts, levels: usize, instances: u32) {
    crowd.section(&NestedComponentSection(&nested(levels, instances)));
    if instances > 0 {
        let mut section = wasm_encoder::ComponentInstanceSection::new();
        section.instantiate(counts.components, Vec::<(&str, ComponentExportKind, u32)>::new());
        crowd.section(&section);
    }
}

/// Types that are made of the one before: twice it in a tuple, or a list of it. In a component of their own, where
/// they count from 0.
fn types(crowd: &mut Component, levels: u32, twice: bool) {
    let mut section = ComponentTypeSection::new();
    section.defined_type().primitive(PrimitiveValType::U8);
    for level in 0..levels {
        let before = ComponentValType::Type(level);
        if twice {
            section.defined_type().tuple([before, before]);
        } else {
            section.defined_type().list(before);
        }
    }
    let mut inner = Component::new();
    inner.section(&section);
    crowd.section(&NestedComponentSection(&inner));
}

/// Exports of honest things under so many names.
fn exports(crowd: &mut Component, count: usize, length: usize) {
    let mut section = ComponentExportSection::new();
    for place in 0..count {
        let name = format!("x{place}{}", "x".repeat(length));
        section.export(name.as_str(), ComponentExportKind::Func, 0, None);
    }
    crowd.section(&section);
}

/// All of them.
pub const ALL: &[Crowd] = &[
    Crowd("memories-many", |crowd, counts| instances(crowd, counts, &with_memory(1), 990)),
    Crowd("memories-big", |crowd, counts| instances(crowd, counts, &with_memory(256), 500)),
    Crowd("tables-big", |crowd, counts| instances(crowd, counts, &with_table(9_000_000), 500)),
    Crowd("tables-many", |crowd, counts| instances(crowd, counts, &with_table(1), 990)),
    Crowd("starts-many", |crowd, counts| instances(crowd, counts, &with_start(), 990)),
    Crowd("instances-empty", |crowd, counts| instances(crowd, counts, &Module::new(), 990)),
    Crowd("components-doubling", |crowd, counts| nest(crowd, counts, 28, 2)),
    Crowd("components-thousandfold", |crowd, counts| nest(crowd, counts, 3, 900)),
    Crowd("components-nested", |crowd, counts| nest(crowd, counts, 10_000, 0)),
    Crowd("types-doubling", |crowd, _| types(crowd, 40, true)),
    Crowd("types-nested", |crowd, _| types(crowd, 100_000, false)),
    Crowd("exports-many", |crowd, _| exports(crowd, 15_000, 1)),
    Crowd("exports-long", |crowd, _| exports(crowd, 100, 99_000)),
];
