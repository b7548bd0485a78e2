//! Totals of what came in.
