;; `process` returns an address behind the memory.
;; Must: lose its turns.

;;; process
(i32.const -8)
