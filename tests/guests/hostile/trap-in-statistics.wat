;; Traps in `statistics`.
;; Must: be told about as a failure of this guest; its turns stand.

;;; statistics
unreachable
