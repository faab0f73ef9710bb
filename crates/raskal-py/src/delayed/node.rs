//! A node of a graph drawn by hand, and its arguments.
//!
//! Building must cost a microsecond or two: arguments are looked through once, when the call is made; those that hold no
//! other node are kept as the tuple that Python made.

use foldhash::fast::FixedState;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple, PyType};
use raskal_store::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::object::Delayed;
use crate::annotate::{self, Asked};

/// What a node stands for.
pub(super) enum Kind {
    /// The result of a call.
    Call { callee: Arg, args: Args },
    /// A value, possibly with nodes inside.
    Object(Arg),
    /// A value that was computed already.
    Value(Value),
    /// The result of another collection (array, dataframe, future).
    Collection(Py<PyAny>),
}

/// The arguments of a call.
pub(super) enum Args {
    /// Without nodes inside.
    Plain(Py<PyTuple>, Option<Py<PyDict>>),
    /// With nodes inside.
    Template(Vec<Arg>, Vec<(Py<PyAny>, Arg)>),
}

/// An argument.
pub(super) enum Arg {
    Literal(Py<PyAny>),
    Node(Arc<Node>),
    List(Vec<Arg>),
    Tuple(Vec<Arg>),
    Set(Vec<Arg>),
    Dict(Vec<(Arg, Arg)>),
    /// An object made anew from parts: `callable(*parts)` (dataclasses, slices, named tuples).
    Made(Py<PyAny>, Vec<Arg>),
}

/// A node.
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Unique in this process.
    number: u64,
    /// The key that the user gave, or that a pure call has from its content.
    pub(super) key: Option<String>,
    /// Whether that key was made from keys that were drawn: it means nothing in another process.
    drawn: bool,
    /// The line of the user's code that made it.
    origin: Option<(Py<PyAny>, i32)>,
    /// What was asked of it.
    pub(super) asked: Option<Py<Asked>>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Tells the keys of this process from those of others.
fn process_token() -> u64 {
    static TOKEN: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *TOKEN.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        // The standard library's hasher state is random per process.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.finish()
    })
}

impl Node {
    pub(super) fn new(py: Python<'_>, kind: Kind, key: Option<String>) -> Arc<Node> {
        Node::of(py, kind, key, false)
    }

    /// A node whose key was made from the keys of others, of which some may have been drawn.
    pub(super) fn derived(py: Python<'_>, kind: Kind, key: String, drawn: bool) -> Arc<Node> {
        Node::of(py, kind, Some(key), drawn)
    }

    fn of(py: Python<'_>, kind: Kind, key: Option<String>, drawn: bool) -> Arc<Node> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node { kind, number, key, drawn, origin: current_line(py), asked: annotate::current(py) })
    }

    /// Whether its key was drawn, or made from such keys.
    pub(super) fn is_drawn(&self) -> bool {
        self.drawn || self.key.is_none()
    }

    /// The key: given, or made from the function's name and a number that is unique over processes.
    pub(super) fn key(&self, py: Python<'_>) -> String {
        match &self.key {
            Some(key) => key.clone(),
            None => format!("{}-{:016x}{:016x}", self.name(py), process_token(), self.number),
        }
    }

    /// Name of the function that it calls, or of the type of its value.
    pub(super) fn name(&self, py: Python<'_>) -> String {
        let object = match &self.kind {
            Kind::Call { callee: Arg::Literal(function), .. } => function.bind(py),
            Kind::Call { .. } => return "call".into(),
            Kind::Object(Arg::Literal(object)) => return type_name(object.bind(py)),
            Kind::Object(_) => return "object".into(),
            Kind::Value(_) => return "value".into(),
            Kind::Collection(object) => return type_name(object.bind(py)),
        };
        let name = object.getattr("__name__").and_then(|name| name.extract::<String>());
        match name.as_deref() {
            Ok("<lambda>") => "lambda".into(),
            Ok(name) => name.to_owned(),
            Err(_) => type_name(object),
        }
    }

