;; Uses exceptions, which the engine does not offer.
;; Must: be refused at load, with a reason that an author understands.

;;; items
(tag $oops)
(func $throws (throw $oops))
