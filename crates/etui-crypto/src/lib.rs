//! The only place that seals and opens.
