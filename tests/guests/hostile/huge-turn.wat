;; Returns a text of all the memory that it can get.
;; Must: lose the turn, for the limit of a turn's size; the host copies no more than that limit.

;;; process
(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
(call $turn (i32.const 0)
  (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)))
