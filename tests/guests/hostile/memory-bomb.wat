;; Grows its memory until it gets no more, and touches every page.
;; Must: stay within the memory limit. Being refused memory is no failure, so it may run to the end.

;;; process
(loop $again
  (if (i32.ne (i32.const -1) (memory.grow (i32.const 16)))
    (then
      (memory.fill
        (i32.shl (i32.sub (memory.size) (i32.const 16)) (i32.const 16))
        (i32.const 1)
        (i32.const 1048576))
      (br $again))))
(i32.const {{answer}})