    pub(super) fn origin(&self, py: Python<'_>) -> Option<String> {
        let (code, line) = self.origin.as_ref()?;
        let file: String = code.bind(py).getattr("co_filename").ok()?.extract().ok()?;
        Some(format!("{file}:{line}"))
    }

    /// Calls `visit` with each node among the arguments, in the order in which [`Args`] are built from values.
    pub(super) fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a Arc<Node>)) {
        match &self.kind {
            Kind::Call { callee, args } => {
                callee.visit(visit);
                if let Args::Template(args, keywords) = args {
                    args.iter().for_each(|arg| arg.visit(visit));
                    keywords.iter().for_each(|(_, arg)| arg.visit(visit));
                }
            }
            Kind::Object(arg) => arg.visit(visit),
            Kind::Value(_) | Kind::Collection(_) => {}
        }
    }

    /// Moves the nodes that it holds to `into`.
    fn take(&mut self, into: &mut Vec<Arc<Node>>) {
        match &mut self.kind {
            Kind::Call { callee, args } => {
                callee.take(into);
                if let Args::Template(args, keywords) = args {
                    args.drain(..).for_each(|mut arg| arg.take(into));
                    keywords.drain(..).for_each(|(_, mut arg)| arg.take(into));
                }
            }
            Kind::Object(arg) => arg.take(into),
            Kind::Value(_) | Kind::Collection(_) => {}
        }
    }
}

impl Drop for Node {
    /// Without recursion: a chain of a million calls must not exhaust the stack when it is forgotten.
    fn drop(&mut self) {
        let mut held = Vec::new();
        self.take(&mut held);
        while let Some(node) = held.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                node.take(&mut held);
            }
        }
    }
}

impl Arg {
    fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a Arc<Node>)) {
        match self {
            Arg::Literal(_) => {}
            Arg::Node(node) => visit(node),
            Arg::List(args) | Arg::Tuple(args) | Arg::Set(args) | Arg::Made(_, args) => {
                args.iter().for_each(|arg| arg.visit(visit));
            }
            Arg::Dict(items) => items.iter().for_each(|(key, value)| {
                key.visit(visit);
                value.visit(visit);
            }),
        }
    }

    fn take(&mut self, into: &mut Vec<Arc<Node>>) {
        match std::mem::replace(self, Arg::List(Vec::new())) {
            Arg::Literal(object) => *self = Arg::Literal(object),
            Arg::Node(node) => into.push(node),
            Arg::List(args) | Arg::Tuple(args) | Arg::Set(args) | Arg::Made(_, args) => {
                args.into_iter().for_each(|mut arg| arg.take(into));
            }
            Arg::Dict(items) => items.into_iter().for_each(|(mut key, mut value)| {
                key.take(into);
                value.take(into);
            }),
        }
    }

    /// The argument itself, with the values of its nodes (`values`, in order of [`Node::visit`]) in their places.
    pub(super) fn build<'py>(
        &self,
        py: Python<'py>,
        values: &mut impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut all = |args: &[Arg]| args.iter().map(|arg| arg.build(py, values)).collect::<PyResult<Vec<_>>>();
        match self {
            Arg::Literal(object) => Ok(object.bind(py).clone()),
            Arg::Node(_) => values
                .next()
                .unwrap_or_else(|| Err(pyo3::exceptions::PyRuntimeError::new_err("a task has too few inputs"))),
            Arg::List(args) => Ok(PyList::new(py, all(args)?)?.into_any()),
            Arg::Tuple(args) => Ok(PyTuple::new(py, all(args)?)?.into_any()),
            Arg::Set(args) => Ok(PySet::new(py, all(args)?)?.into_any()),
            Arg::Made(make, args) => make.bind(py).call1(PyTuple::new(py, all(args)?)?),
            Arg::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, value) in items {
                    dict.set_item(key.build(py, values)?, value.build(py, values)?)?;
                }
                Ok(dict.into_any())
            }
        }
    }
}

