;; Loops for ever in `save`.
;; Must: count as a failure of this guest; nothing is kept; its earlier turns stand.

;;; save
(loop $again (br $again))
unreachable

;;; process
(call $burn)
(i32.const {{answer}})
