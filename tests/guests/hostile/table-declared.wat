;; Wants a table with 500,000,000 places from the start: 4 GB in the host, hardly a byte in the file.
;; Must: be refused at load.

;;; items
(table $bomb 500000000 funcref)
