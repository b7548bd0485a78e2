;; Loops for ever in `_initialize`, which the component calls when it is instantiated.
;; Must: be refused at load: instantiating has a budget too.

;;; items
(func (export "_initialize") (loop $again (br $again)))
