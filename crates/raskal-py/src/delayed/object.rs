//! The class `Delayed`: a handle to a node. Operators and methods come from a table in `python/raskal/delayed.py`.

use super::node::{Arg, Args, Kind, Node, arguments, inspect};
use crate::value::from_python;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyBool, PyDict, PyFloat, PyInt, PyString, PyTuple};
use raskal_graph::Token;
use std::sync::Arc;

/// A value that is not computed yet.
#[pyclass(module = "raskal.delayed", frozen, dict, weakref)]
pub(crate) struct Delayed {
    pub(super) node: Arc<Node>,
    /// Whether calls of it are pure: the same arguments give the same key.
    pure: Option<bool>,
    /// Into how many values the result can be unpacked.
    nout: Option<usize>,
}

#[pymethods]
impl Delayed {
    /// A node for an object, which may hold other nodes.
    #[staticmethod]
    #[pyo3(signature = (object, key=None, pure=None, nout=None, traverse=true))]
    fn _of(
        object: &Bound<'_, PyAny>,
        key: Option<String>,
        pure: Option<bool>,
        nout: Option<usize>,
        traverse: bool,
    ) -> PyResult<Delayed> {
        let literal = || Arg::Literal(object.clone().unbind());
        let arg = if traverse { inspect(object)?.unwrap_or_else(literal) } else { literal() };
        Ok(Delayed { node: Node::new(object.py(), Kind::Object(arg), key), pure, nout })
    }

    /// A node for a value that is computed already.
    #[staticmethod]
    fn _computed(object: Bound<'_, PyAny>, key: String) -> Delayed {
        let py = object.py();
        Delayed { node: Node::new(py, Kind::Value(from_python(object)), Some(key)), pure: None, nout: None }
    }

    /// The node of a call of `function`.
    #[staticmethod]
    #[pyo3(signature = (function, args, kwargs=None, key=None, nout=None))]
    fn _call(
        function: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
        key: Option<String>,
        nout: Option<usize>,
    ) -> PyResult<Delayed> {
        let callee = Arg::Literal(function.clone().unbind());
        let kind = Kind::Call { callee, args: arguments(args, kwargs)? };
        Ok(Delayed { node: Node::new(function.py(), kind, key), pure: None, nout })
    }

