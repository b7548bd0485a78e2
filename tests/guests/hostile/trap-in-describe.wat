;; Traps in `describe`.
;; Must: be refused at load, with the trap named.

;;; describe
unreachable
