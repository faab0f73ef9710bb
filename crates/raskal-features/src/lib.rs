//! Nothing but a manifest: the features that some crate of the workspace asks of libraries which DataFusion uses, too.
//!
//! Cargo compiles a library once for each set of features, and a crate that is built alone asks for fewer: without this,
//! `cargo run --example quickstart -p raskal` would compile DataFusion again that `make demo` has compiled. The crates
//! that stand on DataFusion have this one as a development dependency, and the extension as a plain one, because a wheel is
//! built of it alone. `.ci/arrows.py` says which feature is missing here.
