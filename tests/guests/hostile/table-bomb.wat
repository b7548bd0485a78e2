;; Grows a table for ever.
;; Must: stay within the limit of tables and of memory. Being refused is no failure, so it may run to the end.

;;; items
(table $bomb 0 funcref)

;;; process
(loop $again
  (br_if $again
    (i32.ne (i32.const -1) (table.grow $bomb (ref.null func) (i32.const 100000)))))
(i32.const {{answer}})
