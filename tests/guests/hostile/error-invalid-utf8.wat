;; Returns an error that is not UTF-8.
;; Must: lose its turns; the reason is that the string is not UTF-8.

;;; items
(data (i32.const 128) "before\ff\fe\c0\80after")

;;; process
(call $error (i32.const 128) (i32.const 15))
