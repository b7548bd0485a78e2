;; Loops for ever in `configure`.
;; Must: refuse the stack within the limits of a call, and say that `configure` ran out of fuel.

;;; configure
(loop $again (br $again))
unreachable
