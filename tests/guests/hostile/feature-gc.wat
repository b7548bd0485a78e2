;; Uses garbage-collected structs, which the engine does not offer.
;; Must: be refused at load, with a reason that an author understands.

;;; items
(type $node (struct (field (mut (ref null $node)))))
(func $grows (result (ref $node)) (struct.new $node (ref.null $node)))
