;; Loops for ever in the core module's start function: before anything was called.
;; Must: be refused at load: instantiating has a budget too.

;;; items
(func $main (loop $again (br $again)))
(start $main)
