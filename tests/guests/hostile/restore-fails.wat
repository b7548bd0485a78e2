;; Refuses the state that it has saved itself, when it is restarted after a trap.
;; Must: be told about, and suspended or started anew; the run goes on.

;;; items
(data (i32.const 128) "I was never that young")

;;; process
(call $count)
(call $burn)
(if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable))
(i32.const {{answer}})

;;; restore
(call $error (i32.const 128) (i32.const 22))
