;; Asks for memory for ever, although it gets none: `memory.grow` costs next to no fuel, the host's work does.
;; Must: run out of fuel or of time; the turn is lost.

;;; process
(loop $again
  (drop (memory.grow (i32.const 1)))
  (br $again))
unreachable
