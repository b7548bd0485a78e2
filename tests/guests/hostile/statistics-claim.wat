;; Claims 0xffffffff statistics.
;; Must: be told about as a failure; nothing is reserved for them.

;;; statistics
(call $list (i32.const 4096) (i32.const -1))
