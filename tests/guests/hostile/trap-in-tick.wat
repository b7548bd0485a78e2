;; Traps in `tick`.
;; Must: lose its turns, be restarted and in the end suspended.

;;; tick
unreachable
