;; Returns a text of 32 MiB.
;; Must: lose the turn, for the limit of a turn's size; the host copies no more than that limit.

;;; process
(drop (memory.grow (i32.const 520)))
(call $turn (i32.const 65536) (i32.const 33554432))
