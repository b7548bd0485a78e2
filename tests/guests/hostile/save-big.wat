;; Its state is all the memory that it can get.
;; Must: have the state refused, for the limit of a state's size; its turns stand.

;;; save
(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
(call $state (i32.const 1) (i32.const 0)
  (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)))

;;; process
(call $burn)
(i32.const {{answer}})
