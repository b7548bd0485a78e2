;; Loops for ever in `statistics`.
;; Must: leave its statistics out of the summary and say so.

;;; statistics
(loop $again (br $again))
unreachable
