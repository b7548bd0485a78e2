;; Wants 4 GiB of memory from the start.
;; Must: be refused at load, with the limit named.

;;; memory
(memory (export "memory") 65536)
