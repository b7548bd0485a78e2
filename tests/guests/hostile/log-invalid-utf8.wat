;; A log line that is not UTF-8.
;; Must: lose the turn: the boundary admits no such string.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; items
(data (i32.const 128) "before\ff\fe\c0\80after")

;;; process
(call $log (i32.const 0) (i32.const 128) (i32.const 15))
(i32.const {{answer}})
