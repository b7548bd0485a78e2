;; Loops for ever in `tick`.
;; Must: lose that turn like one of `process`.

;;; tick
(loop $again (br $again))
unreachable