/// How objects of a type are looked through.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// They hold no node.
    Plain,
    /// They lower themselves.
    Collection,
    /// They have the protocol of Dask's collections.
    Foreign,
    /// Iterators over a list, a tuple or a set, which stand for what is left of it.
    Iterator,
    /// Their fields may hold nodes.
    Dataclass,
    NamedTuple,
}

/// Types by address.
type Looks = HashMap<usize, (Look, Py<PyType>), FixedState>;

/// The types met so far. The types are kept alive, so that their addresses are not used again.
static LOOKS: parking_lot::Mutex<Option<Looks>> = parking_lot::Mutex::new(None);

fn look(object: &Bound<'_, PyAny>) -> PyResult<Look> {
    let class = object.get_type();
    let address = class.as_ptr() as usize;
    if let Some((look, _)) = LOOKS.lock().as_ref().and_then(|looks| looks.get(&address)) {
        return Ok(*look);
    }
    let is_type = object.is_instance_of::<PyType>();
    let look = if class.hasattr("__raskal_lower__")? {
        Look::Collection
    } else if class.hasattr("__dask_graph__")? && !is_type {
        Look::Foreign
    } else if matches!(&*class.name()?.to_cow()?, "list_iterator" | "tuple_iterator" | "set_iterator") {
        Look::Iterator
    } else if class.hasattr("__dataclass_fields__")? && !is_type {
        Look::Dataclass
    } else if class.hasattr("_fields")? && object.is_instance_of::<PyTuple>() {
        Look::NamedTuple
    } else {
        Look::Plain
    };
    LOOKS.lock().get_or_insert_with(HashMap::default).insert(address, (look, class.unbind()));
    Ok(look)
}

/// Looks through an object; `None` if there is no node in it and it can be used as it is.
pub(super) fn inspect(object: &Bound<'_, PyAny>) -> PyResult<Option<Arg>> {
    if let Ok(delayed) = object.cast_exact::<Delayed>() {
        return Ok(Some(Arg::Node(delayed.get().node.clone())));
    }
    if object.is_none()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyBytes>()
    {
        return Ok(None);
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        return Ok(parts(list.iter())?.map(Arg::List));
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return Ok(parts(tuple.iter())?.map(Arg::Tuple));
    }
    if let Ok(set) = object.cast_exact::<PySet>() {
        return Ok(parts(set.iter())?.map(Arg::Set));
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        let Some(flat) = parts(dict.iter().flat_map(|(key, value)| [key, value]))? else { return Ok(None) };
        let mut flat = flat.into_iter();
        let mut items = Vec::with_capacity(dict.len());
        while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
            items.push((key, value));
        }
        return Ok(Some(Arg::Dict(items)));
    }
    if let Ok(slice) = object.cast_exact::<pyo3::types::PySlice>() {
        let fields = ["start", "stop", "step"].map(|field| slice.getattr(field));
        let fields = fields.into_iter().collect::<PyResult<Vec<_>>>()?;
        return Ok(parts(fields.into_iter())?.map(|args| Arg::Made(slice.get_type().unbind().into_any(), args)));
    }
    match look(object)? {
        Look::Plain => Ok(None),
        Look::Collection => {
            let kind = Kind::Collection(object.clone().unbind());
            Ok(Some(Arg::Node(Node::new(object.py(), kind, None))))
        }
        Look::Foreign => {
            let convert = object.py().import("raskal.interop.collections")?.getattr("to_delayed")?;
            let converted = convert.call1((object,))?;
            Ok(converted.cast_exact::<Delayed>().ok().map(|delayed| Arg::Node(delayed.get().node.clone())))
        }
        Look::Iterator => {
            let list = object.py().get_type::<PyList>().call1((object,))?.cast_into::<PyList>()?;
            Ok(Some(match parts(list.iter())? {
                Some(parts) => Arg::List(parts),
                None => Arg::Literal(list.unbind().into_any()),
            }))
        }
        Look::NamedTuple => {
            let make = object.get_type().getattr("_make")?;
            let items = object.cast::<PyTuple>()?;
            Ok(parts(items.iter())?.map(|args| Arg::Made(make.unbind(), vec![Arg::List(args)])))
        }
        Look::Dataclass => {
            let rebuild = object.py().import("raskal.delayed")?.getattr("_rebuild_dataclass")?;
            let fields = object.py().import("raskal.delayed")?.getattr("_dataclass_fields")?.call1((object,))?;
            let fields = fields.cast_into::<PyDict>()?;
            Ok(inspect(fields.as_any())?.map(|fields| {
                Arg::Made(rebuild.unbind(), vec![Arg::Literal(object.get_type().into_any().unbind()), fields])
            }))
        }
    }
}

