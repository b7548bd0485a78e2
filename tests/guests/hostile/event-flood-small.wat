;; A hundred thousand valid events in one turn, made by doubling: small enough for memory and copying.
;; Must: lose the turn, for the limit of events in a turn.

;;; process
(local $bytes i32)
(call $event (i32.const 0) (i32.const 0) (i32.const 4))
(local.set $bytes (i32.const 56))
(drop (memory.grow (i32.const 128)))
(loop $double
  (memory.copy
    (i32.add (global.get $rows) (local.get $bytes)) (global.get $rows) (local.get $bytes))
  (local.set $bytes (i32.shl (local.get $bytes) (i32.const 1)))
  (br_if $double (i32.lt_u (local.get $bytes) (i32.const 5600000))))
(global.set $heap (i32.add (global.get $rows) (local.get $bytes)))
(call $turn (local.get $text) (i32.const 4))
