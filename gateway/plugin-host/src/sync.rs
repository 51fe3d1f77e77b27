//! Locks of what is modelled in `tests/models`, which has others under this name.

pub(crate) use parking_lot::Mutex;
pub(crate) use thread_local::ThreadLocal;
