;; `process` returns an odd address.
;; Must: lose its turns.

;;; process
(i32.const 17)
