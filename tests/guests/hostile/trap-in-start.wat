;; Traps in the start function.
;; Must: be refused at load, with the trap named.

;;; items
(func $main unreachable)
(start $main)
