;; `process` returns neither a turn nor an error: the case is 7.
;; Must: lose its turns.

;;; process
(drop (call $nothing))
(i32.store8 (i32.const 16) (i32.const 7))
(i32.const 16)