    /// The node of an operator, which is pure: the same operator on the same operands is one task.
    #[staticmethod]
    fn _operate(function: &Bound<'_, PyAny>, name: &str, operands: &Bound<'_, PyTuple>) -> PyResult<Delayed> {
        let py = function.py();
        let (mut parts, mut drawn) = (vec![name.to_owned()], false);
        for operand in operands {
            parts.push(match operand.cast::<Delayed>() {
                Ok(delayed) => {
                    let node = &delayed.get().node;
                    drawn |= node.is_drawn();
                    format!("delayed {}", node.key(py))
                }
                Err(_) => literal_token(&operand)?,
            });
        }
        let key = format!("{name}-{}", Token::of(&parts));
        let callee = Arg::Literal(function.clone().unbind());
        let kind = Kind::Call { callee, args: arguments(operands, None)? };
        Ok(Delayed { node: Node::derived(py, kind, key, drawn), pure: None, nout: None })
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Delayed> {
        let (mut key, mut pure) = (None, self.pure);
        if let Some(kwargs) = kwargs {
            if let Some(given) = kwargs.get_item("dask_key_name")? {
                key = Some(given.str()?.to_string());
                kwargs.del_item("dask_key_name")?;
            }
            if let Some(given) = kwargs.get_item("pure")? {
                pure = given.extract()?;
                kwargs.del_item("pure")?;
            }
        }
        let callee = match &self.node.kind {
            Kind::Object(Arg::Literal(function)) => Arg::Literal(function.clone_ref(py)),
            _ => Arg::Node(self.node.clone()),
        };
        let args_given = arguments(args, kwargs)?;
        let pure = match pure {
            Some(pure) => pure,
            None => default_pure(py)?,
        };
        if pure && key.is_none() {
            let name = match &callee {
                Arg::Literal(function) => Node::new(
                    py,
                    Kind::Call {
                        callee: Arg::Literal(function.clone_ref(py)),
                        args: Args::Plain(PyTuple::empty(py).unbind(), None),
                    },
                    None,
                )
                .name(py),
                _ => "call".into(),
            };
            let callable = match &callee {
                Arg::Literal(function) => function.clone_ref(py).into_any(),
                _ => self.node.key(py).into_pyobject(py)?.into_any().unbind(),
            };
            let all =
                PyTuple::new(py, std::iter::once(callable.into_bound(py)).chain(args.iter()).collect::<Vec<_>>())?;
            let token = py.import("raskal.tokenize")?.getattr("tokenize")?.call(all, kwargs)?;
            key = Some(format!("{name}-{token}"));
        }
        Ok(Delayed { node: Node::new(py, Kind::Call { callee, args: args_given }, key), pure: None, nout: self.nout })
    }

    fn __getattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<Delayed> {
        let py = slf.py();
        if name.to_cow()?.starts_with('_') {
            return Err(PyAttributeError::new_err(format!(
                "Delayed objects have no attribute '{name}' (attributes that begin with an underscore are not passed on to the value)"
            )));
        }
        static GETATTR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let getattr = GETATTR.get_or_try_init(py, || py.import("builtins")?.getattr("getattr").map(Bound::unbind))?;
        let args = Args::Template(
            vec![Arg::Node(slf.get().node.clone()), Arg::Literal(name.clone().into_any().unbind())],
            Vec::new(),
        );
        let kind = Kind::Call { callee: Arg::Literal(getattr.clone_ref(py)), args };
        // The same attribute of the same value is one task.
        let token = Token::of(["getattr", &slf.get().node.key(py), &name.to_cow()?]);
        let node = Node::derived(py, kind, format!("getattr-{token}"), slf.get().node.is_drawn());
        Ok(Delayed { node, pure: None, nout: None })
    }

    /// The key: unique, or the content's for pure calls.
    #[getter]
    fn key(&self, py: Python<'_>) -> String {
        self.node.key(py)
    }

    /// Whether the key was given or made from content, rather than drawn.
    #[getter]
    fn _is_keyed(&self) -> bool {
        !self.node.is_drawn()
    }

    /// Into how many values the result can be unpacked, if known.
    #[getter]
    fn _nout(&self) -> Option<usize> {
        self.nout
    }

    /// The function or object that a leaf stands for.
    #[getter]
    fn _leaf(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.node.kind {
            Kind::Object(Arg::Literal(object)) => Ok(object.clone_ref(py)),
            _ => Err(PyAttributeError::new_err("this Delayed is not a leaf")),
        }
    }

    /// Whether it stands for an object rather than for the result of a call.
    #[getter]
    fn _is_leaf(&self) -> bool {
        matches!(&self.node.kind, Kind::Object(Arg::Literal(_)))
    }

    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err(
            "a Delayed has no truth value before it is computed\nhint: call .compute() first, or move the test into a delayed function",
        ))
    }

    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        Arc::as_ptr(&slf.get().node) as isize >> 4
    }
}

/// A token of an operand that is not delayed.
fn literal_token(operand: &Bound<'_, PyAny>) -> PyResult<String> {
    let plain = operand.is_none()
        || operand.is_exact_instance_of::<PyInt>()
        || operand.is_exact_instance_of::<PyFloat>()
        || operand.is_exact_instance_of::<PyString>()
        || operand.is_exact_instance_of::<PyBool>();
    if plain {
        return Ok(format!("{} {}", operand.get_type().name()?, operand.repr()?));
    }
    let py = operand.py();
    // Nobody asked for this key: what has no token of its content is told apart from all others.
    let options = [("ensure_deterministic", false)].into_py_dict(py)?;
    py.import("raskal.tokenize")?.getattr("tokenize")?.call((operand,), Some(&options))?.extract()
}

/// Whether calls are pure when nobody says (the setting `delayed-pure`).
fn default_pure(py: Python<'_>) -> PyResult<bool> {
    // The settings are one dictionary for the life of the process, which is changed in place.
    static SETTINGS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let settings = SETTINGS.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("raskal.config")?.getattr("config")?.cast_into::<PyDict>()?.unbind())
    })?;
    settings.bind(py).get_item(intern!(py, "delayed-pure"))?.map_or(Ok(false), |pure| pure.is_truthy())
}
