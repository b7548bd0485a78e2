;; Says that its state is 1 GB.
;; Must: have the state refused, for its memory or its size; its turns stand.

;;; save
(call $state (i32.const 1) (i32.const 0) (i32.const 1000000000))

;;; process
(call $burn)
(i32.const {{answer}})
