//! Events as rows of table files.
