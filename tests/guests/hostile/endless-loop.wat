;; Loops for ever in `process`.
;; Must: run out of fuel; the turn is lost, the guest restarted and in the end suspended; the run goes on.

;;; process
(loop $again (br $again))
unreachable
