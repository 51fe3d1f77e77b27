//! Values that are made where they stay.

/// On the heap, in memory that was another request's a moment ago. What is made is written there: passed on by value, it would be made on
/// the stack and copied.
pub(crate) fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    Box::write(Box::new_uninit(), make())
}
