;; A log line with a severity that does not exist.
;; Must: lose the turn.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; process
(call $log (i32.const 77) (i32.const 128) (i32.const 0))
(i32.const {{answer}})
