//! Context variables in tasks on threads: a task finds the values that hold where it is computed.
//!
//! Start at [`keep`]. So NumPy's `errstate` and a user's own `contextvars.ContextVar` mean in tasks what they mean around
//! `compute`; what a task sets is its own. Where no variable is set, nothing is done.

use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;
use raskal_graph::Graph;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// The contexts of running programs, by the address of their graphs.
static CONTEXTS: Mutex<Option<HashMap<usize, Py<PyAny>>>> = Mutex::new(None);
/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The context of a program, which is kept as long as this is.
pub(crate) struct Kept(Arc<Graph>);

/// Keeps the caller's context for the tasks of a program; none if no variable is set in it.
pub(crate) fn keep(py: Python<'_>, graph: &Arc<Graph>) -> PyResult<Option<Kept>> {
    #[expect(unsafe_code)]
    // SAFETY: the thread is attached; the call gives a new reference, or null with an exception set.
    let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
    if context.len()? == 0 {
        return Ok(None);
    }
    let address = Arc::as_ptr(graph) as usize;
    CONTEXTS.lock().get_or_insert_default().insert(address, context.unbind());
    COUNT.fetch_add(1, SeqCst);
    Ok(Some(Kept(graph.clone())))
}

impl Drop for Kept {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, SeqCst);
        let kept = CONTEXTS.lock().as_mut().and_then(|contexts| contexts.remove(&(Arc::as_ptr(&self.0) as usize)));
        drop(kept);
    }
}

/// Calls `body` in a copy of the context that is kept for a program, if one is.
pub(crate) fn within(py: Python<'_>, graph: &Arc<Graph>, body: &mut dyn FnMut()) {
    match copy(py, graph) {
        Some(context) => enter(&context, body),
        None => body(),
    }
}

fn copy<'py>(py: Python<'py>, graph: &Arc<Graph>) -> Option<Bound<'py, PyAny>> {
    if COUNT.load(SeqCst) == 0 {
        return None;
    }
    let contexts = CONTEXTS.lock();
    let context = contexts.as_ref()?.get(&(Arc::as_ptr(graph) as usize))?;
    #[expect(unsafe_code)]
    // SAFETY: the thread is attached, and a context is given; the call gives a new reference, or null for want of memory.
    unsafe {
        Bound::from_owned_ptr_or_opt(py, ffi::PyContext_Copy(context.as_ptr()))
    }
}

fn enter(context: &Bound<'_, PyAny>, body: &mut dyn FnMut()) {
    #[expect(unsafe_code)]
    // SAFETY: the thread is attached, and the context is a copy that no other thread has.
    let entered = unsafe { ffi::PyContext_Enter(context.as_ptr()) } == 0;
    body();
    if entered {
        #[expect(unsafe_code)]
        // SAFETY: the thread is attached again, and the context is the one that it entered last: bodies leave what they enter.
        let left = unsafe { ffi::PyContext_Exit(context.as_ptr()) };
        debug_assert_eq!(left, 0, "a task left a context entered");
    }
}
