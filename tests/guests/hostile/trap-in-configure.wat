;; Traps in `configure`.
;; Must: be refused at load, with the trap named.

;;; configure
unreachable
