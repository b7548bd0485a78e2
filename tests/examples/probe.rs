#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout, clippy::unwrap_used)]
use std::time::Instant;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
mod m {
    wasmtime::component::bindgen!({ path: "../wit", world: "module" });
}
mod l {
    wasmtime::component::bindgen!({ path: "../wit", world: "listener" });
}
struct D {
    limits: StoreLimits,
    lines: usize,
}
impl m::correlator::engine::log::Host for D {
    fn log(&mut self, _: m::correlator::engine::log::Severity, m: String) {
        self.lines += 1;
        if self.lines < 3 {
            println!("    log: {:.60?}", m)
        }
    }
}
impl m::correlator::engine::types::Host for D {}
fn rss() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}
fn show<T: std::fmt::Debug>(
    what: &str,
    s: &mut Store<D>,
    t: Instant,
    r: wasmtime::Result<T>,
) -> bool {
    let ok = r.is_ok();
    let text = match r {
        Ok(v) => {
            let d = format!("{v:?}");
            d.chars().take(150).collect::<String>()
        }
        Err(e) => format!(
            "TRAP {:.200}",
            format!("{:?}", e)
                .lines()
                .filter(|l| !l.trim().is_empty()
                    && !l.contains("wasm backtrace")
                    && !l.contains("wasm!"))
                .collect::<Vec<_>>()
                .join(" / ")
        ),
    };
    println!(
        "  {what}: {text} [{} ms, fuel left {}]",
        t.elapsed().as_millis(),
        s.get_fuel().unwrap_or(0)
    );
    s.set_fuel(200_000_000).unwrap();
    ok
}
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args[0] == "--dump" {
        std::fs::create_dir_all(&args[1]).unwrap();
        for n in correlator_tests::guests::names() {
            if args.len() > 2 && !args[2..].contains(&n) {
                continue;
            }
            std::fs::write(format!("{}/{n}.wasm", args[1]), correlator_tests::guests::hostile(&n))
                .unwrap();
        }
        return;
    }
    for name in &args {
        let bytes = if name.ends_with(".wasm") {
            std::fs::read(name).unwrap()
        } else {
            correlator_tests::guests::hostile(name)
        };
        println!("{name}: {} bytes", bytes.len());
        let t = Instant::now();
        let v = wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::default())
            .validate_all(&bytes)
            .map(|_| ());
        println!("  validate: {v:?} [{} ms, peak {} MiB]", t.elapsed().as_millis(), rss());
        let mut c = Config::new();
        c.consume_fuel(true)
            .epoch_interruption(true)
            .wasm_relaxed_simd(false)
            .wasm_memory64(false)
            .max_wasm_stack(512 << 10)
            .native_unwind_info(false);
        let e = Engine::new(&c).unwrap();
        let t = Instant::now();
        let comp = Component::new(&e, &bytes);
        println!(
            "  compile: {} [{} ms, peak {} MiB]",
            match &comp {
                Ok(_) => "ok".into(),
                Err(e) => format!("{:.300}", format!("{e:?}").replace('\n', " ")),
            },
            t.elapsed().as_millis(),
            rss()
        );
        let Ok(comp) = comp else { continue };
        if std::env::var("COMPILE_ONLY").is_ok() {
            println!("  code {} KiB", comp.serialize().unwrap().len() / 1024);
            continue;
        }
        let mut s = Store::new(
            &e,
            D {
                limits: StoreLimitsBuilder::new()
                    .memory_size(64 << 20)
                    .table_elements(100_000)
                    .build(),
                lines: 0,
            },
        );
        s.limiter(|d| &mut d.limits);
        s.set_fuel(200_000_000).unwrap();
        s.set_epoch_deadline(10);
        let mut k = Linker::new(&e);
        m::correlator::engine::log::add_to_linker::<_, wasmtime::component::HasSelf<_>>(
            &mut k,
            |d| d,
        )
        .unwrap();
        let t = Instant::now();
        let listener = comp.component_type().get_export(&e, "handle").is_some();
        macro_rules! all {
            ($ns:ident, $world:ident, $conf:expr, $turn:expr) => {{
                let i = $ns::$world::instantiate(&mut s, &comp, &k);
                let i = match i {
                    Ok(i) => i,
                    Err(e) => {
                        println!(
                            "  instantiate: {:.300} [{} ms peak {}]",
                            format!("{e:?}").replace('\n', " "),
                            t.elapsed().as_millis(),
                            rss()
                        );
                        continue;
                    }
                };
                println!("  instantiate ok [{} ms]", t.elapsed().as_millis());
                let t = Instant::now();
                let r = i.call_describe(&mut s);
                if !show("describe", &mut s, t, r) {
                    continue;
                }
                let t = Instant::now();
                let r = ($conf)(&i, &mut s);
                if !show("configure", &mut s, t, r) {
                    continue;
                }
                for _ in 0..2 {
                    let t = Instant::now();
                    let r = ($turn)(&i, &mut s);
                    if !show("turn", &mut s, t, r) {
                        break;
                    }
                }
                let t = Instant::now();
                let r = i.call_tick(
                    &mut s,
                    $ns::Tick { cause: $ns::correlator::engine::types::TickCause::End, time: 5 },
                );
                show("tick", &mut s, t, r);
                let t = Instant::now();
                let r = i.call_save(&mut s);
                show("save", &mut s, t, r);
                let t = Instant::now();
                let r = i.call_restore(&mut s, &$ns::State { version: 1, bytes: vec![1, 0, 0, 0] });
                show("restore", &mut s, t, r);
                let t = Instant::now();
                let r = i.call_statistics(&mut s);
                show("statistics", &mut s, t, r);
            }};
        }
        if listener {
            all!(
                l,
                Listener,
                |i: &l::Listener, s: &mut Store<D>| i.call_configure(
                    s,
                    &[l::Setting {
                        name: "threshold".into(),
                        value: l::correlator::engine::types::Value::Integer(10)
                    }],
                    &[]
                ),
                |i: &l::Listener, s: &mut Store<D>| {
                    let mut index = vec![0u32; 14];
                    index[0] = 14;
                    i.call_handle(s, &l::Batch { layout: 1, text: b"root".to_vec(), index })
                }
            )
        } else {
            all!(
                m,
                Module,
                |i: &m::Module, s: &mut Store<D>| i.call_configure(
                    s,
                    &[m::Setting {
                        name: "threshold".into(),
                        value: m::correlator::engine::types::Value::Integer(10)
                    }]
                ),
                |i: &m::Module, s: &mut Store<D>| {
                    let index = vec![0u32; 24 * 100];
                    i.call_process(
                        s,
                        &m::Batch { layout: 1, text: vec![b'x'; 10_000], index, extra: vec![] },
                    )
                }
            )
        }
        println!("  lines {} peak {} MiB", s.data().lines, rss());
    }
}
