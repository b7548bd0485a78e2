;; Honest but slow: burns some 20,000 instructions for every record, and returns one event a turn.
;; Must: be given its fuel, run to the end, and lose no turn.

;;; process
(local $left i32)
(local.set $left (i32.mul (i32.div_u (local.get $index-length) (i32.const 24)) (i32.const 4000)))
(block $done
  (loop $again
    (br_if $done (i32.eqz (local.get $left)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br $again)))
(call $event (i32.const 0) (i32.const 0) (i32.const 4))
(call $turn (local.get $text) (i32.const 4))
