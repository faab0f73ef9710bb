//! Breaking off Python tasks of runs that were given up.
//!
//! Start at [`break_off`]. A thread of an engine that is in the middle of a task can't be stopped from outside; but Python
//! can have it raise an exception, which is `KeyboardInterrupt`, as in the thread that was interrupted. Invariant: that
//! exception is raised inside the task it was meant for, or nowhere.

use parking_lot::Mutex;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use raskal_graph::Graph;
use raskal_runtime::Program;
use std::ffi::c_long;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// What a thread is at.
pub(crate) struct Place {
    process: u32,
    /// Python's number of the thread.
    thread: c_long,
    /// The program of the task that it runs; 0 between tasks.
    program: AtomicUsize,
    /// Whether it may have an exception to come.
    broken: AtomicBool,
    /// Held by who sends an exception, and by who takes it back.
    lock: Mutex<()>,
}

/// The threads of all engines.
static PLACES: Mutex<Vec<Arc<Place>>> = Mutex::new(Vec::new());

/// Tells a program from all others that are there.
fn identity(graph: &Arc<Graph>) -> usize {
    Arc::as_ptr(graph) as usize
}

impl Place {
    /// The place of the calling thread, which begins its life here.
    pub(crate) fn enter(py: Python<'_>) -> PyResult<Arc<Place>> {
        let thread = py.import("threading")?.getattr("get_ident")?.call0()?.extract()?;
        let place = Arc::new(Place {
            process: std::process::id(),
            thread,
            program: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            lock: Mutex::new(()),
        });
        PLACES.lock().push(place.clone());
        Ok(place)
    }

    /// The thread ends.
    pub(crate) fn leave(self: &Arc<Self>) {
        PLACES.lock().retain(|other| !Arc::ptr_eq(self, other));
    }

    /// Calls `body` as a task of a program.
    pub(crate) fn during(&self, py: Python<'_>, program: &Program, body: &mut dyn FnMut()) {
        self.program.store(identity(&program.graph), SeqCst);
        crate::context::within(py, &program.graph, body);
        self.program.store(0, SeqCst);
        // Either this sees that an exception was sent, or its sender sees that the task is over.
        if self.broken.load(SeqCst) {
            let _guard = self.lock.lock();
            if self.broken.swap(false, SeqCst) {
                raise(self.thread, std::ptr::null_mut());
            }
        }
    }
}

/// Has the threads that run tasks of a program, or any task, raise `KeyboardInterrupt`.
pub(crate) fn break_off(py: Python<'_>, graph: Option<&Arc<Graph>>) {
    let error = py.get_type::<PyKeyboardInterrupt>();
    let program = graph.map(identity);
    let mut places = PLACES.lock();
    // The threads of the process that this one was forked from are not here.
    places.retain(|place| place.process == std::process::id());
    for place in places.iter() {
        let _guard = place.lock.lock();
        place.broken.store(true, SeqCst);
        let running = place.program.load(SeqCst);
        if running != 0 && program.is_none_or(|program| program == running) {
            raise(place.thread, error.as_ptr());
        } else {
            place.broken.store(false, SeqCst);
        }
    }
}

/// Has a thread raise an exception when it is at Python code the next time; none takes back what was not raised yet.
fn raise(thread: c_long, exception: *mut pyo3::ffi::PyObject) {
    #[expect(unsafe_code)]
    // SAFETY: the caller is attached to the interpreter, and the exception is a class that lives as long, or null.
    unsafe {
        pyo3::ffi::PyThreadState_SetAsyncExc(thread, exception);
    }
}
