;; Traps in `save`.
;; Must: be told about as a failure of this guest; its turns stand.

;;; save
unreachable