/// Looks through several objects; `None` if none of them holds a node.
fn parts<'py>(objects: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<Option<Vec<Arg>>> {
    let (mut args, mut found) = (Vec::new(), false);
    for object in objects {
        match inspect(&object)? {
            Some(arg) => {
                found = true;
                args.push(arg);
            }
            None => args.push(Arg::Literal(object.unbind())),
        }
    }
    Ok(found.then_some(args))
}

/// Looks through the arguments of a call.
pub(super) fn arguments(args: &Bound<'_, PyTuple>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Args> {
    let positional = if args.is_empty() { None } else { parts(args.iter())? };
    let named = match keywords {
        Some(keywords) if !keywords.is_empty() => parts(keywords.values().iter())?,
        _ => None,
    };
    if positional.is_none() && named.is_none() {
        return Ok(Args::Plain(
            args.clone().unbind(),
            keywords.filter(|keywords| !keywords.is_empty()).map(|keywords| keywords.clone().unbind()),
        ));
    }
    let positional = positional.unwrap_or_else(|| args.iter().map(|arg| Arg::Literal(arg.unbind())).collect());
    let named = match (keywords, named) {
        (None, _) => Vec::new(),
        (Some(keywords), Some(named)) => keywords.keys().iter().map(Bound::unbind).zip(named).collect(),
        (Some(keywords), None) => {
            keywords.iter().map(|(key, value)| (key.unbind(), Arg::Literal(value.unbind()))).collect()
        }
    };
    Ok(Args::Template(positional, named))
}

/// The line of the user's code that runs now: the innermost one outside the package, from where `submit` was called, say.
fn current_line(py: Python<'_>) -> Option<(Py<PyAny>, i32)> {
    #[expect(unsafe_code)]
    // SAFETY: the innermost frame is borrowed and only read while this thread, which owns it, is here; its code object and
    // the frames outside it are new references.
    unsafe {
        let mut frame = pyo3::ffi::PyEval_GetFrame();
        let mut outer: Option<Bound<'_, PyAny>>;
        while !frame.is_null() {
            let code = Bound::from_owned_ptr_or_opt(py, pyo3::ffi::PyFrame_GetCode(frame).cast())?;
            if !is_ours(&code) {
                return Some((code.unbind(), pyo3::ffi::PyFrame_GetLineNumber(frame)));
            }
            outer = Bound::from_owned_ptr_or_opt(py, pyo3::ffi::PyFrame_GetBack(frame).cast());
            frame = outer.as_ref().map_or(std::ptr::null_mut(), |outer| outer.as_ptr().cast());
        }
        None
    }
}

/// Whether a code object belongs to the package.
fn is_ours(code: &Bound<'_, PyAny>) -> bool {
    static FOLDER: PyOnceLock<String> = PyOnceLock::new();
    let py = code.py();
    let folder = FOLDER.get_or_try_init(py, || {
        let file: String = py.import("raskal")?.getattr("__file__")?.extract()?;
        Ok::<_, PyErr>(file.trim_end_matches("__init__.py").to_owned())
    });
    let (Ok(folder), Ok(file)) = (folder, code.getattr(intern!(py, "co_filename"))) else { return false };
    file.cast::<PyString>().is_ok_and(|file| file.to_str().is_ok_and(|file| file.starts_with(folder.as_str())))
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map(|name| name.to_string()).unwrap_or_else(|_| "object".into())
}
