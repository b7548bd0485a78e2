# One-liners; `cargo xtask` does the work and needs no `just`.

# What there is.
default:
    @just --list

# What CI runs: format, clippy, tests, docs, licences.
check:
    cargo xtask check

# Every test.
test:
    cargo xtask test

# The main job on bundled samples.
demo:
    cargo xtask demo

# Measurements, in a release build.
bench *arguments:
    cargo xtask bench {{ arguments }}

# The bundled guests as files.
guests:
    cargo xtask guests
