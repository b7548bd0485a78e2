;; Uses shared memory (threads), which the engine does not offer.
;; Must: be refused at load, with a reason that an author understands.

;;; memory
(memory (export "memory") 2 16 shared)
