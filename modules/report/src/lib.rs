//! A notice for each record, and totals.
