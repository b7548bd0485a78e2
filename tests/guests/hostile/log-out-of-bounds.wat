;; A log line of 4 GiB that begins behind the memory.
;; Must: lose the turn.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; process
(call $log (i32.const 0) (i32.const -16) (i32.const -1))
(i32.const {{answer}})
