;; Traps in `save`.
;; Must: be told about as a failure of this guest; its turns stand.

;;; save
unreachable

;;; process
(call $burn)
(i32.const {{answer}})
