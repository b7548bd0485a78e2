;; Loops for ever in `describe`.
;; Must: refuse the guest at load, and say that `describe` ran out of fuel.

;;; describe
(loop $again (br $again))
unreachable
