;; Uses a memory with 64-bit addresses, which the engine does not offer.
;; Must: be refused at load, with a reason that an author understands.

;;; items
(memory $wide i64 2)
