;; Terminal escapes, a newline with a forged line behind it, a NUL, a C1 control and a bidi override in a log line.
;; Must: be shown escaped, in one line.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; items
(data (i32.const 128) "before\1b[2J\1b]0;title\07\0d\0aforged: line\00\c2\9b31m\e2\80\aebidi\7fafter")

;;; process
(call $log (i32.const 0) (i32.const 128) (i32.const 53))
(i32.const {{answer}})
