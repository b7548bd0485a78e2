;; Loops for ever in `restore`.
;; Must: count as a failure when it is restarted from a saved state.

;;; restore
(loop $again (br $again))
unreachable

;;; process
(call $count)
(call $burn)
(if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable))
(i32.const {{answer}})
