;; Loops for ever in `cabi_realloc`, which the host calls for every list that it passes in.
;; Must: run out of fuel in the first call that passes a list; that call is lost like any other.

;;; realloc
(loop $again (br $again))
unreachable
