//! Events as lines on the terminal.
