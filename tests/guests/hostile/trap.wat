;; Traps in `process`.
;; Must: lose its turns, be restarted and in the end suspended.

;;; process
unreachable
