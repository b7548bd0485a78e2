//! What the sandbox costs: the same module in its sandbox and linked natively, through the same pipeline.
//!
//! The native run is this program itself, so that both are processes of their own and are measured alike.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow, bail, ensure};
use correlator::capability::{Capabilities, Rotation, TableFiles};
use correlator::declaration::Role;
use correlator::pipeline::{Engine as Pipeline, ListenerPlan, ModulePlan, Plan, Progress};
use correlator::sandbox::{Cache, Guest, Sandbox};
use correlator::stack::flags::Flags;
use correlator::stack::grant::Grant;
use correlator::stack::problem::Problem;
use correlator::stack::raw::RawStack;
use correlator::stack::{Component, Guests, Stack};
use correlator_module_sshd::Sshd;
use correlator_world::Nowhere;

use crate::engine::{Engine, Log};
use crate::measure;
use crate::native::Native;
use crate::report::Report;
use crate::series::alternate;

/// What is compared, by its bundled name, and where its events go.
const MODULE: &str = "sshd";
const LISTENER: &str = "csv";

/// Measures it.
pub fn measure(engine: &Engine, log: &Log, rounds: usize, report: &mut Report) -> Result<()> {
    println!("sandbox tax");
    let this = std::env::current_exe()?;
    let [sandboxed, native] = alternate::<2>(rounds, |which| {
        let mut command = engine.run(&["sshd"], &log.path)?;
        if which == 1 {
            command = Command::new(&this);
            command.arg("native").arg(&log.path).arg(engine.empty_folder("tables")?);
            command.arg(engine.binary()).arg(engine.cache());
        }
        Ok(measure::run(&mut command)?.cpu.as_secs_f64())
    })?;
    let ratio = sandboxed.over(&native);
    report.add("CPU time in the sandbox over native", &ratio, "1.25");
    Ok(())
}

/// Runs `sshd` natively and `csv` in its sandbox as ever: what a person gets who trusts the module. What the module
/// declares comes from its component, so that everything but its calls is the same.
pub fn run_native(file: &Path, output: &Path, binary: &Path, cache: &Path) -> Result<()> {
    let raw = RawStack::from_flags(&Flags {
        modules: vec![MODULE.into()],
        listeners: vec![LISTENER.into()],
        files: vec![file.to_string_lossy().into_owned()],
        output: Some(output.to_owned()),
        ..Flags::default()
    });
    let sandbox = Sandbox::new(binary.to_owned(), Some(Cache::open(cache)?))?;
    let mut loaded = HashMap::new();
    for wanted in raw.components() {
        let Component::Bundled(name) = &wanted.component else { continue };
        let bytes = bundled(name)?;
        loaded.insert(wanted.component.clone(), sandbox.load(name, &bytes, &wanted.limits)?);
    }
    let descriptions =
        loaded.iter().map(|(component, guest)| (component.clone(), Ok(guest.description.clone())));
    let guests = Guests {
        modules: vec![MODULE.into()],
        listeners: vec![LISTENER.into()],
        loaded: descriptions.collect(),
        ..Guests::default()
    };
    let stack = Stack::check(&raw, &guests).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(Problem::render).collect();
        anyhow!(problems.join("\n"))
    })?;
    let (progress, stop) = (Arc::new(Progress::default()), Arc::new(AtomicBool::new(false)));
    let pipeline = Pipeline::start(plan(stack, loaded)?, progress, stop, || ())?;
    pipeline.wait(|| ());
    let report = pipeline.finish()?;
    let failures: u64 = report.modules.iter().map(|module| module.guest.failures).sum();
    ensure!(failures == 0, "the native module failed: {:?}", report.modules);
    Ok(())
}

/// The component that a person would load by this name.
fn bundled(name: &str) -> Result<Vec<u8>> {
    let target = std::env::current_exe()?;
    let target = target.ancestors().nth(2).context("this program lies in no target folder")?;
    let path = target.join("guests").join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| path.display().to_string())
}

/// One native module, one sandboxed listener, and what they read and write.
fn plan(stack: Stack, mut loaded: HashMap<Component, Guest>) -> Result<Plan> {
    let module = stack.modules.into_iter().next().context("the stack has a module")?;
    let listener = stack.listeners.into_iter().next().context("the stack has a listener")?;
    let logic = loaded.remove(&module.component).context("the module was loaded")?.description;
    let guest = loaded.remove(&listener.component).context("the listener was loaded")?;
    let Role::Module { interest, events } = logic.role else { bail!("{MODULE} is no module") };
    let module = ModulePlan {
        name: module.name,
        component: (MODULE.to_owned(), String::new(), logic.version),
        settings: String::new(),
        start: Arc::new(move || Ok(Box::new(Native::<Sshd>::new(&module.settings)?))),
        interest,
        events,
        timers: logic.timers,
        instances: 1,
        partition_by: None,
        enabled: true,
        limits: module.limits,
    };
    let (name, settings, schemas) = (listener.name.clone(), listener.settings, stack.schemas);
    let limits = listener.limits.clone();
    let listener = ListenerPlan {
        name: listener.name,
        component: (LISTENER.to_owned(), String::new(), guest.description.version.clone()),
        settings: String::new(),
        criteria: listener.compiled,
        timers: guest.description.timers.clone(),
        start: Arc::new(move || guest.listener(&name, &settings, &schemas, &limits)),
        capabilities: Arc::new(move || Ok(tables(&listener.grants))),
        limits: listener.limits,
    };
    Ok(Plan {
        stack: "command line".to_owned(),
        sources: stack.sources,
        capture: None,
        modules: vec![module],
        listeners: vec![listener],
        zone: stack.zone,
        keeping: None,
        secrets: Arc::new(Nowhere),
    })
}

fn tables(grants: &[Grant]) -> Capabilities {
    let mut capabilities = Capabilities::default();
    for grant in grants {
        if let Grant::Table(table) = grant {
            let rotation = Rotation { bytes: table.rotate_bytes, keep: table.keep };
            let files = TableFiles::new("csv", table.directory.clone(), rotation);
            capabilities.table = Some(files);
        }
    }
    capabilities
}
