;; A million lines for the engine's log in every turn.
;; Must: have most of its lines dropped and counted; the engine's own output stays readable and small.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; items
(data (i32.const 128) "the guest floods the log")

;;; process
(local $left i32)
(local.set $left (i32.const 1000000))
(loop $again
  (call $log (i32.const 0) (i32.const 128) (i32.const 24))
  (local.set $left (i32.sub (local.get $left) (i32.const 1)))
  (br_if $again (local.get $left)))
(i32.const {{answer}})
