//! Placeholder root while the workspace is laid out.
