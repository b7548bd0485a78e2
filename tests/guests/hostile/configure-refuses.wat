;; Refuses its configuration with a message full of terminal escapes.
;; Must: have the stack refused, with the message escaped.

;;; items
(data (i32.const 128) "before\1b[2J\1b]0;title\07\0d\0aforged: line\00\c2\9b31m\e2\80\aebidi\7fafter")

;;; configure
(call $error (i32.const 128) (i32.const 53))
