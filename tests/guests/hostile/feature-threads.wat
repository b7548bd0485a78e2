;; Uses shared memory (threads), which the engine does not offer.
;; Must: be refused at load, with a reason that an author understands.

;;; items
(memory $shared 1 2 shared)
