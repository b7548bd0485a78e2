;; Returns a text of all the memory that it can get, and has no room left for the next list.
;; Must: lose the turn, for its size or for its memory.

;;; process
(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
(call $turn (i32.const 0)
  (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)))
