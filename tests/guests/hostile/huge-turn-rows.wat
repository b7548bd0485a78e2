;; Returns rows of all the memory that it can get: zeros, so that each row has no words.
;; Must: lose the turn, for the limit of a turn's size.

;;; process
(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
(global.set $rows (i32.const 65536))
(global.set $heap (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)))
(call $turn (i32.const 0) (i32.const 0))
