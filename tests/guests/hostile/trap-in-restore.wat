;; Traps in `restore`.
;; Must: be told about as a failure of this guest; its turns stand.

;;; restore
unreachable

;;; process
(call $count)
(call $burn)
(if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable))
(i32.const {{answer}})
