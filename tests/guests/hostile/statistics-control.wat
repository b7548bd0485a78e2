;; A statistic whose name and text are full of terminal escapes, newlines and bidi overrides.
;; Must: be shown escaped, in one line.

;;; items
(data (i32.const 128) "before\1b[2J\1b]0;title\07\0d\0aforged: line\00\c2\9b31m\e2\80\aebidi\7fafter")
(data (i32.const 256) "\80\00\00\00\35\00\00\00\00\00\00\00\00\00\00\00\80\00\00\00\35\00\00\00")

;;; statistics
(call $list (i32.const 256) (i32.const 1))
