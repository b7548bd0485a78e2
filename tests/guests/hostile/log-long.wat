;; A line of 10 MB for the engine's log in every turn.
;; Must: have the line cut, or lose the turn; never 10 MB on the terminal.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; process
(local $line i32)
(local.set $line (call $alloc (i32.const 1) (i32.const 10000000)))
(memory.fill (local.get $line) (i32.const 65) (i32.const 10000000))
(call $log (i32.const 0) (local.get $line) (i32.const 10000000))
(i32.const {{answer}})
