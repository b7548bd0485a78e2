;; Loops for ever when the host says that it has read an answer.
;; Must: run out of fuel like in the call itself. The first is after `describe`, so it is refused at load.

;;; post-return
(loop $again (br $again))
